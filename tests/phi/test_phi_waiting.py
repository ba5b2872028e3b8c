"""What a command that asks a server shows meanwhile, and how it ends when it is interrupted."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios

import pytest

from hoopgate.cli.waiting import Progress

INTERRUPTED = """
import sys
from twisted.internet.defer import Deferred
from hoopgate.cli.waiting import finished
from hoopgate.errors import HoopgateError

async def work(reactor):
    lost = Deferred()
    # As a connection does that is closed when the reactor stops.
    error = HoopgateError("the database went away")
    reactor.addSystemEventTrigger("during", "shutdown", lambda: lost.errback(error))
    print("asking", flush=True)
    await lost

try:
    finished(work)
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_an_interruption_is_no_loss_of_the_database() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "asking\n"
        command.send_signal(signal.SIGINT)
        _, errors = command.communicate(timeout=120)
    assert (command.returncode, errors) == (130, "")


@pytest.mark.parametrize("columns", [40, 132, 0])
def test_a_line_of_progress_stays_one_line(columns: int) -> None:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(ours, "rb", 0) as screen, os.fdopen(theirs, "w") as terminal:
        progress = Progress("scan of clinic", 2, terminal)
        progress.step("s" * 50 + "." + "r" * 250)
        progress.step("x")
        seen = screen.read(65536)
    first, second = (line.removeprefix(b"\x1b[2K") for line in seen.split(b"\r")[1:])
    assert first.startswith(b"scan of clinic: 0 of 2: sss")
    assert len(first) == (columns or 80) - 1
    assert second == b"scan of clinic: 1 of 2: x"
