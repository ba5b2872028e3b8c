"""``[exchange]`` and what issuers may be: what it means, and every mistake in it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from settings_file import File
from testbed.certificates import Certificates
from testbed.node import HOOPGATE

from hoopgate.settings.model import Exchange, Introspection, Secret, ServerTLS


@pytest.fixture
def file(tmp_path: Path, certificates: Certificates) -> File:
    return File(tmp_path, certificates)


def exchange(file: File, **more: Any) -> dict[str, Any]:
    pair = file.certificates.server
    return {
        "endpoint": "tcp:8445",
        "url": "https://GW.example:8445",
        "tls": {"certificate": str(pair.certificate), "key": str(pair.key)},
        **more,
    }


def test_little_has_to_be_said(file: File) -> None:
    pair = file.certificates.server
    assert file.load(exchange=exchange(file)).exchange == Exchange(
        endpoint="tcp:8445",
        url="https://gw.example:8445",
        tls=ServerTLS(pair.certificate, pair.key),
    )
    assert file.load().exchange is None


def test_everything_can_be_said(file: File) -> None:
    table = exchange(
        file,
        lifetime="5m",
        delegation="any",
        operators=["x"],
        addresses={"main": "db.example:6432"},
    )
    found = file.load(exchange=table).exchange
    assert found is not None
    assert (found.lifetime_seconds, found.delegation, found.operators) == (300.0, "any", {"x"})
    assert found.addresses == {"main": "db.example:6432"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"url": "http://gw.example"}, "exchange.url"),
        ({"url": "https://gw.example/path"}, "exchange.url"),
        ({"url": "https://u:p@gw.example"}, "exchange.url"),
        ({"url": "gw.example"}, "exchange.url"),
        ({"endpoint": "nowhere"}, "exchange.endpoint"),
        ({"tls": {}}, "exchange.tls.certificate"),
        ({"lifetime": "16m"}, "exchange.lifetime"),
        ({"lifetime": "0s"}, "exchange.lifetime"),
        ({"delegation": "all"}, "exchange.delegation"),
        ({"addresses": {"other": "db:1"}}, "exchange.addresses.other"),
        ({"addresses": {"main": "db"}}, "exchange.addresses.main"),
        ({"addresses": {"main": "db:0"}}, "exchange.addresses.main"),
        ({"operator": ["x"]}, "exchange.operator: unknown key; write operators"),
    ],
    ids=str,
)
def test_mistakes(file: File, change: dict[str, Any], told: str) -> None:
    problems = file.problems({"exchange": exchange(file, **change)})
    assert any(told in problem for problem in problems), problems


def test_it_needs_tls(file: File) -> None:
    table = exchange(file)
    del table["tls"]
    assert any("exchange.tls: missing" in one for one in file.problems({"exchange": table}))


def test_check_explains_it(file: File) -> None:
    path = file.write({"exchange": exchange(file, operators=["x"])})
    done = subprocess.run(
        [HOOPGATE, "check", "-c", path], capture_output=True, text=True, timeout=60, check=True
    )
    lines = {" ".join(line.split()) for line in done.stdout.splitlines()}
    assert "address https://gw.example:8445 on tcp:8445" in lines
    assert {"credentials 15m at most", "delegates whom a token names (may_act)"} <= lines


# --- issuers -----------------------------------------------------------------------------------


def issuer(**more: Any) -> dict[str, Any]:
    return {"name": "login", "url": "https://login.example", "audiences": ["gateway"], **more}


def test_a_workloads_issuer(file: File) -> None:
    table = issuer(types=["none", "JWT"], subjects=["repo:a/b:*"], scopes=["hoopgate:clinic"])
    (found,) = file.load(issuers=[table]).issuers
    assert (found.types, found.subjects) == (("", "jwt"), ("repo:a/b:*",))
    assert found.scopes == {"hoopgate:clinic"}


def test_an_issuer_of_opaque_tokens(file: File) -> None:
    asking = {"client_id": "gw", "client_secret": {"file": "password"}, "cache": "0s"}
    (found,) = file.load(issuers=[issuer(introspection=asking)]).issuers
    secret = Secret(file=file.directory / "password")
    assert found.introspection == Introspection("gw", secret, None, 0.0)


_ASKING = {"client_id": "gw", "client_secret": {"file": "password"}}


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ([issuer(subjects=["*"])], "issuers[0].subjects"),
        ([issuer(introspection={**_ASKING, "cache": "1h"})], "issuers[0].introspection.cache"),
        ([issuer(introspection={"client_id": "gw"})], "issuers[0].introspection.client_secret"),
        (
            [issuer(introspection={"client_secret": {"file": "password"}})],
            "issuers[0].introspection.client_id",
        ),
        (
            [issuer(introspection={**_ASKING, "url": "http://login.example/i"})],
            "issuers[0].introspection.url",
        ),
        (
            [
                issuer(introspection=_ASKING),
                issuer(name="b", url="https://b.example", introspection=_ASKING),
            ],
            "issuers[1].introspection",
        ),
    ],
    ids=["subjects", "cache", "secret", "client", "url", "two"],
)
def test_mistakes_of_issuers(file: File, tables: list[dict[str, Any]], told: str) -> None:
    problems = file.problems({"issuers": tables})
    assert any(told in problem for problem in problems), problems
