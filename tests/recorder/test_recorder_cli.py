"""The commands on recordings, as an auditor runs them."""

from __future__ import annotations

import argparse
import json
import shutil
import struct
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorder_world import ALLOWED, World

from hoopgate.actions import Decision
from hoopgate.cli import audit, replay, sessions
from hoopgate.errors import HoopgateError
from hoopgate.recorder.note import Note, open_checkpoint
from hoopgate.recorder.render import PlainRenderer, PostgresRenderer, inert, register, renderer
from hoopgate.recorder.sealing import REPLAY_KEY
from hoopgate.recorder.tree import leaf_hash, verify_inclusion
from hoopgate.verdicts import Block

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command: exit status, standard output, standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        root = argparse.ArgumentParser()
        commands = root.add_subparsers(required=True)
        for module in (audit, sessions, replay):
            module.add(commands)
        options = root.parse_args([str(argument) for argument in arguments])
        try:
            status = options.run(options)
        except HoopgateError as error:
            status, message = 2, str(error)
        else:
            message = ""
        captured = capsys.readouterr()
        return status, captured.out, captured.err + message

    return run


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">I", len(body) + 4) + body


def row_description(*names: bytes, code: int = 0) -> bytes:
    fields = b"".join(n + b"\0" + struct.pack(">IHIhih", 0, 0, 25, -1, -1, code) for n in names)
    return message(b"T", struct.pack(">H", len(names)) + fields)


def data_row(*values: bytes | None) -> bytes:
    cells = b"".join(
        struct.pack(">i", -1) if v is None else struct.pack(">i", len(v)) + v for v in values
    )
    return message(b"D", struct.pack(">H", len(values)) + cells)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A stopped log with a PostgreSQL session in it."""
    world = World(tmp_path_factory.mktemp("recorded")).open()
    session = world.session("s-1")
    query = b"SELECT name, ssn FROM patients"
    world.wait(session.request(message(b"Q", query + b"\0"), None, ALLOWED))
    session.response(row_description(b"name", b"ssn"))
    session.response(data_row("Ann\x1b]0;owned\x07 Lee\u202e".encode(), b"[SSN]"))
    session.response(data_row("Zoë".encode(), None) + message(b"C", b"SELECT 2\0"))
    blocked = Decision("req-2", Block("hipaa-baseline/ddl", "statement.ddl", "no DDL"))
    world.wait(session.request(message(b"Q", b"DROP TABLE patients\0"), b"", [blocked]))
    error = b"SERROR\0C42501\0Mno DDL\0\0"
    session.response(message(b"E", error))
    world.wait(session.close("client.terminate"))
    world.session("s-2", protocol="unknown")
    world.stop()
    return world


def key(world: World) -> tuple[object, ...]:
    return "--key", world.state / REPLAY_KEY


class TestVerify:
    def test_a_good_log(self, recorded: World, run: Run) -> None:
        status, out, err = run(
            "audit", "verify", "-d", recorded.directory, "--vkey", recorded.vkey()
        )
        assert (status, err) == (0, "")
        assert out.startswith("good")
        assert "2 sessions" in out

    def test_the_key_beside_the_log_is_used_with_a_warning(self, recorded: World, run: Run) -> None:
        status, _, err = run("audit", "verify", "-d", recorded.directory)
        assert status == 0
        assert "give --vkey" in err

    def test_for_programs(self, recorded: World, run: Run) -> None:
        _, out, _ = run("audit", "verify", "--json", "-d", recorded.directory)
        report = json.loads(out)
        assert (report["good"], report["sessions"], report["running"]) == (True, 2, 0)

    def test_the_first_bad_leaf_is_named(self, recorded: World, run: Run, tmp_path: Path) -> None:
        copy = tmp_path / "log"
        shutil.copytree(recorded.directory, copy)
        leaf = next(x for x in recorded.leaves() if x["type"] == "chunk" and x["session"] == "s-1")
        path = copy / "seg/00000001.hgs"
        data = bytearray(path.read_bytes())
        data[leaf["offset"] + 20] ^= 1
        data[-1] ^= 1
        path.write_bytes(data)
        status, out, _ = run("audit", "verify", "-d", copy)
        assert status == 1
        place = f"leaf {leaf['index']}, session s-1, segment 1, offset {leaf['offset']}"
        assert out.startswith("BAD")
        assert place in out
        status, out, _ = run("audit", "verify", "--json", "-d", copy)
        assert status == 1
        assert json.loads(out)["index"] == leaf["index"]

    def test_another_key_is_not_trusted(self, recorded: World, run: Run, tmp_path: Path) -> None:
        other = World(tmp_path).open()
        other.stop()
        key = tmp_path / "trusted"
        key.write_text(f"{other.vkey()}\n")
        status, out, _ = run("audit", "verify", "-d", recorded.directory, "--vkey", key)
        assert status == 1
        assert "no trusted key" in out or "is wrong" in out

    def test_what_cannot_be_read_is_no_verdict(self, run: Run, tmp_path: Path) -> None:
        status, _, err = run("audit", "verify", "-d", tmp_path / "nowhere")
        assert status == 2
        assert "nowhere" in err

    def test_usage(self, run: Run) -> None:
        with pytest.raises(SystemExit) as stop:
            run("audit", "verify")
        assert stop.value.code == 2


class TestProve:
    def test_a_proof_can_be_checked_without_the_log(self, recorded: World, run: Run) -> None:
        for index in range(recorded.reader().size):
            status, out, _ = run("audit", "prove", "--leaf", index, "-d", recorded.directory)
            assert status == 0
            head, _, note = out.partition("\n\n")
            version, extra, number, *path = head.split("\n")
            assert version == "c2sp.org/tlog-proof@v1"
            assert number == f"index {index}"
            checkpoint = open_checkpoint(note.encode(), [recorded.vkey()])
            leaf = b64decode(extra.removeprefix("extra "))
            assert json.loads(leaf)["index"] == index
            proof = [b64decode(line) for line in path]
            assert verify_inclusion(index, checkpoint.size, leaf_hash(leaf), checkpoint.root, proof)

    @pytest.mark.parametrize("index", [-1, 10**6])
    def test_no_such_leaf(self, recorded: World, run: Run, index: int) -> None:
        status, out, err = run("audit", "prove", "--leaf", index, "-d", recorded.directory)
        assert (status, out) == (1, "")
        assert f"no leaf {index}" in err


def test_checkpoint(recorded: World, run: Run) -> None:
    status, out, _ = run("audit", "checkpoint", "-d", recorded.directory)
    assert status == 0
    assert out.encode() == (recorded.directory / "checkpoint").read_bytes()
    assert Note.parse(out.encode())


class TestSessions:
    def test_for_people(self, recorded: World, run: Run) -> None:
        status, out, _ = run("sessions", "-d", recorded.directory)
        assert status == 0
        line = next(line for line in out.splitlines() if line.startswith("s-1"))
        assert "agent-7" in line
        assert line.endswith("client.terminate  2 (1 allow, 1 block)")

    def test_for_programs(self, recorded: World, run: Run) -> None:
        _, out, _ = run("sessions", "--json", "-d", recorded.directory)
        first, second = map(json.loads, out.splitlines())
        assert first["verdicts"] == {"allow": 1, "block": 1}
        assert second["reason"] == "node.stop"

    def test_a_part_of_them(self, recorded: World, run: Run) -> None:
        def told(*words: str) -> tuple[list[str], str]:
            _, out, err = run("sessions", *words, "-d", recorded.directory)
            return [line.split()[0] for line in out.splitlines()[1:]], err

        assert told()[0] == ["s-1", "s-2"]
        assert told("--limit", "1")[0] == ["s-2"]
        assert "There are older ones: --before s-2, or --all" in told("--limit", "1")[1]
        assert told("--before", "s-2")[0] == ["s-1"]
        assert told("--verdict", "block")[0] == ["s-1"]
        assert told("--who", "AGENT", "--resource", "clin", "--from", "2020-01-01")[0] == [
            "s-1",
            "s-2",
        ]
        assert told("--to", "2020-01-01")[0] == []
        assert "No session matches." in told("--who", "nobody")[1]
        status, _, err = run("sessions", "--before", "s-9", "-d", recorded.directory)
        assert (status, "no session s-9" in err) == (2, True)
        _, out, _ = run("sessions", "--json", "-n", "1", "-d", recorded.directory)
        assert json.loads(out)["id"] == "s-2"


class TestReplay:
    def test_a_timeline_for_people(self, recorded: World, run: Run) -> None:
        status, out, _ = run("replay", "s-1", "-d", recorded.directory, *key(recorded))
        assert status == 0
        _, who, *rest = out.splitlines()
        assert who.endswith("; groups: readers; scopes: db")
        assert [line[12:] for line in rest] == [
            "→ SELECT name, ssn FROM patients",
            "  allow operator/readers req-1",
            "← columns: name | ssn",
            "← row: Ann\\x1b]0;owned\\x07 Lee\\u202e | [SSN]",
            "← row: Zoë | NULL",
            "← SELECT 2",
            "→ DROP TABLE patients",
            "  nothing was forwarded",
            "  block hipaa-baseline/ddl statement.ddl req-2",
            "← ERROR 42501: no DDL",
            "● session.close client.terminate",
        ]

    def test_for_programs(self, recorded: World, run: Run) -> None:
        _, out, _ = run("replay", "s-1", "--json", "-d", recorded.directory, *key(recorded))
        moments = [json.loads(line) for line in out.splitlines()]
        sent = b"".join(b64decode(m["data"]) for m in moments if m["type"] == "response")
        assert b"\x1b]0;owned\x07" in sent
        kinds = {m["type"] for m in moments}
        assert {"facts", "session.open", "request", "decisions", "forwarded"} <= kinds

    def test_raw_goes_to_no_terminal(
        self, recorded: World, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        status, _, err = run("replay", "s-1", "--raw", "-d", recorded.directory)
        assert status == 2
        assert "--raw" in err

    def test_raw(self, recorded: World) -> None:
        code = (
            "import argparse, sys; from hoopgate.cli import replay\n"
            "root = argparse.ArgumentParser(); replay.add(root.add_subparsers())\n"
            "options = root.parse_args(sys.argv[1:]); sys.exit(options.run(options))\n"
        )
        command = [sys.executable, "-c", code, "replay", "s-1", "--raw", "-d", recorded.directory]
        command += key(recorded)
        out = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
        assert out == b"".join(recorded.stream("s-1", 1))

    def test_no_such_session(self, recorded: World, run: Run) -> None:
        for name in ("s-9", "../x", "epoch"):
            status, _, err = run("replay", name, "-d", recorded.directory, *key(recorded))
            assert status == 1
            assert name in err

    def test_the_key_of_the_usual_place(self, recorded: World, run: Run) -> None:
        """The log lies in the state directory unless the settings say otherwise."""
        usual = recorded.state / "log"
        shutil.copytree(recorded.directory, usual)
        assert run("replay", "s-1", "-d", usual)[0] == 0

    def test_without_the_key(self, recorded: World, run: Run, tmp_path: Path) -> None:
        status, _, err = run(
            "replay", "s-1", "-d", recorded.directory, "--key", tmp_path / "none.key"
        )
        assert status == 2
        assert "none.key" in err


def test_the_settings_say_where_the_log_is(
    recorded: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Found:
        class node:
            state_dir = recorded.state

        recording = recorded.recording

    monkeypatch.setattr("hoopgate.settings.load.load", lambda path: Found)
    status, _, err = run("audit", "verify", "--config", "hoopgate.toml")
    assert (status, err) == (0, "")  # the node's own key is trusted
    assert run("replay", "s-1", "--config", "hoopgate.toml")[0] == 0


class TestRendering:
    @given(st.text())
    def test_nothing_that_a_terminal_obeys(self, text: str) -> None:
        shown = inert(text)
        assert shown.isprintable()
        assert "\x1b" not in shown
        assert not any(c in shown for c in "\u202e\u2066\u200b\x9b\r\n")

    def test_long_lines_are_cut(self) -> None:
        assert len(inert("x" * 10**6)) < 5000

    @given(st.lists(st.binary(max_size=60), max_size=12))
    def test_arbitrary_bytes_are_shown_somehow(self, chunks: list[bytes]) -> None:
        for shown in (PostgresRenderer(), PlainRenderer()):
            for chunk in chunks:
                for line in [*shown.request(chunk), *shown.response(chunk)]:
                    assert line.isprintable()

    @given(st.data())
    def test_any_chunking_shows_the_same(self, data: st.DataObject) -> None:
        stream = (
            struct.pack(">II", 16, 196608)
            + b"user\0me\0"
            + message(b"P", b"s1\0SELECT $1\0\0\0")
            + message(b"B", b"\0s1\0" + struct.pack(">HHHi", 1, 0, 1, 2) + b"42" + b"\0\0")
            + message(b"E", b"\0\0\0\0\0")
            + message(b"p", b"secret\0")
            + message(b"S", b"")
        )
        whole = PostgresRenderer().request(stream)
        assert whole == [
            "parse s1: SELECT $1",
            "bind (unnamed) to s1: 42",
            "execute (unnamed)",
            "(credentials)",
        ]
        cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))))
        shown = PostgresRenderer()
        lines = []
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            lines += shown.request(stream[start:end])
        assert lines == whole

    def test_binary_values_are_hexadecimal(self) -> None:
        shown = PostgresRenderer()
        shown.response(row_description(b"n", code=1))
        assert shown.response(data_row(b"\0\0\0\x2a")) == ["row: 0x0000002a"]

    def test_a_protocol_brings_its_own(self) -> None:
        class Loud(PlainRenderer):
            pass

        register("loud", Loud)
        assert isinstance(renderer("loud"), Loud)
        assert type(renderer("quiet")) is PlainRenderer


def test_verification_works_beside_the_running_node(make_world: Any, run: Run) -> None:
    world = make_world().open()
    session = world.session("s-1")
    world.wait(session.request(b"x", None, ()))
    world.pump.until(lambda: world.log.checkpoint_size == world.log.size)
    assert run("audit", "verify", "-d", world.directory)[0] == 0
    _, out, _ = run("sessions", "-d", world.directory)
    assert "running" in out
    _, out, _ = run("replay", "s-1", "-d", world.directory, *key(world))
    assert out.endswith("(still running, or ended after the last checkpoint)\n")
