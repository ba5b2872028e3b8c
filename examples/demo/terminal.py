"""What the demo shows: titles, terminals with their prompts, progress. Colours only on a tty."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import termios
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_STYLES = {"title": "1", "good": "32", "bad": "31", "agent": "36", "reviewer": "35", "quiet": "2"}


_COLOURED = (
    sys.stdout.isatty()
    and not os.environ.get("NO_COLOR")
    and os.environ.get("TERM", "dumb") != "dumb"
)


def style(name: str, text: str) -> str:
    """``text`` in a style, where styles can be seen."""
    return f"\x1b[{_STYLES[name]}m{text}\x1b[0m" if _COLOURED else text


def say(text: str = "", end: str = "\n") -> None:
    """Print now: the story is watched."""
    print(text, end=end, flush=True)


def title(number: int, text: str) -> None:
    """The head of a step."""
    say()
    say(style("title", f"{number}  {text}"))


def command(who: str, text: str, where: str = "$") -> None:
    """What somebody types, behind their prompt."""
    say(f"   {style(who, where)} {text}")


def output(text: str, mark: str = "", *, table: bool = False) -> None:
    """What a program answered, as it is; long lines are folded on a terminal.

    :param mark: style of lines that begin with ``ERROR``, ``good`` or ``BAD``.
    :param table: it has columns: long lines are cut there, since folded they are none.
    """
    for line in text.rstrip("\n").split("\n"):
        for part in _cut(line.rstrip()) if table else _folded(line.rstrip()):
            loud = mark and line.startswith(("ERROR", "NOTICE", "good", "BAD"))
            say(f"   {style(mark, part) if loud else part}" if part else "")


def remark(text: str) -> None:
    """A sentence of the narrator."""
    say(style("quiet", f"   — {text}"))


def _width() -> int:
    return max(40, shutil.get_terminal_size().columns - 4)


def _cut(line: str) -> list[str]:
    if not sys.stdout.isatty() or len(line) <= _width():
        return [line]
    return [f"{line[: _width() - 1]}…"]


def _folded(line: str) -> list[str]:
    if not sys.stdout.isatty():
        return [line]
    width = _width()
    folded = textwrap.wrap(
        line, width, subsequent_indent="  ", drop_whitespace=False, break_on_hyphens=False
    )
    return folded or [""]


@contextmanager
def progress(what: str, about: str) -> Iterator[None]:
    """A line that counts the seconds on a terminal and says in the end how many there were."""
    started = time.monotonic()
    done = threading.Event()

    def line(mark: str) -> str:
        seconds = time.monotonic() - started
        return f"   {mark} {what:<18} {about:<44} {style('quiet', f'{seconds:5.1f} s')}"

    def count() -> None:
        while not done.wait(0.1):
            say("\r" + line("·"), end="")

    counting = threading.Thread(target=count, daemon=True)
    if _COLOURED:
        counting.start()
    try:
        yield
    except BaseException:
        done.set()
        say(("\r" if _COLOURED else "") + line(style("bad", "✗")))
        raise
    done.set()
    if _COLOURED:
        counting.join()
    say(("\r" if _COLOURED else "") + line(style("good", "✓")))


def wait_for_interrupt() -> None:
    """Until Ctrl-C, or SIGINT from elsewhere (:class:`KeyboardInterrupt`).

    On a terminal the key is read, not turned into a signal: make would get that, too, and complain.
    """
    if not sys.stdin.isatty():
        signal.pause()
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    raw = termios.tcgetattr(keyboard)
    raw[3] &= ~(termios.ICANON | termios.ECHO)
    raw[6][termios.VINTR] = os.fpathconf(keyboard, "PC_VDISABLE").to_bytes(1, "big")
    termios.tcsetattr(keyboard, termios.TCSADRAIN, raw)
    try:
        while os.read(keyboard, 1) not in (b"\x03", b""):
            pass
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
