"""Two nodes that are each other's witness, and forward only what the other one has cosigned."""

from __future__ import annotations

import copy
import json
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from testbed.certificates import Certificates
from testbed.clinic import Clinic, running_clinic
from testbed.gateway import Gateway
from testbed.node import events, hoopgate, until
from testbed.ports import free_port
from testbed.postgres import Postgres

from hoopgate.gateway.witness import KEY
from hoopgate.recorder.cosign import Cosigner
from hoopgate.recorder.cosigning import WITNESSED
from hoopgate.recorder.note import Checkpoint, Note
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.rotation import SIGNER_KEY
from hoopgate.recorder.signer import FileSigner

LONG = 120.0


class Side:
    """One of the two: its keys, made before the first start, and where its witness listens."""

    def __init__(self, base: Path, name: str) -> None:
        self.name = name
        self.directory = base / name
        self.directory.mkdir()
        self.signer = FileSigner.create(
            self.directory / "state" / SIGNER_KEY, f"{name}.example/hoopgate"
        )
        self.cosigner = Cosigner.create(self.directory / "witness" / KEY, f"{name}.example/witness")
        self.port = free_port()
        self.policy = self.directory / "policy"

    def settings(
        self, settings: dict[str, Any], other: Side, certificates: Certificates
    ) -> dict[str, Any]:
        pair = certificates.server
        settings["recording"] = {
            "origin": self.signer.name,
            "gate": "witnessed",
            "quorum": 1,
            "witnesses": [
                {
                    "name": other.name,
                    "key": str(other.cosigner.verifier),
                    "url": f"https://localhost:{other.port}/",
                    "ca_file": str(certificates.ca),
                }
            ],
        }
        settings["witness"] = {
            "endpoint": f"tcp:{self.port}:interface=127.0.0.1",
            "tls": {"certificate": str(pair.certificate), "key": str(pair.key)},
            "name": self.cosigner.name,
            "directory": str(self.directory / "witness"),
            "logs": [str(other.signer.verifier)],
        }
        self.policy.write_text(
            f"log {self.signer.verifier}\n"
            f"witness {other.name} {other.cosigner.verifier}\n"
            f"quorum {other.name}\n"
        )
        return settings


class Pair:
    """Two nodes before one database.

    :ivar nodes: their gateways, in the order of ``sides``.
    """

    def __init__(self, clinic: Clinic, sides: tuple[Side, Side], nodes: tuple[Gateway, Gateway]):
        self.clinic = clinic
        self.sides = sides
        self.nodes = nodes

    def dsn(self, number: int) -> str:
        return self.nodes[number].dsn(self.clinic.token(), "executor")

    def state(self, number: int) -> str:
        found: dict[str, Any] = json.loads(self.nodes[number].get("/healthz")[1])
        return str(found["checks"]["witnesses"])

    def until_well(self) -> None:
        for number in (0, 1):
            until(lambda number=number: self.state(number) == "ok", f"{number} is cosigned", LONG)

    def cosigned(self, number: int) -> int:
        note = Note.parse((self.nodes[number].state_dir / "log" / WITNESSED).read_bytes())
        return Checkpoint.parse(note.text).size

    def size(self, number: int) -> int:
        """Leaves under the last signed checkpoint."""
        note = Note.parse((self.nodes[number].state_dir / "log/checkpoint").read_bytes())
        return Checkpoint.parse(note.text).size

    def verify(self, number: int) -> str:
        """What ``audit verify`` says by the policy of one side."""
        policy = self.sides[number].policy
        done = hoopgate(self.nodes[number], "audit", "verify", "--policy", policy)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def pair(
    certificates: Certificates, postgres15: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    base = tmp_path_factory.mktemp("mutual")
    one, two = Side(base, "one"), Side(base, "two")
    second: list[Gateway] = []
    starting: list[Any] = []
    with ThreadPoolExecutor(1) as pool:

        def adjust(settings: dict[str, Any]) -> None:
            """The second node is started beside the first one."""
            other = copy.deepcopy(settings)
            other["node"]["state_dir"] = str(two.directory / "state")
            other["node"]["metrics"] = f"tcp:{free_port()}:interface=127.0.0.1"
            other["listeners"][0]["endpoint"] = f"tcp:{free_port()}:interface=127.0.0.1"
            second.append(
                Gateway(two.directory, two.settings(other, one, certificates), certificates)
            )
            one.settings(settings, two, certificates)
            starting.append(pool.submit(second[0].start))

        try:
            with running_clinic(
                one.directory, certificates, postgres15, database="mutual", adjust=adjust
            ) as clinic:
                starting[0].result()
                yield Pair(clinic, (one, two), (clinic.gateway, second[0]))
        finally:
            for gateway in second:
                gateway.stop()


def ask(pair: Pair, numbers: Sequence[int], text: str) -> None:
    """Of several nodes at once."""

    def answered(dsn: str) -> Any:
        with psycopg.connect(dsn, autocommit=True) as connection:
            return connection.execute(f"SELECT '{text}'").fetchone()

    # Tokens are made by a command in this process, one after the other.
    dsns = [pair.dsn(number) for number in numbers]
    with ThreadPoolExecutor(len(dsns)) as pool:
        for done in [pool.submit(answered, dsn) for dsn in dsns]:
            assert done.result(LONG) == (text,)


def test_both_start_at_once_and_forward(pair: Pair) -> None:
    ask(pair, (0, 1), "both")
    pair.until_well()
    for number, other in ((0, "two"), (1, "one")):
        assert f"leaves: {other} " in pair.verify(number)


def test_one_stops_and_comes_back(pair: Pair) -> None:
    """What the other one records meanwhile waits, is told of, and is cosigned at once then."""
    one, two = pair.nodes
    pair.until_well()
    told = len(events(one, "witness.away"))
    with psycopg.connect(pair.dsn(0), autocommit=True) as connection, ThreadPoolExecutor(1) as pool:
        connection.execute("SELECT 1")
        two.stop()
        asking = pool.submit(connection.execute, "SELECT 'after it is back'")
        try:
            until(lambda: pair.state(0) == "degraded", "it is noticed", LONG)
            until(lambda: len(events(one, "witness.away")) > told, "the log says so", LONG)
            until(lambda: pair.size(0) > pair.cosigned(0), "there is a backlog", LONG)
            waiting = pair.size(0)
            assert not asking.done()
        finally:
            two.start()
        assert asking.result(LONG).fetchone() == ("after it is back",)
        assert pair.cosigned(0) >= waiting
    pair.until_well()
    ask(pair, (1,), "and the other way")
    wanted = [{"event": f"witness.{what}", "witness": "two"} for what in ("away", "back")]

    def noted() -> list[Any]:
        log = LogReader(one.state_dir / "log", [pair.sides[0].signer.verifier])
        return [leaf["detail"] for leaf, _ in log.leaves(b"witness.")]

    until(lambda: noted()[-2:] == wanted, "both are leaves of the log", LONG)


def test_both_stop_at_once_and_start_at_once(pair: Pair) -> None:
    """Killed, as by a power cut: what was not cosigned yet is cosigned after the start."""
    pair.until_well()
    before = [pair.cosigned(number) for number in (0, 1)]
    for node in pair.nodes:
        node.kill()
    # A node ends with the thread that started it: the threads stay until both were stopped.
    with ThreadPoolExecutor(2) as pool:
        for started in [pool.submit(node.start) for node in pair.nodes]:
            started.result(LONG)
        ask(pair, (0, 1), "again")
        pair.until_well()
        for number in (0, 1):
            assert pair.cosigned(number) > before[number]
            pair.verify(number)
            assert not events(pair.nodes[number], "witness.disagrees")
        # Neither waits for the other one for ever.
        for stopping in [pool.submit(node.stop) for node in pair.nodes]:
            assert stopping.result(LONG) == -signal.SIGTERM
