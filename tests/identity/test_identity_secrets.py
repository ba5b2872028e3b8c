"""Secrets from files, the environment and commands; what is refused, and that nothing hangs."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import pytest
from testbed.reactor import on_reactor, reactor
from twisted.internet.defer import gatherResults
from zope.interface.verify import verifyObject

from hoopgate.errors import Refused
from hoopgate.events import Principal
from hoopgate.identity import secrets
from hoopgate.identity.secrets import SecretSource, read_secret
from hoopgate.interfaces import ISecretSource
from hoopgate.settings.model import Resource, Secret

WORD = "s3cret Ünïcode"


def private(path: Path, data: bytes, mode: int = 0o600) -> Secret:
    path.write_bytes(data)
    path.chmod(mode)
    return Secret(file=path)


def code(secret: Secret) -> str:
    with pytest.raises(Refused) as refused:
        read_secret(secret)
    assert WORD not in str(refused.value)
    return refused.value.code


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_one_final_newline_is_dropped(end: str, tmp_path: Path) -> None:
    assert read_secret(private(tmp_path / "x", (WORD + end).encode())) == WORD
    assert read_secret(private(tmp_path / "y", (" " + WORD + "\n" + end).encode())) in (
        " " + WORD,
        " " + WORD + "\n",
    )
    assert read_secret(Secret(command=("printf", WORD + end.replace("\n", "\\n")))) == WORD


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOPGATE_TEST_SECRET", WORD)
    assert read_secret(Secret(environment="HOOPGATE_TEST_SECRET")) == WORD
    monkeypatch.delenv("HOOPGATE_TEST_SECRET")
    assert code(Secret(environment="HOOPGATE_TEST_SECRET")) == "secret.missing"


@pytest.mark.parametrize(
    ("mode", "good"),
    [
        (0o600, True),
        (0o400, True),
        (0o440, True),
        (0o640, True),
        (0o644, False),
        (0o604, False),
        (0o602, False),
        (0o620, False),
        (0o660, False),
        (0o601, False),
    ],
)
def test_who_may_read_the_file(mode: int, good: bool, tmp_path: Path) -> None:
    secret = private(tmp_path / "x", WORD.encode(), mode)
    if good:
        assert read_secret(secret) == WORD
    else:
        assert code(secret) == "secret.permissions"


def test_a_file_of_somebody_else_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = private(tmp_path / "x", WORD.encode())
    if os.geteuid() == 0:
        os.chown(tmp_path / "x", 65534, 65534)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 65534)
    assert code(secret) == "secret.permissions"


def test_a_link_is_followed(tmp_path: Path) -> None:
    private(tmp_path / "real", WORD.encode())
    (tmp_path / "link").symlink_to("real")
    assert read_secret(Secret(file=tmp_path / "link")) == WORD


def test_what_is_no_secret(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    assert code(Secret(file=tmp_path / "fifo")) == "secret.unreadable"
    assert code(Secret(file=tmp_path)) == "secret.unreadable"
    assert code(Secret(file=tmp_path / "missing")) == "secret.unreadable"
    assert code(Secret(file=Path("/dev/zero"))) == "secret.unreadable"
    assert code(private(tmp_path / "long", b"x" * 65_537)) == "secret.unreadable"
    assert code(private(tmp_path / "latin", b"\xff")) == "secret.unreadable"
    assert code(private(tmp_path / "nul", b"a\0b")) == "secret.unreadable"
    assert code(private(tmp_path / "empty", b"\n")) == "secret.empty"
    assert code(Secret()) == "secret.missing"


def test_commands_that_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "COMMAND_SECONDS", 300.0)
    assert code(Secret(command=("/no/such/program",))) == "secret.command"
    assert code(Secret(command=("false",))) == "secret.command"
    assert code(Secret(command=("true",))) == "secret.empty"
    assert code(Secret(command=("sh", "-c", f"echo '{WORD}' >&2; exit 3"))) == "secret.command"
    started = time.monotonic()
    assert code(Secret(command=("yes",))) == "secret.command"
    assert time.monotonic() - started < 120, "ended by its deadline"


def test_commands_run_without_a_shell() -> None:
    assert read_secret(Secret(command=("printf", "%s", "$(id)`id`;"))) == "$(id)`id`;"


@pytest.mark.parametrize("command", ["sleep 61", "sleep 61 & exit 0", "exec >&-; sleep 61"])
def test_a_hanging_command_is_ended(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(secrets, "COMMAND_SECONDS", 0.3)
    started = time.monotonic()
    pid_file = tmp_path / "pid"
    script = f"echo $$ >{pid_file}; {command}"
    assert code(Secret(command=("sh", "-c", script))) == "secret.command"
    assert time.monotonic() - started < 60
    group = int(pid_file.read_text())
    deadline = time.monotonic() + 30
    while living(group):
        assert time.monotonic() < deadline, "a child of the command goes on"
        time.sleep(0.01)


def living(group: int) -> list[str]:
    """Processes of a group that have not ended (zombies have)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, process_group = path.read_text().rpartition(") ")[2].split()[:3]
            if int(process_group) == group and state not in "ZX":
                found.append(path.parent.name)
    return found


def test_the_reactor_does_not_wait(tmp_path: Path) -> None:
    source = SecretSource(reactor)
    verifyObject(ISecretSource, source)
    go = tmp_path / "go"
    script = f"until test -e {go}; do sleep 0.01; done; printf '{WORD}'"
    slow = Secret(command=("sh", "-c", script))
    resource = Resource("r", "postgres", "t", "h", "d", "s", "u", password=slow)
    principal = Principal("i", "s", frozenset(), 0.0)

    def several() -> object:
        read = gatherResults([source.password(resource, principal) for _ in range(4)])
        go.touch()  # it could not, if the reactor waited for the commands
        return read

    assert on_reactor(several) == [WORD] * 4
    assert WORD not in repr(source)
    with pytest.raises(Refused, match="no file"):
        on_reactor(source.password, Resource("r", "postgres", "t", "h", "d", "s", "u"), principal)
    assert on_reactor(SecretSource().read, Secret(command=("printf", WORD))) == WORD
