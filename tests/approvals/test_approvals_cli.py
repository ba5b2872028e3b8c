"""``hoopgate approvals`` against a real node's socket: output, exit status, inert text."""

from __future__ import annotations

import argparse
import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed.admin import AdminNode, admin_node
from testbed.approvals import CANARY, OTHER, renamed

from hoopgate.cli import approvals
from hoopgate.errors import HoopgateError

HOSTILE = (
    f"SELECT '{CANARY}' -- \x1b[2J\x1b]0;owned\x07\u202e\x9b31m\r\n  | Decided by   bob\u2028x"
)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[AdminNode]:
    with admin_node(tmp_path / "node") as node:
        yield node


class Run:
    """Runs one command as its user ``token`` would."""

    def __init__(self, node: AdminNode, capsys: Any, monkeypatch: Any) -> None:
        self._node, self._capsys, self._monkeypatch = node, capsys, monkeypatch

    def __call__(self, *arguments: str, token: str = "bob") -> tuple[int, str, str]:
        self._monkeypatch.setenv("HOOPGATE_TOKEN", token)
        status = run(["approvals", arguments[0], "-s", str(self._node.path), *arguments[1:]])
        out, err = self._capsys.readouterr()
        return status, out, err


def run(arguments: list[str]) -> int:
    root = argparse.ArgumentParser()
    approvals.add(root.add_subparsers(required=True))
    options = root.parse_args(arguments)
    status: int = options.run(options)
    return status


@pytest.fixture
def hoopgate(node: AdminNode, capsys: Any, monkeypatch: Any) -> Run:
    return Run(node, capsys, monkeypatch)


def test_list(node: AdminNode, hoopgate: Run) -> None:
    assert hoopgate("list") == (0, "Nothing waits.\n", "")
    first = node.file()
    second = node.file(digest="d2", who=OTHER, expires=7200)
    status, out, err = hoopgate("list")
    assert (status, err) == (0, "")
    head, *rows = out.splitlines()
    assert head.split() == ["ID", "REQUESTER", "FOR", "RESOURCE", "RULE", "WHAT", "LEFT"]
    assert {row.split()[0] for row in rows} == {first, second}
    cells = next(row for row in rows if row.startswith(first)).split()
    assert cells[1:5] == ["agent-7", "alice", "clinic", "operator/bulk"]
    assert cells[-2:] == ["14", "min"]
    assert "via planner" in next(row for row in rows if row.startswith(second))
    assert len({row.index("clinic") for row in rows}) == 1
    hoopgate("deny", first, "--reason", "because")
    assert first not in hoopgate("list")[1]
    assert first in hoopgate("list", "--state", "denied")[1]
    assert hoopgate("list", "--state", "used")[1] == "No such requests.\n"


def test_show_is_complete_and_inert(node: AdminNode, hoopgate: Run) -> None:
    request_id = node.file(HOSTILE)
    status, out, _ = hoopgate("show", request_id)
    assert status == 0
    assert CANARY in out
    assert all(character.isprintable() or character == "\n" for character in out)
    lines = out.splitlines()
    assert r"  | SELECT '219-09-9999' -- \x1b[2J\x1b]0;owned\x07\u202e\x9b31m\r" in lines
    assert r"  |   | Decided by   bob\u2028x" in lines  # no line of ours
    assert not [line for line in lines if line.startswith("Decided by")]
    assert f"  $1  '{CANARY}'  (type 25)" in lines
    assert "  $2  NULL  (type 17)" in lines
    assert [line for line in lines if line.startswith("For ")] == ["For          alice"]
    assert CANARY not in hoopgate("show", request_id, token="carol")[1]


def test_a_long_statement_is_shown_to_its_end(node: AdminNode, hoopgate: Run) -> None:
    request_id = node.file("SELECT " + "1, " * 100_000 + "'the end'")
    assert "'the end'\n" in hoopgate("show", request_id)[1]


def test_decisions_and_their_status(node: AdminNode, hoopgate: Run) -> None:
    request_id = node.file()
    for token, code in (("alice", "approval.self"), ("carol", "approval.group")):
        status, out, err = hoopgate("approve", request_id, "--reason", "because", token=token)
        assert (status, out) == (1, "")
        assert code in err
    assert "approval.reason" in hoopgate("approve", request_id, "--reason", "x")[2]
    status, out, _ = hoopgate("approve", f" {request_id.upper()} ", "--reason", "audit 7")
    assert status == 0
    assert out.startswith(f"{request_id} is approved. It runs once")
    status, _, err = hoopgate("deny", request_id, "--reason", "because")
    assert (status, "approval.not_pending" in err) == (1, True)
    assert "Their reason audit 7" in hoopgate("show", request_id)[1]
    assert "revoked" in hoopgate("revoke", request_id, "--reason", "because")[1]
    for unknown in ("apr-00000000", "../x", "\x1b[2J", ""):
        status, _, err = hoopgate("show", unknown)
        assert (status, "approval.unknown" in err) == (1, True)


def test_json(node: AdminNode, hoopgate: Run) -> None:
    request_id = node.file(HOSTILE)
    listed = json.loads(hoopgate("list", "--json")[1])
    assert [one["id"] for one in listed["approvals"]] == [request_id]
    out = hoopgate("show", request_id, "--json")[1]
    assert out.isascii()
    assert json.loads(out)["statement"]["text"] == HOSTILE
    decided = json.loads(hoopgate("deny", request_id, "--reason", "because", "--json")[1])
    assert decided["state"] == "denied"


class TestNoAnswer:
    def test_no_token(self, node: AdminNode, monkeypatch: pytest.MonkeyPatch) -> None:
        for token in ("", "two words", "a\nb", "é"):
            monkeypatch.setenv("HOOPGATE_TOKEN", token)
            with pytest.raises(HoopgateError, match="token"):
                run(["approvals", "list", "-s", str(node.path)])

    def test_token_file(
        self, node: AdminNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
    ) -> None:
        monkeypatch.delenv("HOOPGATE_TOKEN", raising=False)
        file = tmp_path / "token"
        arguments = ["approvals", "list", "-s", str(node.path), "--token-file", str(file)]
        with pytest.raises(HoopgateError, match="No such file"):
            run(arguments)
        file.write_text("bob\n")
        file.chmod(0o644)
        with pytest.raises(HoopgateError, match="chmod 600"):
            run(arguments)
        file.chmod(0o600)
        assert run(arguments) == 0

    def test_no_node(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOOPGATE_TOKEN", "bob")
        with pytest.raises(HoopgateError, match="does the node run"):
            run(["approvals", "list", "-s", str(tmp_path / "no.sock")])

    def test_refused_token(self, hoopgate: Run) -> None:
        assert hoopgate("list", token="nobody")[0] == 1
        assert "identity.malformed" in hoopgate("list", token="nobody")[2]

    @pytest.mark.parametrize("arguments", [["list"], ["approve", "-s", "x", "apr-1"], []])
    def test_usage(self, arguments: list[str], capsys: Any) -> None:
        with pytest.raises(SystemExit) as caught:
            run(["approvals", *arguments])
        assert caught.value.code == 2


PROGRAM = """
import argparse, sys
from hoopgate.cli import approvals
root = argparse.ArgumentParser()
approvals.add(root.add_subparsers(required=True))
options = root.parse_args()
sys.exit(options.run(options))
"""


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "HOOPGATE_TOKEN": "bob", "PYTHONIOENCODING": "utf-8", **more}


def test_two_who_approve(node: AdminNode, hoopgate: Run) -> None:
    request_id = node.file(approvers=2, window=600.0)
    status, out, _ = hoopgate("approve", request_id, "--reason", "first")
    assert (status, out) == (0, f"{request_id} is pending. 1 more person has to approve.\n")
    assert "approval.twice" in hoopgate("approve", request_id, "--reason", "again")[2]
    assert "Approved by  bob  (1 of 2)" in hoopgate("show", request_id)[1]
    status, out, _ = hoopgate("approve", request_id, "--reason", "second", token="dora")
    assert (status, "approved. It runs, and again" in out) == (0, True)
    shown = hoopgate("show", request_id)[1]
    assert "Approved by  bob, dora  (2 of 2)" in shown
    assert "Good for     10 min once approved; used 0 ×" in shown


@pytest.mark.parametrize(
    ("step", "status", "state"), [("approve", 0, "approved"), ("deny", 3, "denied")]
)
def test_wait_says_how_it_ended(node: AdminNode, step: str, status: int, state: str) -> None:
    request_id = node.file()
    command = [sys.executable, "-c", PROGRAM, "approvals", "show", request_id, "--wait", "--json"]
    child = subprocess.Popen(
        [*command, "-s", str(node.path)], stdout=subprocess.PIPE, env=environment(), text=True
    )
    node.ask("POST", f"/v1/approvals/{request_id}/{step}", body={"reason": "because"})
    out, _ = child.communicate(timeout=60)
    assert (child.returncode, json.loads(out)["state"]) == (status, state)


def test_wait_ends(node: AdminNode, hoopgate: Run) -> None:
    request_id = node.file(approvers=2)
    for arguments in (
        ("show", request_id, "--wait", "--wait-seconds", "0.2"),
        ("approve", request_id, "--reason", "first", "--wait", "--wait-seconds", "0.2"),
    ):
        status, out, _ = hoopgate(*arguments)
        assert (status, "pending" in out) == (5, True)
    expired = node.file(digest="d3", expires=0.2)
    status, out, _ = hoopgate("show", expired, "--wait")
    assert (status, "expired" in out) == (4, True)


def test_on_a_narrow_terminal(node: AdminNode) -> None:
    request_id = node.file(who=renamed(OTHER, subject="an-agent-with-a-rather-long-name" * 3))
    command = [sys.executable, "-c", PROGRAM, "approvals", "list", "-s", str(node.path)]
    ours, theirs = pty.openpty()
    child = subprocess.Popen(command, stdout=theirs, env=environment(COLUMNS="80"))
    os.close(theirs)
    assert child.wait(60) == 0
    lines = os.read(ours, 65536).decode().splitlines()
    os.close(ours)
    assert len(lines) == 2
    assert max(map(len, lines)) <= 80
    assert lines[1].startswith(request_id)
    assert "an-agent" in lines[1]
    assert lines[1].endswith("14 min")


def test_watch_prints_what_comes(node: AdminNode) -> None:
    command = [sys.executable, "-c", PROGRAM, "approvals", "watch", "--interval", "0.1"]
    child = subprocess.Popen(
        [*command, "-s", str(node.path)], stdout=subprocess.PIPE, env=environment(), text=True
    )
    stop = threading.Timer(20, child.kill)
    stop.start()
    assert child.stdout is not None
    try:
        request_id = node.file()
        assert f"{request_id}  pending    agent-7  for alice" in child.stdout.readline()
        node.ask("POST", f"/v1/approvals/{request_id}/deny", body={"reason": "because"})
        line = child.stdout.readline()
        assert f"{request_id}  denied" in line
        assert line.endswith("by bob\n")
        child.send_signal(2)
        assert child.wait(60) == 0
    finally:
        stop.cancel()
        child.kill()
        child.wait(60)
        child.stdout.close()


@given(st.text())
def test_inert_text_is_printable_and_tells_texts_apart(text: str) -> None:
    shown = approvals.inert(text)
    assert shown.isprintable()
    assert shown == text or not text.isprintable() or "\\" in shown
