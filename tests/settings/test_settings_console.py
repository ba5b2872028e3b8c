"""``[console]``: what it means, and every mistake in it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from settings_file import File
from testbed.certificates import Certificates
from testbed.node import HOOPGATE

from hoopgate.settings.model import Console, ServerTLS


@pytest.fixture
def file(tmp_path: Path, certificates: Certificates) -> File:
    return File(tmp_path, certificates)


def console(file: File, **more: Any) -> dict[str, Any]:
    pair = file.certificates.server
    return {
        "endpoint": "tcp:9443",
        "url": "https://GW.example:9443",
        "tls": {"certificate": str(pair.certificate), "key": str(pair.key)},
        **more,
    }


def test_little_has_to_be_said(file: File) -> None:
    pair = file.certificates.server
    assert file.load(console=console(file)).console == Console(
        endpoint="tcp:9443",
        url="https://gw.example:9443",
        tls=ServerTLS(pair.certificate, pair.key),
        issuer="login",
        client_id="hoopgate-console",
        audience="gateway",
    )
    assert file.load().console is None


def test_everything_can_be_said(file: File) -> None:
    found = file.load(
        console=console(
            file,
            issuer="login",
            client_id="c",
            client_secret={"file": "password"},
            scopes=["openid"],
            audience="a",
            auditors=["x"],
            operators=["y"],
            session_time="1h",
            idle_time="5m",
        )
    ).console
    assert found is not None
    assert found.client_secret is not None
    assert (found.session_seconds, found.idle_seconds) == (3600.0, 300.0)
    assert (found.auditors, found.operators) == ({"x"}, {"y"})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"url": "http://gw.example"}, "console.url"),
        ({"url": "https://gw.example/path"}, "console.url"),
        ({"url": "https://gw.example/"}, "console.url"),
        ({"url": "https://u:p@gw.example"}, "console.url"),
        ({"url": "https://gw.example:x"}, "console.url"),
        ({"url": "gw.example"}, "console.url"),
        ({"issuer": "nobody"}, "console.issuer"),
        ({"endpoint": "nowhere"}, "console.endpoint"),
        ({"tls": {}}, "console.tls.certificate"),
        ({"idle_time": "0s"}, "console.idle_time"),
        ({"auditor": ["x"]}, "console.auditor: unknown key; write auditors"),
        ({"client_secret": {"file": "nowhere"}}, "console.client_secret"),
    ],
)
def test_mistakes(file: File, change: dict[str, Any], told: str) -> None:
    problems = file.problems({"console": console(file, **change)})
    assert any(told in problem for problem in problems), problems


def test_it_needs_tls(file: File) -> None:
    table = console(file)
    del table["tls"]
    assert any("console.tls: missing" in one for one in file.problems({"console": table}))


def test_check_explains_it(file: File) -> None:
    path = file.write({"console": console(file, auditors=["x"])})
    done = subprocess.run(
        [HOOPGATE, "check", "-c", path], capture_output=True, text=True, timeout=60, check=True
    )
    lines = {" ".join(line.split()) for line in done.stdout.splitlines()}
    assert "address https://gw.example:9443 on tcp:9443" in lines
    assert "log-in issuer login as hoopgate-console, by PKCE" in lines
    assert {"auditors x", "operators nobody", "sessions 8h at most, 15m without a request"} <= lines
