"""Requests as no browser sends them: refused, with all that guards browsers, and nothing done."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlsplit

import pytest
from testbed.console import ConsoleClinic, WebClient
from testbed.holding import held

from hoopgate.console.logins import COOKIE

GUARDS = {
    "content-security-policy",
    "strict-transport-security",
    "x-frame-options",
    "x-content-type-options",
    "referrer-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
    "cache-control",
}


@pytest.fixture(scope="module")
def rita(console: ConsoleClinic) -> WebClient:
    found = WebClient(console)
    found.log_in("rita")
    return found


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/approvals/%00", None, 404),
        ("GET", "/approvals/..%2f..%2fetc", None, 404),
        ("GET", "//evil.example/", None, 404),
        ("GET", "/static/console.js", None, 404),
        ("GET", "/sessions?a=1&a=2", None, 400),
        ("GET", "/sessions?text=%ff", None, 400),
        ("GET", "/approvals?" + "&".join(f"x{n}=1" for n in range(20)), None, 400),
        ("GET", "/sessions", None, 403),
        ("POST", "/approvals", "", 403),
        ("POST", "/login", "", 403),
        ("PUT", "/approvals", "", 403),
        ("DELETE", "/api/v1/approvals", "", 403),
        ("POST", "/logout", "x" * 20_000, 413),
        ("TRACE", "/approvals", None, 403),
        ("OPTIONS", "/api/v1/approvals", None, 403),
        ("HEAD", "/approvals", None, 405),
        ("GET", "/events", None, 200),
    ],
)
def test_every_answer_is_guarded(
    rita: WebClient, method: str, path: str, body: str | None, status: int
) -> None:
    head = raw(rita, f"{method} {path} HTTP/1.1", body)
    line, *fields = head.split("\r\n")
    named = {field.partition(":")[0].lower(): field.partition(":")[2].strip() for field in fields}
    assert int(line.split()[1]) == status, line
    assert named.keys() >= GUARDS, path
    assert "server" not in named
    assert "access-control-allow-origin" not in named
    assert named["x-content-type-options"] == "nosniff"


def raw(client: WebClient, line: str, body: str | None = None, *fields: str) -> str:
    """The head of the answer to a request that is written by hand."""
    place = urlsplit(client.url)
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    sent = [line, f"Cookie: {COOKIE}={client.cookies[COOKIE]}", *fields]
    if not any(field.lower().startswith("host:") for field in fields):
        sent.append(f"Host: {place.netloc}")
    if body is not None:
        sent += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
    data = ("\r\n".join(sent) + "\r\n\r\n" + (body or "")).encode()
    with (
        socket.create_connection((place.hostname, place.port), timeout=60) as plain,
        tls.wrap_socket(plain, server_hostname=place.hostname) as connection,
    ):
        connection.sendall(data)
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = connection.recv(65_536)
            if not more:
                break
            answer += more
    return answer.partition(b"\r\n\r\n")[0].decode()


def test_only_a_form_that_is_posted_decides(console: ConsoleClinic, rita: WebClient) -> None:
    """No header and no field makes another method of one."""
    with held(console.clinic.dsn()) as export:
        place, csrf = f"/approvals/{export.request}/approve", rita.csrf()
        query = f"csrf={csrf}&reason=by+a+link&_method=POST"
        for override in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
            head = raw(rita, f"GET {place}?{query} HTTP/1.1", None, f"{override}: POST")
            assert head.split()[1] == "405"
        for method in ("PUT", "PATCH", "HEAD", "post"):
            head = raw(rita, f"{method} {place} HTTP/1.1", f"csrf={csrf}&reason=by+{method}")
            assert head.split()[1] in ("400", "405"), method
        # Its fields come from the body alone.
        head = raw(rita, f"POST {place}?{query} HTTP/1.1", "")
        assert head.split()[1] == "403"
        # And from one body: what a proxy might read otherwise is no request.
        smuggled = f"csrf={csrf}&reason=twice"
        for field in ("Transfer-Encoding: chunked", f"Content-Length: {len(smuggled) + 1}"):
            assert raw(rita, f"POST {place} HTTP/1.1", smuggled, field).split()[1] == "400"
        assert "pending" in rita.get(f"/approvals/{export.request}").text


@pytest.mark.parametrize(
    "fields",
    [
        ("Host: evil.example",),
        ("Host: {own}", "Host: evil.example"),
        ("Host: evil.example", "Host: {own}"),
        ("Host: {own}.evil.example",),
        ("Host: {own}@evil.example",),
        ("Host:",),
    ],
)
def test_the_console_has_one_name(rita: WebClient, fields: tuple[str, ...]) -> None:
    own = urlsplit(rita.url).netloc
    sent = [field.replace("{own}", own) for field in fields]
    head = raw(rita, "GET /approvals HTTP/1.1", None, *sent, "X-Forwarded-Host: " + own)
    assert head.split()[1] in ("421", "400")
    # Where it sends a browser is its own address, whatever was said.
    head = raw(rita, "GET /login HTTP/1.1", None, "X-Forwarded-Host: evil.example")
    assert "evil.example" not in head


@pytest.mark.parametrize("cookie", ["", "x", "a" * 4000, '"', "\xe4", "%00", "; ;"])
def test_no_cookie_opens_it_or_breaks_it(console: ConsoleClinic, cookie: str) -> None:
    client = WebClient(console)
    client.cookies[COOKIE] = cookie
    assert raw(client, "GET /approvals HTTP/1.1").split()[1] in ("303", "400")
