"""VERIFY.md: how somebody else checks a bundle, with tools that are not ours."""

from __future__ import annotations

from base64 import b64encode
from importlib.resources import files

from hoopgate.evidence.manifest import Manifest
from hoopgate.recorder.note import Checkpoint


def instructions(manifest: Manifest, checkpoint: Checkpoint) -> bytes:
    """VERIFY.md of a bundle."""
    chosen = manifest.selection
    template = files("hoopgate.evidence").joinpath("VERIFY.md").read_text("utf-8")
    return template.format(
        origin=manifest.origin,
        first=chosen.first,
        last=chosen.last,
        size=checkpoint.size,
        root=b64encode(checkpoint.root).decode(),
    ).encode()


def checker() -> bytes:
    """verify.go, which checks a bundle's leaves with the Go project's own packages."""
    return files("hoopgate.evidence").joinpath("verify.go").read_bytes()
