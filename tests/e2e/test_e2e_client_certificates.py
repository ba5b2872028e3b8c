"""A listener that demands client certificates besides the token (PROTOCOLS A13)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from testbed.certificates import Certificates, KeyPair
from testbed.clinic import Clinic, running_clinic
from testbed.postgres import Postgres


@pytest.fixture(scope="module")
def revoked(certificates: Certificates) -> KeyPair:
    return certificates.issue("planner", client=True)


@pytest.fixture(scope="module")
def mutual(
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
    postgres15: Postgres,
    revoked: KeyPair,
) -> Iterator[Clinic]:
    """A clinic whose clients need a certificate of the throwaway authority."""
    directory = tmp_path_factory.mktemp("mutual")
    crl = directory / "revoked.pem"
    crl.write_bytes(certificates.revoke(revoked))

    def adjust(settings: dict[str, object]) -> None:
        settings["listeners"][0]["clients"] = {  # type: ignore[index]
            "ca_file": str(certificates.ca),
            "crl_file": str(crl),
        }

    with running_clinic(
        directory, certificates, postgres15, database="mutual_clinic", adjust=adjust
    ) as running:
        yield running


def connect(clinic: Clinic, pair: KeyPair | None, who: str = "executor") -> psycopg.Connection:
    more: dict[str, object] = {}
    if pair is not None:
        Path(pair.key).chmod(0o600)
        more = {"sslcert": pair.certificate, "sslkey": pair.key}
    return psycopg.connect(clinic.dsn(who, **more))


def test_the_subjects_own_certificate_opens(mutual: Clinic, certificates: Certificates) -> None:
    with connect(mutual, certificates.issue("executor", client=True)) as connection:
        assert connection.execute("SELECT ssn FROM patients LIMIT 1").fetchone() == ("[SSN]",)


def test_somebody_elses_does_not(mutual: Clinic, certificates: Certificates) -> None:
    """A stolen token is of no use without its subject's key."""
    with pytest.raises(psycopg.OperationalError, match=r"identity\.certificate"):
        connect(mutual, certificates.issue("planner", client=True))


@pytest.mark.parametrize("which", ["none", "expired", "foreign", "revoked"])
def test_no_handshake_without_a_good_one(
    mutual: Clinic,
    certificates: Certificates,
    revoked: KeyPair,
    tmp_path: Path,
    which: str,
) -> None:
    pair = {
        "none": lambda: None,
        "expired": lambda: certificates.issue("executor", client=True, days=-1),
        "foreign": lambda: Certificates(tmp_path).issue("executor", client=True),
        "revoked": lambda: revoked,
    }[which]()
    with pytest.raises(psycopg.OperationalError):
        connect(mutual, pair, "planner" if which == "revoked" else "executor")
    assert "login.bug" not in mutual.gateway.log_text()
