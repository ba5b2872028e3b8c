"""A node that only records, to be killed: prints ``session index text`` for what is acknowledged.

python crash_writer.py DIRECTORY            until it is killed
python crash_writer.py DIRECTORY --every    in forked children, each of which dies at another
                                            system call; prints one JSON object per child
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from recorder_world import World
from twisted.internet.defer import Deferred, gatherResults

from hoopgate.recorder import commit, files, log, segments

#: What changes the disk. ``read`` and the like cannot tear anything.
CALLS = frozenset(
    {"write", "fsync", "fdatasync", "open", "close", "mkdir", "link", "rename", "unlink"}
    | {"posix_fallocate"}
)


class Interposed:
    """``os`` for the recorder's modules; ``strike`` is called before each of :data:`CALLS`."""

    def __init__(self, strike: Any) -> None:
        self._strike = strike
        self._read: set[int] = set()  #: descriptors that are only read

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in CALLS:
            return real

        def call(*args: Any, **kwargs: Any) -> Any:
            if name == "open" and not args[1] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                descriptor = real(*args, **kwargs)
                self._read.add(descriptor)
                return descriptor
            if name == "close" and args[0] in self._read:
                self._read.discard(args[0])
            else:
                self._strike(name)
            return real(*args, **kwargs)

        return call


def interpose(strike: Any) -> None:
    """Let ``strike`` see every system call of the recorder that changes the disk."""
    for module in (commit, files, log, segments):
        module.os = Interposed(strike)  # type: ignore[attr-defined]


def work(world: World, tag: str, rounds: int, acknowledged: Any) -> None:
    """Open a log, record in three sessions, stop."""
    world.open()
    opened = {f"{tag}-{n}": world.session(f"{tag}-{n}") for n in range(3)}
    for number in range(rounds):
        done: list[Deferred[Any]] = []
        for name, session in opened.items():
            session.response(b"row " * 20)
            text = f"{name}/{number}"
            one = session.request(text.encode(), None, ())
            one.addCallback(lambda index, name=name, text=text: acknowledged(name, index, text))
            done.append(one)
        world.wait(gatherResults(done))
    world.stop()


def report(name: str, index: int, text: str) -> None:
    os.write(1, f"{name} {index} {text}\n".encode())


def forever(base: Path) -> None:
    tag = f"s{os.getpid()}"
    world = World(base, segment_bytes=20_000, checkpoint_ms=5, window_ms=5)
    os.write(1, b"started\n")
    work(world, tag, 10**9, report)


def every(base: Path) -> None:
    """Children that die at their 1st, 2nd, 3rd … call, until one gets to its end."""
    for number in range(10_000):
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.dup2(writer, 1)
            _die_at(base, number)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            lines = pipe.read().splitlines()
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        print(json.dumps({"call": number, "code": code, "lines": lines}), flush=True)
        if code != 9:
            return


def _die_at(base: Path, number: int) -> None:
    count = 0

    def strike(name: str) -> None:
        nonlocal count
        if count == number:
            os._exit(9)
        count += 1

    try:
        world = World(base, segment_bytes=2500, checkpoint_ms=5, window_ms=5, reserve_bytes=4096)
        interpose(strike)
        work(world, f"k{number}", 4, report)
    except BaseException as error:  # noqa: BLE001 - told by the exit status
        os.write(1, f"error {type(error).__name__}: {error}\n".encode())
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    if "--every" in sys.argv:
        every(directory)
    else:
        forever(directory)
