"""What a child process of the gateway does: it answers its parent, within limits.

Requests come on standard input, answers go to standard output, each a four-byte big-endian length
and that many bytes; one answer per request, in order. A child may be killed at any time. The
parent's side is :mod:`hoopgate.gateway.workers`.
"""

from __future__ import annotations

import resource
import struct
from collections.abc import Callable
from typing import BinaryIO, Final

LENGTH: Final = struct.Struct("!I")


def confine(memory: int) -> None:
    """Use at most ``memory`` bytes of address space, and leave no core: it would hold requests."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def serve(
    source: BinaryIO, sink: BinaryIO, answer: Callable[[bytes], bytes], seconds: int = 0
) -> None:
    """Answer until the input ends.

    :param seconds: of CPU that a request may take, or the process ends; 0: the parent watches.
    """
    while True:
        head = source.read(LENGTH.size)
        if len(head) < LENGTH.size:
            return
        request = source.read(LENGTH.unpack(head)[0])
        if seconds:
            used = resource.getrusage(resource.RUSAGE_SELF)
            soft = int(used.ru_utime + used.ru_stime) + seconds
            resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))
        found = answer(request)
        sink.write(LENGTH.pack(len(found)))
        sink.write(found)
        sink.flush()
