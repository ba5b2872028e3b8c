"""Terminals and shells where a rule lets an identity have them, by OpenSSH's client in a terminal
of its own; what is recorded of them, and asciinema's word on it."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
from testbed.certificates import Certificates
from testbed.openssh import SYSTEM, TEN, OpenSSH
from testbed.ward import RULES, Ward, running_ward

SSN = "123-45-6789"


@pytest.fixture(scope="module")
def shells(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Ward]:
    """A resource with PHI on which one agent has shells, and others have commands."""
    rule = {
        "name": "shells",
        "verdict": "allow",
        "match": {"subjects": ["executor"], "classes": ["ssh.shell"]},
    }
    with running_ward(
        tmp_path_factory.mktemp("shells"),
        certificates,
        rules=[rule, *RULES],
        resource={"phi": True},
        ssh={"shell": True},
    ) as running:
        yield running


class Terminal:
    """OpenSSH's client in a terminal: what a person at it types and sees."""

    def __init__(self, ward: Ward, size: tuple[int, int], client: OpenSSH) -> None:
        user, password = ward.credential("executor")
        self._controller, terminal = pty.openpty()
        self.resize(*size)
        self.process = subprocess.Popen(
            [
                *(str(client.program("ssh")), *ward.options(), "-tt", "-p", str(ward.port)),
                f"{user}{client.percent}ward@127.0.0.1",
            ],
            env=ward.environment(password) | {"TERM": "xterm"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(terminal)
        self.shown = ""
        self._at = 0

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._controller, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self._controller, text.encode())

    def until(self, text: str, seconds: float = 60) -> None:
        """Read on until ``text`` is shown behind what the last call waited for."""
        deadline = time.monotonic() + seconds
        while (found := self.shown.find(text, self._at)) < 0:
            rest = max(0.0, deadline - time.monotonic())
            assert select.select([self._controller], [], [], rest)[0], (text, self.shown)
            try:
                piece = os.read(self._controller, 4096).decode("utf-8", "replace")
            except OSError:  # the other end is closed
                piece = ""
            assert piece, (text, self.shown)
            self.shown += piece
        self._at = found + len(text)

    def close(self) -> int:
        """The client's exit status."""
        return self.process.wait(60)

    def kill(self) -> None:
        """Leave nothing behind."""
        self.process.kill()
        self.process.wait(60)
        os.close(self._controller)


@pytest.mark.parametrize("client", [SYSTEM, TEN], ids=lambda one: one.name)
def test_a_person_s_shell(
    shells: Ward, tmp_path: Path, client: OpenSSH, request: pytest.FixtureRequest
) -> None:
    screen = Terminal(shells, (97, 31), client)
    request.addfinalizer(screen.kill)
    screen.until("masking=best-effort")
    screen.type("stty size; echo 'first '$((40+2))\r")
    screen.until("31 97")
    screen.until("first 42")
    # The window changes its size: the program learns of it.
    # (A shell at its prompt runs no trap; one that runs a program does, behind each command.)
    trapping = "trap 'stty size; exit' WINCH; echo ready$((1)); while sleep .1; do :; done"
    screen.type(f"({trapping}); echo changed$((1))\r")
    screen.until("ready1")
    screen.resize(120, 40)
    screen.until("40 120")
    screen.until("changed1")
    # An interrupt that is typed ends what runs, and the shell goes on.
    screen.type("echo sleeps$((1)); sleep 300\r")
    screen.until("sleeps1")
    screen.type("\x03")
    screen.type("echo still$((2))here\r")
    screen.until("still2here")
    screen.type("printf 'ssn 123-45-%s\\n' 6789; echo done$((3))\r")
    screen.until("done3")
    assert SSN not in screen.shown
    assert "ssn [SSN]" in screen.shown
    screen.type("exit 7\r")
    assert screen.close() == 7

    session = shells.sessions()[-1]
    shown = shells.replay(session).stdout.decode()
    assert "pty-req xterm 97x31" in shown
    assert "window-change 120x40" in shown
    assert "shell (a shell)" in shown
    assert "operator/shells" in shown, shown
    assert "masking=best-effort" in shown
    assert SSN not in shown.replace("123-45-%s", "")
    cast = tmp_path / "session.cast"
    cast.write_bytes(shells.replay(session, "--cast").stdout)
    lines = [json.loads(line) for line in cast.read_text().splitlines()]
    assert (lines[0]["version"], lines[0]["width"], lines[0]["height"]) == (2, 97, 31)
    times = [event[0] for event in lines[1:]]
    assert times == sorted(times)
    assert times[-1] > times[0]
    assert ["r", "120x40"] in [event[1:] for event in lines[1:]]
    output = "".join(event[2] for event in lines[1:] if event[1] == "o")
    assert "still2here" in output
    assert SSN not in output
    assert "masking=best-effort" in output
    played = asciinema("play", "--speed", "1000", "--idle-time-limit", "0.01", str(cast))
    assert "still2here" in played
    assert "ssn [SSN]" in asciinema("cat", str(cast))


def asciinema(*words: str) -> str:
    """What asciinema 2 shows on a terminal."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "asciinema", *words],
        stdin=terminal,
        stdout=terminal,
        stderr=subprocess.STDOUT,
        env=os.environ | {"TERM": "xterm", "ASCIINEMA_CONFIG_HOME": "/nonexistent"},
    )
    os.close(terminal)
    shown = b""
    deadline = time.monotonic() + 60
    while select.select([controller], [], [], deadline - time.monotonic())[0]:
        try:
            piece = os.read(controller, 65536)
        except OSError:
            break
        shown += piece
    assert process.wait(60) == 0, shown
    os.close(controller)
    return shown.decode("utf-8", "replace")


def test_another_identity_gets_no_shell(shells: Ward) -> None:
    for options in ([], ["-tt"]):
        done = shells.ssh(who="planner", options=options, input=b"id\n")
        assert done.returncode == 126
        assert b"uid=" not in done.stdout
        assert b"hoopgate: refused" in done.stdout + done.stderr


def test_a_terminal_for_a_command_is_judged_as_the_command(shells: Ward) -> None:
    done = shells.ssh("id", who="planner", options=["-tt"])
    assert done.returncode == 0
    assert b"uid=" in done.stdout
    done = shells.ssh("id;id", options=["-tt"])
    assert done.returncode == 126


@pytest.mark.parametrize("signal", ["INT", "TERM", "KILL", "USR1", "HUP"])
def test_signals_of_the_protocol_reach_a_command(shells: Ward, signal: str) -> None:
    async def send() -> None:
        async with asyncssh.connect(
            "127.0.0.1",
            shells.port,
            username="executor%ward",
            password=shells.token(),
            known_hosts=str(shells.known_hosts),
            client_keys=None,
            config=None,
        ) as connection:
            process = await connection.create_process("cat")
            process.stdin.write("it runs\n")
            assert await process.stdout.readline() == "it runs\n"
            process.send_signal(signal)
            done = await asyncio.wait_for(process.wait(), 100)
            assert done.exit_signal is not None
            assert done.exit_signal[0] == signal

    asyncio.run(send())
    shown = shells.replay(shells.sessions()[-1]).stdout.decode()
    assert f"signal {signal}" in shown


def test_a_window_without_a_terminal_changes_nothing(shells: Ward) -> None:
    async def resize() -> None:
        async with asyncssh.connect(
            "127.0.0.1",
            shells.port,
            username="executor%ward",
            password=shells.token(),
            known_hosts=str(shells.known_hosts),
            client_keys=None,
            config=None,
        ) as connection:
            process = await connection.create_process("cat", term_type="vt100")
            process.change_terminal_size(132, 43)
            process.stdin.write("\x04")  # what ends the input of a terminal
            done = await process.wait()
            assert done.exit_status == 0

    asyncio.run(resize())
    assert "window-change 132x43" in shells.replay(shells.sessions()[-1]).stdout.decode()
