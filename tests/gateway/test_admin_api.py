"""The reviewers' API over a real unix socket: who may see and do what, and bad requests."""

from __future__ import annotations

import io
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from testbed.admin import AdminNode, admin_node
from testbed.approvals import CANARY, session
from testbed.reactor import on_reactor
from twisted.logger import globalLogPublisher

from hoopgate.gateway.logging import JSONObserver

LIST = "/v1/approvals"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[AdminNode]:
    with admin_node(tmp_path / "node") as node:
        yield node


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything logged meanwhile, as the node writes it."""
    file = io.StringIO()
    write = JSONObserver(file)
    globalLogPublisher.addObserver(write)
    yield file
    globalLogPublisher.removeObserver(write)


def test_the_socket_is_the_owners(node: AdminNode) -> None:
    assert node.path.stat().st_mode & 0o777 == 0o600


def test_from_request_to_use(node: AdminNode) -> None:
    request_id = node.file()
    waiting = on_reactor(lambda: [node.approvals.wait(request_id)])[0]
    status, headers, page = node.ask("GET", LIST)
    assert status == 200
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Request-Id"].startswith("adm-")
    assert "Server" not in headers
    (listed,) = page["approvals"]
    assert listed["id"] == request_id
    assert listed["requester"] == {
        "issuer": "https://idp.example",
        "subject": "agent-7",
        "owner": "alice",
        "actors": [],
    }
    assert 890 < listed["seconds_left"] <= 900
    assert not page["truncated"]
    assert "statement" not in listed
    status, _, page = node.ask("POST", f"{LIST}/{request_id}/approve", body={"reason": "audit 7"})
    assert status == 200
    assert page["state"] == "approved"
    assert page["decided_by"] == {"issuer": "https://idp.example", "subject": "bob"}
    assert on_reactor(lambda: waiting) is True
    assert node.ask("GET", LIST)[2]["approvals"] == []
    _, _, page = node.ask("GET", f"{LIST}?state=used")
    assert [one["id"] for one in page["approvals"]] == [request_id]
    assert node.log.steps(request_id) == ["request", "approve", "use"]


def test_the_statement_is_for_its_reviewers(node: AdminNode) -> None:
    request_id = node.file(f"SELECT '{CANARY}'")
    for token in ("bob", "dora", "alice", "self"):
        _, _, page = node.ask("GET", f"{LIST}/{request_id}", token)
        assert page["statement"]["text"] == f"SELECT '{CANARY}'"
        assert page["statement"]["parameters"] == [
            {"type": 25, "text": CANARY},
            {"type": 17, "null": True},
        ]
        assert page["reviewer"] is True
    for token in ("carol", "agent"):
        for path in (LIST, f"{LIST}/{request_id}"):
            status, _, page = node.ask("GET", path, token)
            assert status == 200
            assert CANARY not in json.dumps(page)
        assert "statement" not in page
        assert page["reviewer"] is False


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("alice", "approval.self"),
        ("self", "approval.self"),
        ("agent", "approval.self"),
        ("carol", "approval.group"),
    ],
)
@pytest.mark.parametrize("step", ["approve", "deny"])
def test_who_may_not_decide(node: AdminNode, token: str, code: str, step: str) -> None:
    request_id = node.file()
    status, headers, page = node.ask(
        "POST", f"{LIST}/{request_id}/{step}", token, {"reason": "because"}
    )
    assert status == 403
    assert page["code"] == code
    assert headers["Content-Type"] == "application/problem+json"
    assert page["status"] == 403
    assert page["request_id"] == headers["X-Request-Id"]
    assert node.ask("GET", f"{LIST}/{request_id}")[2]["state"] == "pending"


def test_what_is_decided_stays(node: AdminNode) -> None:
    request_id = node.file()
    path = f"{LIST}/{request_id}"
    assert node.ask("POST", f"{path}/deny", body={"reason": "too much"})[2]["state"] == "denied"
    for step, code in (
        ("approve", "approval.not_pending"),
        ("deny", "approval.not_pending"),
        ("revoke", "approval.not_approved"),
    ):
        status, _, page = node.ask("POST", f"{path}/{step}", "dora", {"reason": "because"})
        assert (status, page["code"]) == (409, code)
    assert node.ask("GET", path)[2]["decision_reason"] == "too much"
    assert "decision_reason" not in node.ask("GET", path, "carol")[2]


def test_an_unused_approval_is_revoked(node: AdminNode) -> None:
    request_id = node.file()
    for step, state in (("approve", "approved"), ("revoke", "revoked")):
        page = node.ask("POST", f"{LIST}/{request_id}/{step}", body={"reason": "because"})[2]
        assert page["state"] == state
    assert on_reactor(node.approvals.passes, "d1", session()) is None


def test_expired(node: AdminNode) -> None:
    request_id = node.file(expires=0.05)
    waiting = on_reactor(lambda: [node.approvals.wait(request_id)])[0]
    assert on_reactor(lambda: waiting) is False
    status, _, page = node.ask("POST", f"{LIST}/{request_id}/approve", body={"reason": "late"})
    assert (status, page["code"]) == (409, "approval.expired")


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        (None, 401, "identity.missing"),
        ("nobody", 401, "identity.malformed"),
        ("two words", 401, "identity.missing"),
        ("unscoped", 403, "scope.missing"),
        ("outage", 503, "directory.timeout"),
        ("bug", 500, "internal"),
    ],
)
def test_without_a_usable_token(
    node: AdminNode, lines: io.StringIO, token: str | None, status: int, code: str
) -> None:
    request_id = node.file(f"SELECT '{CANARY}'")
    for method, path, body in (
        ("GET", LIST, None),
        ("GET", f"{LIST}/{request_id}", None),
        ("POST", f"{LIST}/{request_id}/approve", {"reason": "because"}),
    ):
        got, headers, page = node.ask(method, path, token, body)
        assert (got, page["code"]) == (status, code)
        assert (headers["WWW-Authenticate"] == "Bearer") == (status == 401)
        assert "secret words" not in json.dumps(page)
        assert "219-09" not in json.dumps(page)
    assert "219-09" not in lines.getvalue()
    assert node.log.steps(request_id) == ["request"]


def test_a_token_of_sixty_thousand_characters(node: AdminNode) -> None:
    assert node.ask("GET", LIST, "x" * 60_000)[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "request.path"),
        ("GET", "/v1", 404, "request.path"),
        ("GET", "/v1/approvals/", 404, "request.path"),
        ("GET", "/v1/approvals/apr-00000000/", 404, "request.path"),
        ("GET", "/v1/approvals/../approvals", 404, "request.path"),
        ("GET", "/v1/approvals/APR-00000000", 404, "request.path"),
        ("GET", "/v1/approvals/%61pr-00000000", 404, "request.path"),
        ("GET", "/v1/approvals/apr-00000000", 404, "approval.unknown"),
        ("GET", "/v1/approvals/' OR 1=1", 400, None),
        ("POST", "/v1/approvals/apr-00000000/approve", 404, "approval.unknown"),
        ("POST", "/v1/approvals/apr-00000000/use", 404, "request.path"),
        ("POST", "/v1/approvals", 405, "request.method"),
        ("PUT", "/v1/approvals/apr-00000000", 405, "request.method"),
        ("DELETE", "/v1/approvals/apr-00000000", 405, "request.method"),
        ("GET", "/v1/approvals/apr-00000000/approve", 405, "request.method"),
        ("GET", "/v1/approvals?state=pending&state=nothing", 400, "request.query"),
        ("GET", "/v1/approvals?limit=1", 400, "request.query"),
        ("GET", "/v1/approvals/apr-00000000?x=1", 400, "request.query"),
        ("GET", "/v1/approvals?" + "&".join(["state=all"] * 20), 400, "request.query"),
    ],
)
def test_paths_methods_and_queries(
    node: AdminNode, method: str, path: str, status: int, code: str | None
) -> None:
    node.file()
    if code is None:
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(60)
            raw.connect(str(node.path))
            raw.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert raw.recv(100).startswith(f"HTTP/1.1 {status} ".encode())
        return
    body = {"reason": "because"} if method != "GET" else None
    got, headers, page = node.ask(method, path, body=body)
    assert (got, page["code"]) == (status, code)
    if status == 405:
        assert headers["Allow"] == ("POST" if path.endswith("/approve") else "GET")


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"", "application/json", 400, "request.body"),
        (b"{", "application/json", 400, "request.body"),
        (b"[]", "application/json", 400, "request.body"),
        (b"{}", "application/json", 400, "request.body"),
        (b'{"reason": 1}', "application/json", 400, "request.body"),
        (b'{"reason": null}', "application/json", 400, "request.body"),
        (b'{"reason": "good", "reason": "bad"}', "application/json", 400, "request.body"),
        (b'{"reason": "good", "approve": true}', "application/json", 400, "request.body"),
        (b'{"reason": "\xff\xfe"}', "application/json", 400, "request.body"),
        (b"[" * 15_000, "application/json", 400, "request.body"),
        (b'{"reason": "\\ud800abc"}', "application/json", 422, "approval.reason"),
        (b'{"reason": " a "}', "application/json", 422, "approval.reason"),
        (b'{"reason": "' + b"x" * 501 + b'"}', "application/json", 422, "approval.reason"),
        (b'{"reason": "abc\\u001b[2J"}', "application/json", 422, "approval.reason"),
        (b'{"reason": "because"}', "text/plain", 415, "request.type"),
        (b'{"reason": "because"}', "", 415, "request.type"),
        (b"reason=because", "application/x-www-form-urlencoded", 415, "request.type"),
        (b" " * 16_500, "application/json", 413, "request.size"),
        (b" " * 200_000, "application/json", 413, "request.size"),
    ],
)
def test_bodies(node: AdminNode, body: bytes, content_type: str, status: int, code: str) -> None:
    request_id = node.file()
    path = f"{LIST}/{request_id}/approve"
    got, _, page = node.ask("POST", path, body=body, Content_Type=content_type)
    assert (got, page["code"]) == (status, code)
    assert node.log.steps(request_id) == ["request"]


def test_an_endless_body_is_cut_off(node: AdminNode) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(60)
        raw.connect(str(node.path))
        raw.sendall(
            b"POST /v1/approvals/apr-00000000/approve HTTP/1.1\r\nHost: x\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        with pytest.raises(OSError):  # noqa: PT011  (reset or broken pipe)
            for _ in range(10_000):
                raw.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")


def test_one_connection_many_requests(node: AdminNode) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(60)
        raw.connect(str(node.path))
        request = b"GET /v1/approvals HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer bob\r\n\r\n"
        raw.sendall(request * 20)
        received = b""
        while received.count(b"HTTP/1.1 200 OK") < 20 or not received.endswith(b"}\n"):
            data = raw.recv(65536)
            assert data
            received += data


def test_when_the_log_fails_nothing_is_decided(node: AdminNode) -> None:
    request_id = node.file()
    node.log.broken = True
    status, _, page = node.ask("POST", f"{LIST}/{request_id}/approve", body={"reason": "because"})
    assert (status, page["code"]) == (503, "recorder.failed")
    assert node.ask("GET", f"{LIST}/{request_id}")[2]["state"] == "pending"


def test_two_reviewers_at_once(node: AdminNode) -> None:

    request_id = node.file()
    answers: list[tuple[int, Any]] = []

    def decide(token: str, step: str) -> None:
        status, _, page = node.ask(
            "POST", f"{LIST}/{request_id}/{step}", token, {"reason": "because"}
        )
        answers.append((status, page))

    threads = [
        threading.Thread(target=decide, args=(token, step))
        for token in ("bob", "dora")
        for step in ("approve", "deny") * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(status for status, _ in answers) == [200] + [409] * 15
    steps = node.log.steps(request_id)
    assert len([step for step in steps if step in ("approve", "deny")]) == 1


def test_nothing_of_a_request_is_logged(node: AdminNode, lines: io.StringIO) -> None:
    request_id = node.file(f"SELECT '{CANARY}'")
    node.ask("GET", f"{LIST}/{request_id}?x={CANARY}")
    node.ask("GET", f"/{CANARY}", CANARY, Referer=CANARY, User_Agent=CANARY)
    node.ask("POST", f"{LIST}/{request_id}/deny", body={"reason": f"because {CANARY}"})
    text = lines.getvalue()
    assert CANARY not in text
    decided = [json.loads(line) for line in text.splitlines() if "approval.decided" in line]
    assert [(one["approval"], one["step"], one["subject"]) for one in decided] == [
        (request_id, "deny", "bob")
    ]


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    method=st.sampled_from(["GET", "POST", "PUT"]),
    path=st.text("/v1approvls%.?=&;-d", max_size=30),
    body=st.none() | st.binary(max_size=100),
    token=st.sampled_from(["bob", "nobody", None]),
)
def test_any_request_gets_a_problem_or_an_answer(
    node: AdminNode, method: str, path: str, body: bytes | None, token: str | None
) -> None:
    status, headers, page = node.ask(method, f"/{path}", token, body)
    assert status in {200, 400, 401, 404, 405, 415}
    if status != 200:
        assert headers["Content-Type"] == "application/problem+json"
        assert page["code"]
