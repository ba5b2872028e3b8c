"""The index of patients: who was shown whose record, without a list of patients in it."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
from pathlib import Path

import pytest
from evidence_world import who
from hypothesis import given
from hypothesis import strategies as st
from recorder.recorder_world import ALLOWED, World

from hoopgate.cli.main import main
from hoopgate.errors import HoopgateError
from hoopgate.evidence.disclosures import Index, IndexKey, _References, _Rows, parse_columns


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">I", len(body) + 4) + body


def columns(*names: bytes) -> bytes:
    fields = b"".join(n + b"\0" + struct.pack(">IHIhih", 0, 0, 25, -1, -1, 0) for n in names)
    return message(b"T", struct.pack(">H", len(names)) + fields)


def row(*values: bytes | None) -> bytes:
    cells = b"".join(
        struct.pack(">i", -1) if v is None else struct.pack(">i", len(v)) + v for v in values
    )
    return message(b"D", struct.pack(">H", len(values)) + cells)


def query(text: bytes) -> bytes:
    return message(b"Q", text + b"\0")


def prepared(text: bytes, *values: bytes) -> bytes:
    bound = b"".join(struct.pack(">i", len(v)) + v for v in values)
    bind = b"\0\0" + struct.pack(">HH", 0, len(values)) + bound + b"\0\0"
    parse = message(b"P", b"\0" + text + b"\0\0\0")
    return parse + message(b"B", bind) + message(b"E", b"\0\0\0\0\0")


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("clinic"), checkpoint_ms=5).open()
    reading = world.session("s-read", principal=who("atlas", owner="olga"))
    world.wait(reading.request(query(b"SELECT * FROM patients LIMIT 3"), None, ALLOWED))
    reading.response(columns(b"id", b"mrn", b"note"))
    answer = row(b"17", b"[MRN]", b"a") + row(b"18", b"[MRN:k7f3]", b"b") + row(b"17", None, b"c")
    reading.response(answer[:20])
    world.wait(reading.flushed())
    reading.response(answer[20:] + row(b"99", b"[MRN]", b"with | a bar"))
    world.wait(reading.close("client.terminate"))
    changing = world.session("s-change", principal=who("planner"))
    update = query(b"UPDATE patients SET note = 'id = 5' WHERE id = 18")
    world.wait(changing.request(update, None, ALLOWED))
    world.wait(changing.request(prepared(b"DELETE FROM x WHERE id = $2", b"a", b"19"), None, ()))
    world.wait(changing.close("client.terminate"))
    web = world.session("s-web", principal=who("atlas"), protocol="fhir", resource="fhir")
    world.wait(web.request(b"GET /Observation?subject=Patient/abc-1 HTTP/1.1\r\n", None, ALLOWED))
    web.response(b'{"subject":{"reference":"Pati')
    world.wait(web.flushed())
    web.response(b'ent/abc-1"}, "other": "Patient/abc-2"}')
    world.wait(web.close("client.terminate"))
    world.stop()
    return world


class Bundle:
    def __init__(self, world: World, base: Path) -> None:
        self.out, self.base, self.world = base / "bundle", base, world
        self.index_key = base / "index.key"
        (base / "policy").write_text(f"log {world.vkey()}\nquorum none\n")
        self.keys = ["--key", str(world.state / "keys/replay.key")]
        self.keys += ["--index-key", str(self.index_key)]
        where = ["-d", str(world.directory), "--from", "2001-01-01", "--to", "2100-01-01"]
        command = ["evidence", "export", *where, "--out", str(self.out), *self.keys]
        assert main([*command, "--patients", "clinic=id,mrn"]) == 0

    def of(self, resource: str, identifier: str) -> list[tuple[str, str, int]]:
        index = Index((self.out / "disclosures.json").read_bytes(), IndexKey.load(self.index_key))
        return [(one.session, one.how, one.count) for one in index.of(resource, identifier)]

    def verify(self, *more: str) -> int:
        policy = ["--policy", str(self.base / "policy")]
        return main(["evidence", "verify", str(self.out), *policy, *more])


@pytest.fixture(scope="module")
def bundle(clinic: World, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle(clinic, tmp_path_factory.mktemp("bundle"))


def test_who_was_shown_or_named(bundle: Bundle) -> None:
    assert bundle.of("clinic", "17") == [("s-read", "shown", 2)]
    assert bundle.of("clinic", "18") == [("s-change", "named", 1), ("s-read", "shown", 1)]
    assert bundle.of("clinic", "19") == [("s-change", "named", 1)]
    assert bundle.of("clinic", "[MRN:k7f3]") == [("s-read", "shown", 1)]
    assert bundle.of("fhir", "abc-2") == [("s-web", "shown", 1)]
    assert [one[:2] for one in bundle.of("fhir", "abc-1")] == [
        ("s-web", "named"),
        ("s-web", "shown"),
    ]
    for resource, identifier in (("fhir", "17"), ("clinic", "[MRN]"), ("clinic", "2")):
        assert bundle.of(resource, identifier) == []


def test_no_identifier_stands_in_it(bundle: Bundle) -> None:
    text = (bundle.out / "disclosures.json").read_text()
    assert "abc-1" not in text
    about = json.loads(text)
    assert all(len(name) == 64 for name in about["patients"])
    assert about["sessions"]["s-read"] == {"redacted": 1, "unclear": 1, "whole": True}
    stranger = IndexKey(bytes(32))
    with pytest.raises(HoopgateError, match="another index key"):
        Index(text.encode(), stranger)


def test_it_is_made_again_to_be_verified(
    bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bundle.verify() == 0
    assert "disclosures.json: not signed by anybody" in capsys.readouterr().out
    assert bundle.verify(*bundle.keys) == 0
    assert "not signed" not in capsys.readouterr().out


def test_an_index_that_leaves_somebody_out(
    clinic: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from hashlib import sha256

    made = Bundle(clinic, tmp_path)
    path = made.out / "disclosures.json"
    about = json.loads(path.read_text())
    about["patients"].popitem()
    data = json.dumps(about).encode()
    path.write_bytes(data)
    manifest = json.loads((made.out / "manifest.json").read_text())
    manifest["files"]["disclosures.json"] = [len(data), sha256(data).hexdigest()]
    (made.out / "manifest.json").write_text(json.dumps(manifest))
    assert made.verify(*made.keys) == 1
    assert "disclosures.json is not what the leaves say" in capsys.readouterr().out


def test_the_command(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evidence", "patient", str(bundle.out), "--policy", str(bundle.base / "policy")]
    command += ["--resource", "clinic", "--index-key", str(bundle.index_key)]
    monkeypatch.setattr("sys.stdin", io.StringIO("17\n"))
    assert main(command) == 0
    shown = capsys.readouterr()
    assert "atlas for olga  shown 2" in shown.out
    assert "as the exporter wrote it; with --key" in shown.err
    monkeypatch.setattr("sys.stdin", io.StringIO("17\n"))
    assert main([*command, "--key", bundle.keys[1]]) == 0
    again = capsys.readouterr()
    assert (again.out, again.err) == (shown.out, "")
    monkeypatch.setattr("sys.stdin", io.StringIO("18\n"))
    assert main([*command, "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["subject"], one["how"]) for one in found] == [
        ("planner", "named"),
        ("atlas", "shown"),
    ]


@pytest.mark.parametrize("what", ["pipe", "deep", "endless", "half", "name"])
def test_an_index_that_is_none(
    bundle: Bundle, tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is read before the bundle's files are known to be files."""
    shutil.copytree(bundle.out, tmp_path / "b")
    place = tmp_path / "b/disclosures.json"
    content = json.loads(place.read_bytes())
    place.unlink()
    if what == "pipe":
        os.mkfifo(place)
        writer = os.open(place, os.O_RDWR)  # so that a reader who does wait comes to no end
    elif what == "deep":
        place.write_bytes(b"[" * 200_000)
    else:
        patient = next(iter(content["patients"]))
        count = {"endless": 1e999, "half": 1.5, "name": "2"}[what]
        content["patients"][patient] = [["s-read", "shown", count]]
        place.write_text(json.dumps(content))
    policy = ["--policy", str(bundle.base / "policy"), "--index-key", str(bundle.index_key)]
    for command in (["patient", "--resource", "clinic"], ["verify", *bundle.keys[:2]]):
        assert main(["evidence", command[0], str(tmp_path / "b"), *command[1:], *policy]) == 2
        assert "disclosures.json" in capsys.readouterr().err
    if what == "pipe":
        os.close(writer)


def test_another_recipients_key(clinic: World, tmp_path: Path) -> None:
    from hoopgate.recorder.sealing import ReplayKey

    ReplayKey.create(tmp_path / "stranger.key")
    where = ["-d", str(clinic.directory), "--from", "2001-01-01", "--to", "2100-01-01"]
    command = [
        "evidence",
        "export",
        *where,
        "--out",
        str(tmp_path / "b"),
        "--patients",
        "clinic=id",
    ]
    command += ["--key", str(tmp_path / "stranger.key"), "--index-key", str(tmp_path / "i")]
    assert main(command) == 1
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("given", ["clinic", "=id", "clinic=", "clinic=,"])
def test_malformed_columns(given: str) -> None:
    with pytest.raises(HoopgateError):
        parse_columns([given])


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_arbitrary_bytes(chunks: list[bytes]) -> None:
    for finder in (_Rows("postgres", frozenset({"id"})), _References()):
        for chunk in chunks:
            assert all(isinstance(one, str) for one in finder.request(chunk))
            assert all(isinstance(one, str) for one in finder.response(chunk))
