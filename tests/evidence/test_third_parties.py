"""What others wrote checks our bytes: Go's sumdb/note and tlog, sigstore's verifier, asciinema.

Each agrees with what is good and finds what is not.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from recorder.recorder_world import World
from testbed.golang import build
from testbed.parts import NODE_MODULES, node, node_package

from hoopgate.evidence.export import export
from hoopgate.evidence.others import checker
from hoopgate.recorder.cast import TERMINALS, Decoder, Event, Screen, cast, register_terminal
from hoopgate.recorder.head import FileHead, Heads
from hoopgate.recorder.integrate import Integrator
from hoopgate.recorder.leaf import encode
from hoopgate.recorder.note import key_id
from hoopgate.recorder.payload import Kind
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.replay import Moment, Summary
from hoopgate.recorder.signer import FileSigner
from hoopgate.recorder.tiles import Edge
from hoopgate.recorder.tree import Frontier, leaf_hash

SIZES = (1, 255, 256, 257, 65_536, 70_000)
ORIGIN = "gw-1.example.org/hoopgate"


def leaf(index: int) -> bytes:
    numbers = dict.fromkeys(("mono", "offset", "segment", "seq", "time"), index)
    return encode(
        {**numbers, "length": 0, "index": index, "prev": "", "session": "s", "type": "heartbeat"}
    )


class Grown:
    """One log, signed at each of the sizes, a copy of which is kept."""

    def __init__(self, base: Path) -> None:
        self.base = base
        signer = FileSigner.create(base / "key", ORIGIN)
        self.verifier = signer.verifier
        directory = base / "log"
        directory.mkdir()
        heads = Heads([FileHead(base / "head")])
        integrator = Integrator(directory, signer, Edge(0, [], []), Frontier(), heads)
        done = 0
        for size in SIZES:
            leaves = [leaf(index) for index in range(done, size)]
            integrator.add((data, leaf_hash(data)) for data in leaves)
            integrator.checkpoint()
            shutil.copytree(directory, base / str(size))
            done = size

    def directory(self, size: int) -> Path:
        return self.base / str(size)


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Grown:
    return Grown(tmp_path_factory.mktemp("grown"))


@pytest.fixture(scope="module")
def go_check(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """verify.go, as every bundle brings it, compiled."""
    return build(checker(), tmp_path_factory.mktemp("go"))


def check(
    program: Path, directory: Path, key: object, *more: object
) -> subprocess.CompletedProcess[str]:
    command = [program, "-dir", directory, "-key", key, *more]
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=120
    )


class TestGo:
    @pytest.mark.parametrize("size", SIZES)
    def test_every_leaf(self, grown: Grown, go_check: Path, size: int) -> None:
        done = check(go_check, grown.directory(size), grown.verifier)
        assert done.returncode == 0, done.stderr
        assert f"leaves 0 to {size - 1} of {size}" in done.stdout

    def test_it_finds_what_is_wrong(self, grown: Grown, go_check: Path, tmp_path: Path) -> None:
        copy = Path(shutil.copytree(grown.directory(257), tmp_path / "log"))
        for name in ("tile/entries/000", "tile/0/000", "tile/entries/001.p/1", "checkpoint"):
            original = (copy / name).read_bytes()
            changed = bytearray(original)
            changed[40 if name == "checkpoint" else 9] ^= 1
            (copy / name).write_bytes(changed)
            assert check(go_check, copy, grown.verifier).returncode == 1, name
            (copy / name).write_bytes(original)
        other = FileSigner.create(tmp_path / "other", ORIGIN)
        assert check(go_check, copy, other.verifier).returncode == 1
        assert check(go_check, copy, grown.verifier).returncode == 0

    def test_a_bundle(self, eventful_log: World, made: Path, go_check: Path) -> None:
        """As VERIFY.md says, on the leaves of a period."""
        first, last = json.loads((made / "manifest.json").read_bytes())["leaves"]
        text = (made / "VERIFY.md").read_text()
        assert f"-first {first} -last {last}" in text
        assert (made / "verify.go").read_bytes() == checker()
        arguments = ("-first", first, "-last", last)
        done = check(go_check, made / "log", eventful_log.vkey(), *arguments)
        assert done.returncode == 0, done.stderr


class TestSigstore:
    def ask(self, grown: Grown, proofs: list[dict[str, Any]]) -> list[str]:
        node_package("@sigstore/verify")
        key = Ed25519PublicKey.from_public_bytes(grown.verifier.public)
        question = {
            "modules": str(NODE_MODULES),
            "key": b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
            "id": key_id(ORIGIN, grown.verifier.public).hex(),
            "name": ORIGIN,
            "proofs": proofs,
        }
        done = subprocess.run(
            [node(), Path(__file__).with_name("sigstore_check.js")],
            input=json.dumps(question, default=bytes.decode).encode(),
            capture_output=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr.decode()
        results: list[str] = json.loads(done.stdout)
        return results

    def proofs(self, grown: Grown) -> Iterator[dict[str, Any]]:
        for size in SIZES:
            log = LogReader(grown.directory(size), [grown.verifier])
            for index in sorted({0, size // 3, size // 2, max(0, size - 2), size - 1}):
                entry, hashes = log.prove(index)
                yield {
                    "envelope": log.note.decode(),
                    "index": index,
                    "hashes": [b64encode(one).decode() for one in hashes],
                    "leaf": b64encode(entry).decode(),
                }

    def test_checkpoints_and_proofs(self, grown: Grown) -> None:
        proofs = list(self.proofs(grown))
        results = self.ask(grown, proofs)
        assert len(results) > 20
        assert set(results) == {"good"}

    def test_it_finds_what_is_wrong(self, grown: Grown) -> None:
        good = [one for one in self.proofs(grown) if len(one["hashes"]) > 3][-1]
        envelope = good["envelope"]
        bad = [
            {**good, "index": good["index"] - 1},
            {**good, "leaf": b64encode(leaf(7)).decode()},
            {**good, "hashes": good["hashes"][:-1]},
            {**good, "hashes": [*good["hashes"][1:], good["hashes"][0]]},
            {**good, "envelope": envelope.replace("\n70000\n", "\n70001\n")},
        ]
        results = self.ask(grown, [good, *bad])
        assert results[0] == "good"
        assert all(result.startswith("TLOG_INCLUSION_PROOF_ERROR") for result in results[1:])


# --- asciinema -----------------------------------------------------------------------------------


def asciinema(*arguments: object) -> bytes:
    """asciinema 2, as it is installed beside this Python."""
    command = [sys.executable, "-m", "asciinema", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


class Plain:
    """A terminal whose bytes are what they are."""

    size = (100, 30)

    def __init__(self) -> None:
        self._text = Decoder()

    def request(self, data: bytes) -> list[Event]:
        return []

    def response(self, data: bytes) -> list[Event]:
        return [("o", self._text.feed(data))]


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TERMINALS, "plain", Plain)


SUMMARY = Summary("s-1", "atlas", "clinic", "plain", "127.0.0.1:1", 1_780_000_000_000_000)


class TestAsciinema:
    @pytest.mark.parametrize("size", SIZES)
    def test_recordings_of_any_length(self, plain: None, tmp_path: Path, size: int) -> None:
        moments = [
            Moment(int(Kind.RESPONSE), SUMMARY.start + n * 1000, {}, f"é {n}\r\n".encode())
            for n in range(size)
        ]
        path = tmp_path / "s.cast"
        path.write_text("\n".join(cast(SUMMARY, moments)) + "\n")
        assert asciinema("cat", path) == b"".join(moment.data for moment in moments)

    def test_a_recorded_session(
        self, plain: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        from hoopgate.cli.main import main

        world = World(tmp_path).open()
        session = world.session("s-1", protocol="plain")
        # A character cut in two, colours, and what a hostile host may try.
        screen = "\x1b[1;32mhéllo\x1b[0m\r\n"
        data = screen.encode()
        session.response(data[:9])
        world.wait(session.flushed())
        session.response(data[9:] + b"\x1b]0;owned\x07\x1b]52;c;aGk=\x07\x1b[6n\x1bP$q\x1b\\end")
        world.wait(session.close("client.terminate"))
        world.stop()
        where = ["-d", str(world.directory), "--key", str(world.state / "keys/replay.key")]
        assert main(["replay", "s-1", "--cast", *where]) == 0
        path = tmp_path / "s.cast"
        path.write_text(capfd.readouterr().out)
        assert asciinema("cat", path).decode() == screen + "end"
        assert json.loads(path.read_text().splitlines()[0])["width"] == 100

    def test_a_session_without_a_terminal(
        self, eventful_log: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        from hoopgate.cli.main import main

        key = eventful_log.state / "keys/replay.key"
        where = ["-d", str(eventful_log.directory), "--key", str(key)]
        assert main(["replay", "s-web", "--cast", *where]) == 0
        path = tmp_path / "s.cast"
        path.write_text(capfd.readouterr().out)
        assert "→ GET /Patient/17" in asciinema("cat", path).decode()


class TestScreen:
    @given(st.data())
    def test_any_cut_shows_the_same(self, data: st.DataObject) -> None:
        pieces = ["a", "é", "\x1b", "[", "3", "1", "m", "]", "0;x", "\x07", "\\", "P", "\x9b", "c"]
        text = "".join(data.draw(st.lists(st.sampled_from(pieces), max_size=40)))
        whole = Screen().feed(text)
        screen, shown = Screen(), ""
        at = 0
        while at < len(text):
            size = data.draw(st.integers(1, 5))
            shown += screen.feed(text[at : at + size])
            at += size
        assert shown == whole

    @given(st.text(alphabet=st.sampled_from("\x1b[]P_^X\\\x07\x9b\x9d\x90c;n0123456789mHJ é\x18")))
    def test_nothing_that_a_terminal_answers_or_obeys(self, text: str) -> None:
        shown = Screen().feed(text)
        for bad in ("\x1b]", "\x1bP", "\x1b_", "\x1b^", "\x1bX", "\x1bZ", "\x9b", "\x9d"):
            assert bad not in shown
        for part in shown.split("\x1b[")[1:]:
            final = next((c for c in part if "@" <= c <= "~"), "")
            assert final not in ("n", "c")

    def test_what_draws_stays(self) -> None:
        drawn = "\x1b[2J\x1b[1;1H\x1b[38;5;12mtext\x1b[0m\x1b(B\x1b7\x1b8\r\n\t\x08"
        assert Screen().feed(drawn) == drawn

    @pytest.mark.parametrize(
        "sequence",
        [
            *(
                "[6n",
                "[?6n",
                "[c",
                "[>c",
                "[=c",
                "[14t",
                "[21t",
                "[?1$p",
                "[>q",
                "[x",
                "[?u",
                "[>1u",
            ),
            # Reports of presentation, checksums, graphics, colours, the title, the locator.
            *("[1$w", "[2$w", "[1;1;1;1;9;9*y", "[?1;1;0S", "[1#S", "[#R", "['|", "[1;2'z", '["v'),
            # The mouse, focus, pasted text, the window's size, keys: typed from then on.
            *("[?1000h", "[?1003h", "[?1003;25h", "[?25;1003h", "[?1004h", "[?1006h", "[?2004h"),
            *(
                "[?2048h",
                "[?2031h",
                "[?1h",
                "[?66h",
                "[>4;2m",
                "[>1f",
                "[2h",
                "[1;2;3;4;5T",
                "=",
                ">",
                "[?1049;1003h",
            ),
            # The printer, tests, other emulations, eight-bit answers, UTF-8 left.
            *("[5i", "[?5i", "[i", "[4y", "[?38h", "[?2l", '[61"p', "[!p", " G", "%@", "Z", "[0 q"),
        ],
    )
    def test_what_does_not_draw_goes(self, sequence: str) -> None:
        assert Screen().feed(f"a\x1b{sequence}b") == "ab"
        if sequence.startswith("["):
            assert Screen().feed(f"a\x9b{sequence[1:]}b") == "ab"

    @pytest.mark.parametrize(
        "sequence",
        [
            *("[H", "[;5H", "[10;20r", "[?25l", "[?25h", "[?1049h", "[?7;25l", "[4h", "[3g", "[s"),
            *(
                "[38;2;1;2;3m",
                "[4:3m",
                "[m",
                "[0J",
                "[?2K",
                "[5L",
                "[2M",
                "[3P",
                "[4@",
                "[7X",
                "[2S",
            ),
            *("[?2026h", "7", "8", "M", "D", "E", "H", "c", "#8", "(0", "(B", ")A"),
        ],
    )
    def test_what_programs_draw_with_stays(self, sequence: str) -> None:
        assert Screen().feed(f"a\x1b{sequence}b") == f"a\x1b{sequence}b"

    def test_an_endless_sequence_holds_nothing(self) -> None:
        screen = Screen()
        screen.feed("\x1b[" + "1;" * 100_000)
        assert len(screen._held) <= 300
        screen.feed("\x1b]" + "x" * 100_000)
        assert screen._held == ""
        assert screen.feed("\x1b\\ok") == "ok"


def test_terminals_are_registered() -> None:
    before = dict(TERMINALS)
    try:
        register_terminal("made", Plain)
        assert TERMINALS["made"] is Plain
    finally:
        TERMINALS.clear()
        TERMINALS.update(before)


def test_the_bundle_of_a_large_log(grown: Grown, go_check: Path, tmp_path: Path) -> None:
    """Few leaves of many: what proves them is small."""
    log = LogReader(grown.directory(70_000), [grown.verifier])
    export(log, tmp_path / "b", 40_000, 40_010, recordings=False)
    size = sum(p.stat().st_size for p in (tmp_path / "b/log").rglob("*") if p.is_file())
    assert size < 150_000
    done = check(go_check, tmp_path / "b/log", grown.verifier, "-first", 40_000, "-last", 40_009)
    assert done.returncode == 0, done.stderr
