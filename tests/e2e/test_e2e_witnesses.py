"""A running node and its witnesses: what is forwarded when, what it says, and what it cosigns."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from testbed.certificates import Certificates
from testbed.clinic import Clinic, running_clinic
from testbed.ports import free_port
from testbed.postgres import Postgres
from testbed.witness import Witness

from hoopgate.recorder.cosign import WitnessKey
from hoopgate.recorder.cosigning import WITNESSED, Peer, WitnessDisagrees
from hoopgate.recorder.known import check_witnessed
from hoopgate.recorder.note import Checkpoint, Note, Verifier
from hoopgate.recorder.policy import Policy
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.rotation import SIGNER_KEY
from hoopgate.recorder.signer import FileSigner
from hoopgate.recorder.tree import leaf_hash

ORIGIN = "gw-a.example/hoopgate"


class Ward:
    """A clinic whose node is cosigned by a witness, and cosigns for another node."""

    clinic: Clinic

    def __init__(self, base: Path, certificates: Certificates) -> None:
        self.base = base
        self.certificates = certificates
        self.other = FileSigner.create(base / "other.key", "gw-b.example/hoopgate")
        key = FileSigner.create(base / "log.key", ORIGIN)
        self.witness = Witness(base / "city", "city.example", [str(key.verifier)], certificates)
        self.port = free_port()

    def adjust(self, settings: dict[str, Any]) -> None:
        place = Path(settings["node"]["state_dir"]) / SIGNER_KEY
        place.parent.mkdir(parents=True)
        shutil.copy(self.base / "log.key", place)
        settings["recording"] = {
            **settings.get("recording", {}),
            "origin": ORIGIN,
            "gate": "witnessed",
            "witnesses": [
                {
                    "name": "city",
                    "key": self.witness.key,
                    "url": self.witness.url,
                    "ca_file": str(self.certificates.ca),
                }
            ],
        }
        pair = self.certificates.server
        settings["witness"] = {
            "endpoint": f"tcp:{self.port}:interface=127.0.0.1",
            "tls": {"certificate": str(pair.certificate), "key": str(pair.key)},
            "name": "gw-a.example/witness",
            "directory": str(self.base / "own-witness"),
            "logs": [str(self.other.verifier)],
        }

    @property
    def log(self) -> Path:
        return self.clinic.gateway.state_dir / "log"

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.clinic.gateway.get("/healthz")[1])
        return found

    def reader(self) -> LogReader:
        return LogReader(self.log, [Verifier.parse((self.log / "vkey").read_text())])


@pytest.fixture(scope="module")
def ward(
    certificates: Certificates,
    postgres15: Postgres,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Ward]:
    base = tmp_path_factory.mktemp("witnessed")
    found = Ward(base, certificates)
    found.witness.start()
    (base / "node").mkdir()
    try:
        with running_clinic(
            base / "node", certificates, postgres15, database="witnessed", adjust=found.adjust
        ) as running:
            found.clinic = running
            yield found
    finally:
        found.witness.stop()


def until(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.1)
    return found


def test_what_was_forwarded_was_cosigned_before(ward: Ward) -> None:
    with psycopg.connect(ward.clinic.dsn(), autocommit=True) as connection:
        connection.execute("SELECT 'cosigned first'")
        # It has an answer: a cosigned checkpoint covers the request.
        reader = ward.reader()
        vkey = (ward.log / "vkey").read_text()
        policy = Policy.parse(f"log {vkey}witness city {ward.witness.key}\nquorum city\n")
        size, times = check_witnessed(reader, policy, (ward.log / WITNESSED).read_bytes())
        chunks = [leaf["index"] for leaf, _ in reader.leaves(b'"direction":"client"')]
        assert chunks and size > chunks[0]
        assert set(times) == {"city"}
    assert ward.health()["status"] == "ok"


def test_without_its_witness_nothing_is_forwarded_and_it_says_so(ward: Ward) -> None:
    told: list[str] = []

    def ask(connection: psycopg.Connection[Any]) -> None:
        found = connection.execute("SELECT 'after the witness is back'").fetchone()
        told.append(found[0] if found else "")

    with psycopg.connect(ward.clinic.dsn(), autocommit=True) as connection:
        connection.execute("SELECT 1")
        ward.witness.stop()
        asking = threading.Thread(target=ask, args=(connection,))
        asking.start()
        try:
            until(lambda: ward.health()["checks"]["witnesses"] == "degraded", "it is noticed")
            until(lambda: "witness.away" in ward.clinic.gateway.log_text(), "the log says so")
            time.sleep(1)
            assert told == []
            sent = ward.clinic.postgres.psql(
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%witness is back%' "
                "AND pid <> pg_backend_pid()",
                "witnessed",
            )
            assert sent.strip() == "0"
        finally:
            ward.witness.start()
        asking.join(60)
    assert told == ["after the witness is back"]
    until(lambda: ward.health()["checks"]["witnesses"] == "ok", "it is back")

    def noted() -> list[str]:
        return [leaf["detail"]["event"] for leaf, _ in ward.reader().leaves(b'"witness":"city"')]

    until(lambda: noted() == ["witness.away", "witness.back"], "both are leaves of the log")


def test_it_cosigns_for_another_node(ward: Ward) -> None:
    """And for nobody else; and no log that goes back."""
    key = (ward.base / "own-witness/vkey").read_text()
    peer = Peer(
        "gw-a", WitnessKey.parse(key), f"https://localhost:{ward.port}/", ward.certificates.ca
    )
    name = ward.other.name

    def ask(size: int, root: bytes, signer: FileSigner = ward.other) -> None:
        checkpoint = Checkpoint(signer.name, size, root)
        peer.cosign(ward.base, Note.parse(signer.sign(checkpoint)), checkpoint)

    ask(1, leaf_hash(b"one"))
    assert peer.size == 1
    with pytest.raises(WitnessDisagrees):
        ask(1, leaf_hash(b"another"))
    proofs = list((ward.base / "own-witness/conflicts").glob("*.fork.*.claimed"))
    assert [Checkpoint.parse(Note.parse(path.read_bytes()).text).origin for path in proofs] == [
        name
    ]
    assert proofs[0].with_suffix(".cosigned").exists()
