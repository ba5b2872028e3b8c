"""Which stream stands between a client and the program that it was allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hoopgate.actions import Action, Decision
from hoopgate.events import Command
from hoopgate.ssh.masking import FileMasker, MaskedStream
from hoopgate.ssh.session import MakeStream, PlainStream, Stream
from hoopgate.ssh.sftp import Bounds, SFTPStream

if TYPE_CHECKING:
    from hoopgate.settings.model import Resource


def make_stream(resource: Resource) -> MakeStream:
    """Streams for a resource's programs."""
    settings = resource.ssh
    assert settings is not None
    bounds = Bounds(
        settings.bulk_bytes, settings.bulk_files, settings.bulk_removals, settings.mask_bytes
    )

    mask = FileMasker(binary=settings.binary) if resource.phi else None

    def make(kind: str, decision: Decision, ask: Callable[[Command], Action]) -> Stream:
        if kind == "sftp":
            return SFTPStream(ask, bounds, mask)
        if not resource.phi:
            return PlainStream()
        return MaskedStream(terminal="terminal" in decision.facts[0].flags)

    return make
