"""The child process that parses command lines: ``python -m hoopgate.shell.worker``.

It speaks as :mod:`hoopgate.child` says: UTF-8 text in, JSON out.
"""

from __future__ import annotations

import sys
from typing import Final

from hoopgate import child
from hoopgate.shell.analysis import analyze
from hoopgate.shell.line import encode

MEMORY: Final = 2**30
CPU_SECONDS: Final = 5


def answer(request: bytes) -> bytes:
    """The answer to one request."""
    try:
        return encode(analyze(request.decode()))
    except UnicodeDecodeError:
        return b'{"refused":"parse.syntax"}'
    except (RecursionError, MemoryError):
        return b'{"refused":"parse.size"}'


def main() -> None:
    child.confine(MEMORY)
    child.serve(sys.stdin.buffer, sys.stdout.buffer, answer, CPU_SECONDS)


if __name__ == "__main__":
    main()
