"""The child process that parses command lines: ``python -m hoopgate.shell.worker``.

Requests come on standard input, answers go to standard output, each a four-byte big-endian length
and that many bytes: UTF-8 text in, JSON out. It may be killed at any time.
"""

from __future__ import annotations

import resource
import struct
import sys
from typing import BinaryIO, Final

from hoopgate.shell.analysis import analyze
from hoopgate.shell.line import encode

MEMORY: Final = 2**30
CPU_SECONDS: Final = 5

_LENGTH: Final = struct.Struct("!I")


def answer(request: bytes) -> bytes:
    """The answer to one request."""
    try:
        return encode(analyze(request.decode()))
    except UnicodeDecodeError:
        return b'{"refused":"parse.syntax"}'
    except (RecursionError, MemoryError):
        return b'{"refused":"parse.size"}'


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer until the input ends."""
    while True:
        head = source.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            return
        request = source.read(_LENGTH.unpack(head)[0])
        used = resource.getrusage(resource.RUSAGE_SELF)
        soft = int(used.ru_utime + used.ru_stime) + CPU_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))
        found = answer(request)
        sink.write(_LENGTH.pack(len(found)) + found)
        sink.flush()


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold the command
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
