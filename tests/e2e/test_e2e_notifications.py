"""People are told that something waits: by a signed webhook and by mail, and nothing is in it."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import ssl
import threading
import time
from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from testbed.certificates import Certificates, write_private
from testbed.clinic import Clinic, running_clinic
from testbed.holding import held
from testbed.node import until
from testbed.ports import free_port
from testbed.postgres import Postgres

KEY = "key-of-the-webhook"
CANARY = "CANARYNAME"
STATEMENT = (
    f"COPY (SELECT id AS {CANARY}1, name FROM patients WHERE sex = 'F' /* {CANARY}2 */"
    " ORDER BY id LIMIT 20) TO STDOUT"
)


class Hook:
    """An HTTPS server that takes webhooks, and may refuse them for a while."""

    def __init__(self, certificates: Certificates, port: int) -> None:
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.refused = 0
        self.refuses = False
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.refuses:
                    outer.refused += 1
                    self.send_response(503)
                else:
                    outer.taken.append((dict(self.headers), body))
                    self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.server.certificate, certificates.server.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(60)

    def payloads(self, step: str) -> list[dict[str, Any]]:
        found = [json.loads(body) for _, body in self.taken]
        return [one for one in found if one["metadata"]["event_payload"]["step"] == step]


class Mails:
    """aiosmtpd's handler: what was sent, and how."""

    def __init__(self) -> None:
        self.taken: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.taken.append((session.ssl is not None, session.authenticated, envelope))
        return "250 taken"


def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    fine = (data.login, data.password) == (b"gateway", b"mail-password")
    return AuthResult(success=fine)


@pytest.fixture(scope="module")
def mails(certificates: Certificates) -> Iterator[tuple[Mails, int]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server.certificate, certificates.server.key)
    handler = Mails()
    controller = Controller(
        handler, hostname="127.0.0.1", port=free_port(), tls_context=context,
        require_starttls=True, authenticator=authenticate, auth_required=True,
    )  # fmt: skip
    controller.start()
    yield handler, controller.port
    controller.stop()


@pytest.fixture(scope="module")
def hook(certificates: Certificates) -> Iterator[Hook]:
    hook = Hook(certificates, free_port())
    yield hook
    hook.stop()


@pytest.fixture(scope="module")
def clinic(
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
    postgres18: Postgres,
    hook: Hook,
    mails: tuple[Mails, int],
) -> Iterator[Clinic]:
    directory = tmp_path_factory.mktemp("notified")
    write_private(directory / "hook.key", KEY.encode())
    write_private(directory / "mail.password", b"mail-password")

    def adjust(settings: dict[str, Any]) -> None:
        ca = str(certificates.ca)
        settings["notifications"] = [
            {
                "name": "chat",
                "kind": "webhook",
                "url": f"https://localhost:{hook.server.server_address[1]}/services/T0/B0",
                "secret": {"file": str(directory / "hook.key")},
                "ca_file": ca,
                "steps": ["request", "approve", "deny"],
            },
            {
                "name": "office",
                "kind": "smtp",
                "host": "localhost",
                "port": mails[1],
                "sender": "gateway@clinic.example",
                "recipients": ["rita@clinic.example", "office@clinic.example"],
                "user": "gateway",
                "password": {"file": str(directory / "mail.password")},
                "ca_file": ca,
                "reviewers": ["privacy-office"],
            },
            {
                "name": "others",
                "kind": "webhook",
                "url": f"https://localhost:{hook.server.server_address[1]}/others",
                "secret": {"file": str(directory / "hook.key")},
                "ca_file": ca,
                "reviewers": ["another-group"],
            },
        ]

    with running_clinic(
        directory, certificates, postgres18, database="notified", adjust=adjust
    ) as running:
        yield running


def test_a_webhook_is_signed_and_a_mail_is_sent(
    clinic: Clinic, hook: Hook, mails: tuple[Mails, int]
) -> None:
    with held(clinic.dsn(), STATEMENT) as held_one:
        until(lambda: hook.payloads("request"), "the webhook came", 60)
        until(lambda: mails[0].taken, "the mail came", 60)
    (headers, body) = hook.taken[0]
    signed = f"{headers['Hoopgate-Timestamp']}.".encode() + body
    expected = hmac.new(KEY.encode(), signed, hashlib.sha256).hexdigest()
    assert headers["Hoopgate-Signature"] == f"v1={expected}"
    assert abs(int(headers["Hoopgate-Timestamp"]) - time.time()) < 300
    payload = json.loads(body)
    assert set(payload) == {"text", "blocks", "metadata"}
    said = payload["metadata"]["event_payload"]
    assert (said["request"], said["agent"], said["resource"]) == (
        held_one.request,
        "executor",
        "clinic",
    )
    assert said["relations"] == ["public.patients"]
    assert "copy.to" in said["classes"]
    assert len(said["digest"]) == 64
    tls, authenticated, envelope = mails[0].taken[0]
    assert tls
    assert authenticated
    assert envelope.rcpt_tos == ["rita@clinic.example", "office@clinic.example"]
    message = message_from_bytes(envelope.content, policy=policy.default)
    assert message["Subject"] == (
        f"[hoopgate] executor → clinic: {held_one.request} waits for approval"
    )
    text = message.get_content()
    assert held_one.request in text
    for told in (body.decode(), envelope.content.decode(), text):
        assert CANARY not in told
        assert "SELECT" not in told


def test_only_those_whose_reviewers_it_is_for(clinic: Clinic, hook: Hook) -> None:
    assert all("another" not in json.dumps(one) for one in hook.payloads("request"))


def test_what_was_not_taken_comes_after_a_restart(clinic: Clinic, hook: Hook) -> None:
    """Refused at first, then the gateway is killed: the next process delivers it."""
    hook.taken.clear()
    hook.refuses = True
    refused = hook.refused
    with held(clinic.dsn(), STATEMENT) as held_one:
        until(lambda: hook.refused > refused, "it was refused", 60)
        request = held_one.request
    clinic.gateway.kill()
    assert not hook.taken
    hook.refuses = False
    clinic.gateway.start()
    until(lambda: hook.payloads("request"), "it came", 60)
    assert [one["metadata"]["event_payload"]["request"] for one in hook.payloads("request")] == [
        request
    ]


def test_nothing_of_it_is_in_the_gateways_log(clinic: Clinic) -> None:
    text = clinic.gateway.log_text()
    assert "notification.sent" in text
    assert KEY not in text
    assert "services/T0" not in text
    assert CANARY not in text
