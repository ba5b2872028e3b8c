"""A node that only records, with faults at chosen system calls; run with shim.c preloaded.

python fault_writer.py SHIM DIRECTORY WHAT STEP FIRST: children with the fault WHAT at their call
FIRST, FIRST + STEP … until one has no such call. One JSON object per child: call, status, lines it
printed (``session index text`` for what is acknowledged), and whether a failed fsync was retried.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "recorder"))

from crash_writer import report, work
from recorder_world import World

from hoopgate.recorder import prepared

prepared.WORTH_BYTES = 200  # so that segments of any size are written over zeros
prepared.PAUSE_SECONDS = 0.0
SHAPE = {"segment_bytes": 2500, "checkpoint_ms": 5, "window_ms": 5, "reserve_bytes": 4096}


def child(shim: ctypes.CDLL, base: Path, number: int, what: str) -> int:
    """Exit status: 0 done; 1 refused; 9 dead; 5 done, and an fsync was retried; 6: and 1."""
    shim.hg_arm(str(base).encode(), ctypes.c_long(number), ord(what))
    status = 0
    try:
        work(World(base, **SHAPE), f"k{number}", 4, report)
    except BaseException as error:  # noqa: BLE001 - told by the exit status
        os.write(1, f"error {type(error).__name__}: {error}\n".encode())
        status = 1
    if shim.hg_count() <= number:
        os.write(1, b"nothing more\n")
    return status + 5 if shim.hg_retried() else status


def main() -> None:
    shim_path, directory, what, step, first = sys.argv[1:]
    shim = ctypes.CDLL(shim_path)
    for number in range(int(first), 10_000, int(step)):
        base = Path(directory) / f"{what}-{number}"
        reader, writer = os.pipe()
        pid = os.fork()
        if not pid:
            os.dup2(writer, 1)
            os._exit(child(shim, base, number, what))
        os.close(writer)
        with os.fdopen(reader) as pipe:
            lines = pipe.read().splitlines()
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        print(json.dumps({"call": number, "code": code, "lines": lines}), flush=True)
        if "nothing more" in lines:
            return


if __name__ == "__main__":
    main()
