"""A log and its witnesses: real ones, as processes of their own, over TLS."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from recorder_world import ALLOWED, World
from testbed.certificates import Certificates
from testbed.witness import Witness
from twisted.internet.defer import Deferred

from hoopgate.cli.main import main
from hoopgate.recorder import cosigning
from hoopgate.recorder.cosign import WitnessKey
from hoopgate.recorder.cosigning import WITNESSED, Peer
from hoopgate.recorder.errors import BadLog, BadNote
from hoopgate.recorder.known import check_witnessed
from hoopgate.recorder.policy import Policy
from hoopgate.recorder.rotation import SIGNER_KEY
from hoopgate.recorder.signer import FileSigner

NAMES = ("city", "county")


#: Logs that the witnesses know, one for each test.
LOGS = 12


class Witnesses:
    """Two witnesses, and the keys of the logs that they cosign for."""

    def __init__(self, base: Path, certificates: Certificates) -> None:
        self.keys = [base / f"log-{number}.key" for number in range(LOGS)]
        logs = [
            str(FileSigner.create(path, f"{path.stem}.example/hoopgate").verifier)
            for path in self.keys
        ]
        self.running = {
            name: Witness(base / name, f"{name}.example", logs, certificates) for name in NAMES
        }
        for witness in self.running.values():
            witness.start()


@pytest.fixture(scope="module")
def witnesses(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Witnesses]:
    found = Witnesses(tmp_path_factory.mktemp("witnesses"), certificates)
    try:
        yield found
    finally:
        for witness in found.running.values():
            witness.stop()


class Scene:
    """A log with two witnesses that know it."""

    def __init__(self, base: Path, witnesses: Witnesses, ca: Path, **recording: object) -> None:
        self.world = World(base, **recording)
        key = witnesses.keys.pop()
        self.world.recording = replace(
            self.world.recording, origin=FileSigner.load(key).verifier.name
        )
        (base / "state/keys").mkdir(parents=True)
        shutil.copy(key, base / "state" / SIGNER_KEY)
        self.witnesses = witnesses.running
        self.peers: list[Peer] = []
        self.ca = ca

    def open(self, quorum: int) -> World:
        """The log, running, its checkpoints being cosigned."""
        self.peers = [
            Peer(name, WitnessKey.parse(witness.key), witness.url, self.ca)
            for name, witness in self.witnesses.items()
        ]
        self.world.open().log.outside.witness(self.peers, quorum)
        return self.world

    def policy(self, quorum: str) -> Policy:
        keys = "\n".join(f"witness {name} {w.key}" for name, w in self.witnesses.items())
        members = " ".join(self.witnesses)
        return Policy.parse(
            f"log {self.world.vkey()}\n{keys}\ngroup g {quorum} {members}\nquorum g\n"
        )

    def checked(self, quorum: str = "all") -> tuple[int, dict[str, int]]:
        note = (self.world.directory / WITNESSED).read_bytes()
        return check_witnessed(self.world.reader(), self.policy(quorum), note)

    def until_cosigned(self) -> None:
        cosigning = self.world.log.outside.cosigning
        assert cosigning is not None
        self.world.pump.until(lambda: cosigning.size >= self.world.log.size, 30)


@pytest.fixture
def scene(tmp_path: Path, certificates: Certificates, witnesses: Witnesses) -> Iterator[Scene]:
    yield Scene(tmp_path, witnesses, certificates.ca, gate="witnessed")
    for witness in witnesses.running.values():
        if not witness.running:
            witness.start()


def pending(deferred: Deferred[int]) -> list[object]:
    results: list[object] = []
    deferred.addBoth(results.append)
    return results


def test_a_request_waits_for_its_witnesses(scene: Scene) -> None:
    world = scene.open(quorum=2)
    session = world.session("s-1")
    scene.witnesses["county"].stop()
    answered = pending(session.request(b"SELECT 1", None, ALLOWED))
    world.pump.until(lambda: bool(scene.peers[1].away), 30)
    index = world.log.size - 1
    assert not answered
    scene.witnesses["county"].start()
    world.pump.until(lambda: bool(answered), 60)
    assert isinstance(answered[0], int)
    assert answered[0] <= index
    size, times = scene.checked()
    assert size > answered[0]
    assert set(times) == set(NAMES)
    world.wait(session.close("done"))
    scene.until_cosigned()
    world.stop()
    events = [leaf["detail"] for leaf in world.leaves() if leaf["type"] == "admin"]
    assert {"event": "witness.away", "witness": "county"} in events
    assert {"event": "witness.back", "witness": "county"} in events


def test_a_quorum_does_without_the_others(scene: Scene) -> None:
    world = scene.open(quorum=1)
    session = world.session("s-1")
    scene.witnesses["city"].stop()
    world.wait(session.request(b"SELECT 1", None, ALLOWED))
    world.wait(session.close("done"))
    assert set(scene.checked("any")[1]) == {"county"}
    with pytest.raises(BadNote, match="only county cosigned"):
        scene.checked("all")
    world.stop()


class Dripping:
    """A server that takes connections and answers a byte at a time, without an end."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/"
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    def _listen(self) -> None:
        while True:
            try:
                taken, _ = self._listening.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._drip, args=(taken,)))
            self._threads[-1].start()

    def _drip(self, taken: socket.socket) -> None:
        with taken, suppress(OSError):
            taken.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not self._ends.wait(0.05):
                taken.sendall(b"x")

    def stop(self) -> None:
        self._ends.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(60)


def test_one_that_never_ends_its_answer_holds_up_nobody_else(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cosigning, "TIMEOUT", 0.5)
    monkeypatch.setattr(cosigning, "INTERVAL", 0.05)
    county = scene.witnesses["county"]
    dripping = Dripping()
    try:
        world = scene.world
        scene.peers = [
            Peer("drip", WitnessKey.parse(county.key), dripping.url),
            Peer(
                "city", WitnessKey.parse(scene.witnesses["city"].key), scene.witnesses["city"].url
            ),
        ]
        scene.peers[1].ca_file = scene.ca
        world.open().log.outside.witness(scene.peers, 1)
        session = world.session("s-1")
        for number in range(6):
            done = pending(session.request(b"SELECT %d" % number, None, ALLOWED))
            world.pump.until(lambda done=done: bool(done), 60)  # type: ignore[misc]
            world.pump.until(lambda: bool(scene.peers[0].away), 60)
        world.wait(session.close("done"))
        assert not scene.peers[1].away
        world.stop()
    finally:
        dripping.stop()


def test_a_witness_with_two_keys_is_one_of_the_quorum(scene: Scene) -> None:
    city, county = (scene.witnesses[name] for name in NAMES)
    scene.peers = [
        Peer(f"city-{number}", WitnessKey.parse(key), city.url, scene.ca)
        for number, key in enumerate((city.key, city.ml_dsa_key))
    ]
    scene.peers.append(Peer("county", WitnessKey.parse(county.key), county.url, scene.ca))
    county.stop()
    world = scene.world.open()
    world.log.outside.witness(scene.peers, 2)
    answered = pending(world.log.append("heartbeat", {}))
    world.pump.until(lambda: bool(scene.peers[2].away) and scene.peers[1].cosigned > 1, 60)
    world.pump.until(lambda: scene.peers[0].cosigned > 1, 60)
    assert not answered
    assert not (world.directory / WITNESSED).exists()
    county.start()
    world.pump.until(lambda: bool(answered), 60)
    world.stop()


def test_one_that_forgot_what_it_cosigned_is_none(scene: Scene) -> None:
    """Its directory is that of yesterday, or empty: it would vouch for a log of yesterday, too."""
    world = scene.open(quorum=2)
    world.session("s-1")
    scene.until_cosigned()
    world.stop()
    city = scene.witnesses["city"]
    city.stop()
    for path in city.directory.glob("*.checkpoint"):
        path.unlink()
    city.start()
    world = scene.open(quorum=2)  # also after a start: the cosigned checkpoint says what it signed
    answered = pending(world.log.append("heartbeat", {}))
    world.pump.until(lambda: scene.peers[0].disagrees, 60)
    assert not scene.peers[1].disagrees
    assert not answered
    world.stop()


def test_a_disk_that_was_full_ends_no_cosigning(scene: Scene) -> None:
    place = scene.world.directory / WITNESSED
    place.mkdir(parents=True)  # what writing the file fails on
    world = scene.open(quorum=2)
    answered = pending(world.log.append("heartbeat", {}))
    world.pump.until(lambda: scene.peers[0].cosigned > 1 and scene.peers[1].cosigned > 1, 60)
    assert not answered
    place.rmdir()
    world.pump.until(lambda: bool(answered), 60)
    assert scene.checked()[0] > 1
    world.stop()


def test_what_was_left_behind_is_cosigned_at_the_next_start(scene: Scene) -> None:
    world = scene.open(quorum=2)
    world.session("s-1")
    world.stop()
    world = scene.open(quorum=2)
    scene.until_cosigned()
    assert scene.checked()[0] == world.log.size
    world.stop()


def test_a_log_that_was_rolled_back_is_told_apart(scene: Scene, tmp_path: Path) -> None:
    """The directory of yesterday passes every check but that of who saw today's."""
    world = scene.open(quorum=2)
    world.session("s-1")
    scene.until_cosigned()
    world.stop()
    shutil.copytree(tmp_path / "log", tmp_path / "log.old")
    shutil.copytree(tmp_path / "state", tmp_path / "state.old")
    world = scene.open(quorum=2)
    for number in range(5):
        world.session(f"s-2{number}")
    scene.until_cosigned()
    seen = (tmp_path / "log" / WITNESSED).read_bytes()
    world.stop()
    for name in ("log", "state"):
        shutil.rmtree(tmp_path / name)
        (tmp_path / f"{name}.old").rename(tmp_path / name)
    world = scene.open(quorum=2)  # nothing on this host contradicts it
    world.verify()
    answered = pending(world.log.append("heartbeat", {}))
    world.pump.until(lambda: all(peer.disagrees for peer in scene.peers), 60)
    assert not answered
    with pytest.raises(BadLog, match="rolled back"):
        check_witnessed(world.reader(), scene.policy("all"), seen)
    world.stop()


@pytest.mark.parametrize("quorum", ["any", "all"])
def test_the_auditor_s_command(
    scene: Scene, tmp_path: Path, quorum: str, capsys: pytest.CaptureFixture[str]
) -> None:
    world = scene.open(quorum=2)
    world.session("s-1")
    scene.until_cosigned()
    world.stop()
    members = [f"witness {name} {witness.key}" for name, witness in scene.witnesses.items()]
    lines = [f"log {world.vkey()}", *members, f"group g {quorum} city county", "quorum g"]
    policy = tmp_path / "policy"
    policy.write_text("\n".join(lines))
    command = ["audit", "verify", "--directory", str(world.directory), "--policy", str(policy)]

    def run() -> tuple[int, dict[str, object]]:
        status = main([*command, "--json"])
        page: dict[str, object] = json.loads(capsys.readouterr().out)
        return status, page

    status, page = run()
    assert status == 0
    assert set(page["witnessed"]["witnesses"]) == set(NAMES)  # type: ignore[index]
    assert main(command) == 0
    assert "witnesses vouch for the first" in capsys.readouterr().out

    path = world.directory / WITNESSED
    whole = path.read_bytes()
    stripped = b"".join(line for line in whole.splitlines(True) if b"county.example" not in line)
    path.write_bytes(stripped)
    status, page = run()
    assert (status, page["good"]) == ((0, True) if quorum == "any" else (1, False))
    at = whole.index(b"county.example ") + 40
    path.write_bytes(whole[:at] + (b"A" if whole[at : at + 1] != b"A" else b"B") + whole[at + 1 :])
    status, page = run()
    assert (status, page["good"]) == (1, False)
    assert "county.example" in str(page["what"])


def test_what_a_witness_answers_to_strangers(scene: Scene) -> None:
    witness = scene.witnesses["city"]
    assert witness.post(b"", "/")[0] == 404
    assert witness.post(b"x" * 20_000)[0] == 413
    status, kind, _ = witness.post(f"old 0\n\nother/log\n0\n{'A' * 43}=\n\n— x AAAAAAA=\n".encode())
    assert (status, kind) == (404, "text/plain")
