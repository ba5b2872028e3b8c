"""The child process that masks large answers: ``python -m hoopgate.http.masking_worker``.

Requests come on standard input, answers go to standard output, each a four-byte big-endian length
and that many bytes, see ``masking_work.py``. It may be killed at any time.
"""

from __future__ import annotations

import resource
import struct
import sys
from typing import BinaryIO, Final

from hoopgate.http import masking_work

MEMORY: Final = 2 * 2**30

_LENGTH: Final = struct.Struct("!I")


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer until the input ends."""
    while True:
        head = source.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            return
        asked = source.read(_LENGTH.unpack(head)[0])
        found = masking_work.answer(asked)
        sink.write(_LENGTH.pack(len(found)))
        sink.write(found)
        sink.flush()


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold the answer
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
