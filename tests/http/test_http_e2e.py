"""Real clients, the real gateway, a real upstream: identity, rules, refusals, streams, the log."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from testbed.node import events, hoopgate, until, verified
from testbed.webclinic import UPSTREAM_PASSWORD, Web

HOOPGATE = Path(sys.executable).with_name("hoopgate")


@pytest.fixture
def agent(web: Web) -> Iterator[httpx.Client]:
    """httpx with a token, one connection."""
    context = ssl.create_default_context(cafile=str(web.certificates.ca))
    with httpx.Client(
        verify=context,
        base_url=web.url("/"),
        headers={"Authorization": f"Bearer {web.token()}"},
        limits=httpx.Limits(max_connections=1),
        timeout=60,
    ) as client:
        yield client


def curl(web: Web, *arguments: str, token: str | None = None) -> subprocess.CompletedProcess[str]:
    """curl with a token."""
    given = web.token() if token is None else token
    command = ["curl", "--silent", "--show-error", "--max-time", "20"]
    command += ["--cacert", str(web.certificates.ca), "--header", f"Authorization: Bearer {given}"]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60)


def raw(web: Web, data: bytes) -> bytes:
    """What comes back for bytes of our own, until the gateway hangs up."""
    context = ssl.create_default_context(cafile=str(web.certificates.ca))
    with (
        socket.create_connection(("127.0.0.1", web.gateway.port), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(data)
        found = b""
        while piece := connection.recv(65536):
            found += piece
    return found


def header(seen: dict[str, Any], name: str) -> list[str]:
    return [value for one, value in seen["headers"] if one == name]


def test_curl_gets_what_the_upstream_says(web: Web) -> None:
    done = curl(web, "--include", web.url("/web/a%62c/d?q=x%20y&q=z"))
    head, _, body = done.stdout.partition("\n\n")
    assert head.startswith("HTTP/1.1 200 OK"), done.stdout + done.stderr
    seen = json.loads(body)
    assert seen["path"] == "/base/abc/d?q=x%20y&q=z"
    assert header(seen, "authorization")[0].startswith("Basic ")
    assert header(seen, "x-forwarded-for") == ["127.0.0.1"]
    assert len(header(seen, "x-request-id")) == 1


def test_requests_posts_json(web: Web) -> None:
    answer = requests.post(
        web.url("/web/things"),
        json={"name": "é\u0000"[:1], "n": 1.10},
        headers={"Authorization": f"Bearer {web.token()}"},
        verify=str(web.certificates.ca),
        timeout=60,
    )
    assert answer.status_code == 200
    seen = answer.json()
    assert json.loads(seen["body"]) == {"name": "é", "n": 1.1}
    assert "token" not in json.dumps(seen["headers"]).lower()


def test_one_connection_carries_many_requests_in_one_session(web: Web, agent: httpx.Client) -> None:
    before = len(events(web.gateway, "session.open"))
    for number in range(20):
        assert agent.get(f"/web/n/{number}").json()["path"] == f"/base/n/{number}"
    assert agent.head("/web/n").headers["content-length"] != "0"
    assert len(events(web.gateway, "session.open")) == before + 1


def test_other_resource_or_token_on_one_connection_begins_another_session(
    web: Web, agent: httpx.Client
) -> None:
    before = len(events(web.gateway, "session.open"))
    assert agent.get("/web/a").status_code == 200
    own = {"Hoopgate-Authorization": agent.headers["Authorization"], "Authorization": "Basic YTpi"}
    seen = agent.get("/own/b", headers=own).json()
    assert header(seen, "authorization") == ["Basic YTpi"]
    assert not header(seen, "hoopgate-authorization")
    refused = agent.get("/web/c", headers={"Authorization": f"Bearer {web.token('stranger')}"})
    assert refused.status_code == 403
    assert refused.json()["reason"] == "scope.missing"
    assert agent.get("/web/d").status_code == 200
    assert len(events(web.gateway, "session.open")) == before + 3


def test_a_refusal_is_an_answer(web: Web, agent: httpx.Client) -> None:
    refused = agent.get("/web/Secret/plan")  # upstreams may not care for case
    assert refused.status_code == 403
    assert refused.headers["content-type"] == "application/problem+json"
    problem = refused.json()
    assert problem["reason"] == "path.secret"
    assert problem["rule"] == "operator/no-secrets"
    assert problem["request_id"] == refused.headers["hoopgate-request"]
    assert agent.post("/web/secret", content=b"x" * 10).status_code == 403
    assert agent.get("/web/fine").status_code == 200


@pytest.mark.parametrize("given", ["", "Bearer x.y.z", "Basic YTpi", "Bearer"])
def test_without_a_good_token_the_client_learns_where_to_get_one(web: Web, given: str) -> None:
    headers = {"Authorization": given} if given else {}
    answer = requests.get(
        web.url("/web/x"), headers=headers, verify=str(web.certificates.ca), timeout=60
    )
    assert answer.status_code == 401
    challenge = answer.headers["www-authenticate"]
    address = challenge.split('resource_metadata="')[1].split('"')[0]
    metadata = requests.get(address, verify=str(web.certificates.ca), timeout=60).json()
    assert metadata["resource"] == web.url("/web")
    assert metadata["authorization_servers"] == [web.issuer.url]
    assert metadata["scopes_supported"] == ["hoopgate:web"]


def test_two_credentials_are_none(web: Web) -> None:
    done = curl(
        web,
        "--include",
        "--header",
        f"Proxy-Authorization: Bearer {web.token()}",
        web.url("/web/x"),
    )
    assert "400 Bad Request" in done.stdout
    assert "credential.ambiguous" in done.stdout


def test_large_bodies_stream_both_ways(web: Web, tmp_path: Path) -> None:
    size = 40_000_000
    answer = requests.get(
        web.url(f"/web/bytes/{size}"),
        headers={"Authorization": f"Bearer {web.token()}"},
        verify=str(web.certificates.ca),
        stream=True,
        timeout=60,
    )
    digest, count = hashlib.sha256(), 0
    for piece in answer.iter_content(65536):
        digest.update(piece)
        count += len(piece)
    assert count == size
    block = bytes(range(256)) * 256
    assert digest.hexdigest() == hashlib.sha256((block * (size // 65536 + 1))[:size]).hexdigest()
    upload = tmp_path / "upload"
    upload.write_bytes(b"u" * 5_000_000)
    for extra in ([], ["--header", "Transfer-Encoding: chunked"]):
        done = curl(web, "--upload-file", str(upload), *extra, web.url("/web/up"))
        seen = json.loads(done.stdout)
        assert (seen["method"], len(seen["body"])) == ("PUT", 5_000_000)


def test_a_client_that_reads_slowly_does_not_fill_the_gateway(web: Web) -> None:
    status = Path(f"/proc/{web.gateway.pid}/status")
    context = ssl.create_default_context(cafile=str(web.certificates.ca))
    with (
        socket.create_connection(("127.0.0.1", web.gateway.port), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        line = "GET /web/bytes/400000000 HTTP/1.1\r\nHost: x\r\n"
        connection.sendall(f"{line}Authorization: Bearer {web.token()}\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        for _ in range(50):
            connection.recv(65536)
        resident = next(one for one in status.read_text().splitlines() if "VmRSS" in one)
    assert int(resident.split()[1]) < 300_000


def test_head_and_100_continue(web: Web) -> None:
    token = web.token()
    data = raw(
        web,
        (
            f"POST /web/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            "Expect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
        ).encode(),
    )
    assert data.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert b'"body": "hi"' in data


def test_pipelined_requests_are_answered_in_order(web: Web) -> None:
    token = web.token()
    one = "GET /web/{} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n{}\r\n"
    data = raw(
        web,
        "".join(
            one.format(number, token, "Connection: close\r\n" if number == 9 else "")
            for number in range(10)
        ).encode(),
    )
    at = [data.index(f'"path": "/base/{number}"'.encode()) for number in range(10)]
    assert at == sorted(at)


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-x\r\n\r\n",
        b"",
    ],
)
def test_a_broken_upstream_is_a_502(web: Web, agent: httpx.Client, response: bytes) -> None:
    answer = agent.post("/web/raw", content=response, headers={"Content-Type": "text/x"})
    assert answer.status_code == 502
    assert answer.json()["reason"].startswith("upstream.")
    assert agent.get("/web/alive").status_code == 200


def test_what_follows_an_answer_reaches_nobody(web: Web, agent: httpx.Client) -> None:
    one = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    poison = one + one.replace(b"hi", b"no")
    first = agent.post("/web/raw", content=poison, headers={"Content-Type": "text/x"})
    assert first.text == "hi"
    for number in range(3):
        assert agent.get(f"/web/{number}").json()["path"] == f"/base/{number}"


def test_an_approval_lets_the_same_request_pass_once(web: Web, agent: httpx.Client) -> None:
    def publish(body: str = "1") -> httpx.Response:
        return agent.post("/web/publish/now", json={"page": body})

    held = publish()
    assert held.status_code == 403
    assert int(held.headers["retry-after"]) > 0
    problem = held.json()
    assert problem["reason"] == "approval.pending"
    assert publish().json()["approval"] == problem["approval"]
    done = subprocess.run(
        [
            *(HOOPGATE, "approvals", "approve", problem["approval"], "--reason", "it may"),
            *("--config", web.gateway.config),
        ],
        env={"HOOPGATE_TOKEN": web.token("rita"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert publish("2").status_code == 403
    assert publish().status_code == 200
    assert publish().status_code == 403


def test_links_of_the_upstream_become_the_clients(web: Web, agent: httpx.Client) -> None:
    answer = agent.get("/web/redirect")
    assert answer.status_code == 302
    assert answer.headers["location"] == web.url("/web/there")


def test_everything_is_recorded_and_no_credential_is(web: Web, agent: httpx.Client) -> None:
    answer = agent.post("/web/recorded?q=canary-of-a-request", json={"a": "canary-of-a-body"})
    agent.get("/web/secret/recorded")
    agent.close()
    session = events(web.gateway, "session.open")[-1]["session"]
    until(
        lambda: [one for one in events(web.gateway, "session.close") if one["session"] == session],
        "the session is over",
    )
    verified(web.gateway)
    shown = hoopgate(web.gateway, "replay", session).stdout
    assert "POST /web/recorded" in shown
    assert "canary-of-a-body" in shown
    assert "path.secret" in shown
    assert answer.headers["hoopgate-request"] in shown
    token = agent.headers["Authorization"].removeprefix("Bearer ")
    assert "[credential]" in shown
    log = web.gateway.log_text()
    # What the upstream was shown comes back in its echo, in base 64: that is its own affair.
    assert token not in shown + log
    assert UPSTREAM_PASSWORD not in shown + log
    assert "canary" not in log


def test_the_gateway_shows_the_upstream_a_token_of_its_own(web: Web, agent: httpx.Client) -> None:
    first, second = (header(agent.get("/oauth/x").json(), "authorization") for _ in range(2))
    assert first == second
    said = base64.urlsafe_b64decode(first[0].removeprefix("Bearer ")).decode()
    assert said.startswith(f"gateway:{UPSTREAM_PASSWORD} ")
    assert "scope=system" in said


def test_a_resource_may_have_a_key_and_a_host_of_its_own(web: Web, agent: httpx.Client) -> None:
    for path, more in (("/keyed/a/b", {}), ("/a/b", {"Host": "keyed.example"})):
        seen = agent.get(path, headers=more).json()
        assert seen["path"] == "/a/b"
        assert header(seen, "x-api-key") == [UPSTREAM_PASSWORD]
        assert not header(seen, "authorization")
    own = agent.get("/keyed/a", headers={"X-Api-Key": "mine"}).json()
    assert header(own, "x-api-key") == [UPSTREAM_PASSWORD]


ODD = (
    *("json", "bom", "utf-16", "utf-16-unsaid", "latin", "twice", "escaped", "deep", "number"),
    *("cut", "html-as-json", "json-as-text", "no-type", "ndjson", "events", "csv", "text", "hl7"),
    *("hl7-odd", "html", "xml", "image", "multipart", "two-codings", "wrong-coding", "bomb"),
    *("unknown-coding", "headers", "gzip", "deflate", "raw-deflate", "br", "zstd"),
)
#: Shown at all, masked.
SHOWN = {
    *("json", "bom", "twice", "escaped", "number", "json-as-text", "ndjson", "events", "csv"),
    *("text", "hl7", "hl7-odd", "deep", "headers", "gzip", "deflate", "raw-deflate", "br", "zstd"),
}


@pytest.fixture(scope="module")
def agents(web: Web) -> Iterator[dict[str, httpx.Client]]:
    """A client for each of the twins."""
    context = ssl.create_default_context(cafile=str(web.certificates.ca))
    headers = {"Authorization": f"Bearer {web.token()}"}
    made = {
        name: httpx.Client(verify=context, base_url=web.url("/"), headers=headers, timeout=60)
        for name in ("odda", "oddb")
    }
    yield made
    for client in made.values():
        client.close()


@pytest.mark.parametrize("form", ODD)
def test_twins_look_the_same_in_every_form(agents: dict[str, httpx.Client], form: str) -> None:
    seen = []
    for resource, agent in agents.items():
        parts = []
        for method, more in (("GET", ""), ("HEAD", ""), ("GET", "/404"), ("GET", "/500")):
            answer = agent.request(
                method, f"/{resource}/odd/{form}{more}", headers={"Range": "bytes=0-9"}
            )
            parts.append(_seen(answer))
            if (method, more) == ("GET", ""):
                assert (answer.status_code == 200) == (form in SHOWN), answer.text
            elif more:
                assert answer.status_code in (int(more[1:]), 502)
        seen.append(parts)
    assert seen[0] == seen[1]
    assert "Canary" not in str(seen)
    assert "111-11" not in str(seen)


def _seen(answer: httpx.Response) -> tuple[int, str, list[tuple[str, str]], str]:
    request = answer.headers.get("hoopgate-request", "-")
    headers = [pair for pair in answer.headers.items() if pair[0] != "hoopgate-request"]
    return answer.status_code, answer.reason_phrase, headers, answer.text.replace(request, "req")
