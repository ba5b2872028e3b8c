"""What processes use, as the kernel counts it: CPU time by part of a server, resident memory."""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")
PAGE = os.sysconf("SC_PAGE_SIZE")

#: Nanoseconds of CPU by part of a server: ``main`` (its first thread), ``threads``, ``children``.
Usage = dict[str, int]


class Meter:
    """Counts the CPU time, user and system, of one server.

    The time on a CPU that the scheduler keeps (``/proc/PID/task/TID/schedstat``) is in
    nanoseconds; utime and stime of ``/proc/PID/stat`` are the same sum in ticks of 10 ms, too
    coarse for a round of one second. A thread that ended is no longer counted: measure while the
    threads that work are alive.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.children = _descendants(pid)

    def read(self) -> Usage:
        """CPU time so far."""
        own = _tasks(self.pid)
        return {
            "main": own.pop(self.pid, 0),
            "threads": sum(own.values()),
            "children": sum(sum(_tasks(child).values()) for child in self.children),
        }

    def resident(self) -> int:
        """Bytes of memory of the process and its children."""
        return sum(_resident(pid) for pid in (self.pid, *self.children))


def _tasks(pid: int) -> dict[int, int]:
    """Nanoseconds on a CPU by thread."""
    found: dict[int, int] = {}
    for task in (PROC / str(pid) / "task").iterdir():
        try:
            found[int(task.name)] = int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
    return found


def _resident(pid: int) -> int:
    return int((PROC / str(pid) / "statm").read_text().split()[1]) * PAGE


def _descendants(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                # The command's name, in parentheses, may hold anything.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = list(parents.get(pid, ()))
    for one in found:
        found += parents.get(one, ())
    return found


def difference(before: Usage, after: Usage) -> Usage:
    """Nanoseconds used between two readings."""
    return {part: after[part] - before[part] for part in after}
