"""PROTOCOLS A12: a listener that offers OAUTHBEARER (RFC 7628), to libpq 18 and byte by byte."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import psycopg_binary
import pytest
from testbed.certificates import Certificates
from testbed.clinic import Clinic, running_clinic
from testbed.ports import free_port
from testbed.postgres import Postgres
from testbed.raw import GOOD, Raw, startup

from hoopgate.postgres import wire


@pytest.fixture(scope="module")
def oauth(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, postgres18: Postgres
) -> Iterator[Clinic]:
    """The clinic with a listener for tokens as passwords, and first one for OAUTHBEARER."""

    def adjust(settings: dict[str, Any]) -> None:
        (listener,) = settings["listeners"]
        endpoint = f"tcp:{free_port()}:interface=127.0.0.1"
        settings["listeners"].append({**listener, "name": "password", "endpoint": endpoint})
        listener["authentication"] = "oauthbearer"

    directory = tmp_path_factory.mktemp("oauth")
    with running_clinic(
        directory, certificates, postgres18, database="oauth", adjust=adjust
    ) as running:
        yield running


# --- byte by byte ---------------------------------------------------------------------------------


def initial(data: bytes, mechanism: bytes = b"OAUTHBEARER") -> bytes:
    """A SASLInitialResponse."""
    return wire.password(mechanism + b"\0" + len(data).to_bytes(4, "big") + data)


def bearer(token: str, header: bytes = b"n,,") -> bytes:
    return initial(header + b"\1auth=Bearer " + token.encode() + b"\1\1")


@pytest.fixture
def raw(oauth: Clinic) -> Iterator[Raw]:
    """A client that has been asked for OAUTHBEARER."""
    with Raw(oauth) as connection:
        connection.secure().send(startup(GOOD))
        code, mechanisms = wire.authentication(connection.message())
        assert (code, wire.sasl_mechanisms(mechanisms)) == (10, (b"OAUTHBEARER",))
        yield connection


def challenge(raw: Raw) -> dict[str, str]:
    """The failure (RFC 7628 3.2.2) that an AuthenticationSASLContinue carries."""
    code, data = wire.authentication(raw.message())
    assert code == 11
    failure: dict[str, str] = json.loads(data)
    return failure


def where(clinic: Clinic) -> dict[str, str]:
    """What a client is told about where to get a token."""
    url = f"{clinic.issuer.url}/.well-known/openid-configuration"
    return {"openid-configuration": url, "scope": "hoopgate:clinic"}


@pytest.mark.parametrize("header", [b"n,,", b"y,,"])
@pytest.mark.parametrize("who", ["executor", "exporter"])
def test_a_token_opens_a_session(oauth: Clinic, raw: Raw, who: str, header: bytes) -> None:
    raw.authenticated(bearer(oauth.token(who), header))
    raw.send(wire.query(b"SELECT ssn FROM patients WHERE id = 1"))
    rows = [wire.data_row_values(one) for one in raw.until_ready() if one[:1] == b"D"]
    assert rows == [(b"[SSN]",)]


def test_discovery(oauth: Clinic, raw: Raw) -> None:
    raw.send(initial(b"n,,\1auth=\1\1"))
    assert challenge(raw) == {"status": "invalid_token", **where(oauth)}
    raw.send(wire.password(b"\1"))
    assert raw.fatal()[b"C"] == b"28000"


def test_a_client_may_not_go_on_after_discovery(oauth: Clinic, raw: Raw) -> None:
    """The exchange has failed: a token now is a new login, on a new connection."""
    raw.send(initial(b"n,,\1auth=\1\1"))
    challenge(raw)
    raw.send(bearer(oauth.token()))
    raw.fatal()


@pytest.mark.parametrize(
    ("who", "status", "said"),
    [("", "invalid_token", b"identity."), ("stranger", "insufficient_scope", b"scope.missing")],
)
def test_a_token_that_is_refused(
    oauth: Clinic, raw: Raw, who: str, status: str, said: bytes
) -> None:
    """The failure comes first, and the reason after the client's dummy answer (3.2.3)."""
    raw.send(bearer(oauth.token(who) if who else "not.a.token"))
    assert challenge(raw) == {"status": status, **where(oauth)}
    raw.send(wire.password(b"\1"))
    fields = raw.fatal()
    assert fields[b"C"] == b"28000"
    assert said in fields[b"M"]


@pytest.mark.parametrize(
    "answer",
    [
        initial(b"n,,\1auth=\1\1", b"SCRAM-SHA-256"),
        initial(b"p=tls-exporter,,\1auth=Bearer x\1\1"),
        initial(b"n,a=root,\1auth=Bearer x\1\1"),
        initial(b"n,,\1auth=Basic eA==\1\1"),
        initial(b"n,,\1auth=Bearer x\1auth=Bearer y\1\1"),
        initial(b"n,,\1auth=Bearer x\1"),
        initial(b"n,,\1\1"),
        initial(b""),
        wire.password(b"OAUTHBEARER\0\xff\xff\xff\xff"),
        wire.password(b"OAUTHBEARER\0\0\0\0\x40n,,"),
        wire.password(b"eyJhbGciOiJub25lIn0.e30.\0"),
        wire.query(b"SELECT 1"),
        startup(GOOD),
    ],
    ids=[
        *("mechanism", "channel binding", "authzid", "Basic", "two tokens", "not ended"),
        *("no auth", "empty", "no data", "wrong length", "plain password", "Query", "startup"),
    ],
)
def test_anything_else_is_refused(raw: Raw, answer: bytes) -> None:
    raw.send(answer)
    assert raw.fatal()[b"C"] in (b"28000", b"08P01")


def test_oauthbearer_and_passwords_are_never_mixed(oauth: Clinic) -> None:
    """A client that would fall back from one to the other must not be steered."""
    password_port = int(oauth.gateway.settings["listeners"][1]["endpoint"].split(":")[1])
    with Raw(oauth, password_port) as raw:
        raw.secure().send(startup(GOOD))
        assert wire.authentication(raw.message()) == (3, b"")
        raw.send(bearer(oauth.token()))
        raw.fatal()
    with psycopg.connect(oauth.dsn(port=password_port)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    # libpq, asked for OAUTHBEARER, does not send its password.
    with pytest.raises(psycopg.OperationalError, match="oauth"):
        psycopg.connect(oauth.dsn())


# --- libpq 18 -------------------------------------------------------------------------------------


class BearerRequest(ctypes.Structure):
    """``PGoauthBearerRequest`` of libpq-fe.h."""

    _fields_ = (
        ("openid_configuration", ctypes.c_char_p),
        ("scope", ctypes.c_char_p),
        ("run", ctypes.c_void_p),
        ("cleanup", ctypes.c_void_p),
        ("token", ctypes.c_char_p),
        ("user", ctypes.c_void_p),
    )


_HOOK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_BEARER_TOKEN = 1  # PQAUTHDATA_OAUTH_BEARER_TOKEN


def _libpq() -> ctypes.CDLL:
    """The libpq that psycopg's wheel brings: the very one that psycopg uses."""
    package = Path(psycopg_binary.__file__).parent
    (path,) = package.with_name("psycopg_binary.libs").glob("libpq-*")
    return ctypes.CDLL(str(path))


@contextmanager
def tokens(token: str) -> Iterator[list[tuple[str, str]]]:
    """Have libpq use ``token``; yields the discovery URLs and scopes it was asked for with."""
    asked: list[tuple[str, str]] = []
    kept = token.encode()

    def hook(kind: int, connection: int, data: int) -> int:
        if kind != _BEARER_TOKEN:
            return 0
        request = ctypes.cast(data, ctypes.POINTER(BearerRequest)).contents
        asked.append(
            ((request.openid_configuration or b"").decode(), (request.scope or b"").decode())
        )
        request.token = kept
        return 1

    libpq = _libpq()
    function = _HOOK(hook)
    libpq.PQsetAuthDataHook(function)
    try:
        yield asked
    finally:
        libpq.PQsetAuthDataHook.argtypes = [ctypes.c_void_p]
        libpq.PQsetAuthDataHook(None)
        libpq.PQsetAuthDataHook.argtypes = None


def dsn(clinic: Clinic, **more: object) -> str:
    return clinic.gateway.dsn(
        "", "executor", oauth_issuer=clinic.issuer.url, oauth_client_id="executor", **more
    )


@pytest.mark.parametrize("who", ["executor", "exporter"])
def test_libpq_discovers_the_issuer_and_logs_in(oauth: Clinic, who: str) -> None:
    """It knows the issuer's URL alone: configuration and scope come from the gateway."""
    with (
        tokens(oauth.token(who)) as asked,
        psycopg.connect(dsn(oauth, require_auth="oauth")) as connection,
    ):
        row = connection.execute("SELECT ssn FROM patients WHERE id = 1").fetchone()
        assert row == ("[SSN]",)
    assert asked == [(where(oauth)["openid-configuration"], "hoopgate:clinic")]


def test_libpq_shows_why_a_token_is_refused(oauth: Clinic) -> None:
    token = oauth.token("stranger")
    with (
        tokens(token),
        pytest.raises(psycopg.OperationalError, match="scope") as caught,
    ):
        psycopg.connect(dsn(oauth))
    assert token not in str(caught.value)


def test_libpq_trusts_no_other_issuer(oauth: Clinic) -> None:
    """The issuer the gateway names must be the one the client is configured for."""
    with (
        tokens(oauth.token()) as asked,
        pytest.raises(psycopg.OperationalError, match="issuer"),
    ):
        psycopg.connect(
            oauth.gateway.dsn(
                "", "executor", oauth_issuer="https://other.example", oauth_client_id="x"
            )
        )
    assert asked == []
