"""WebSockets of real clients to a real server: opened, judged message by message, masked, ended."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from testbed.certificates import Certificates
from testbed.node import events, hoopgate, until, verified
from testbed.parts import NODE_MODULES, node
from testbed.wsclinic import LIMIT, ORIGIN, SUBPROTOCOL, Sockets, running_sockets
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection

CLIENT = Path(__file__).with_name("ws_client.cjs")


@pytest.fixture(scope="module")
def sockets(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Sockets]:
    with running_sockets(tmp_path_factory.mktemp("sockets"), certificates) as running:
        yield running


def heard(connection: ClientConnection) -> Any:
    return json.loads(connection.recv(timeout=60))


def closed(connection: ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosedError) as info:
        for _ in range(100):
            connection.recv(timeout=60)
    assert info.value.rcvd is not None
    return info.value.rcvd.code, info.value.rcvd.reason


def refused(sockets: Sockets, path: str, **options: Any) -> dict[str, Any]:
    with pytest.raises(InvalidStatus) as info:
        sockets.connect(path, **options)
    found: dict[str, Any] = json.loads(info.value.response.body or b"{}")
    assert found["status"] == info.value.response.status_code
    return found


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, LIMIT])
def test_messages_come_back(sockets: Sockets, size: int) -> None:
    with sockets.connect("/ws/echo") as connection:
        for message in ("x" * size, b"\xff" * size):
            connection.send(message)
            assert connection.recv(timeout=60) == message
        assert connection.ping().wait(60)


def test_many_messages_keep_their_order(sockets: Sockets) -> None:
    with sockets.connect("/ws/echo") as connection:
        sender = threading.Thread(
            target=lambda: [connection.send([f'{{"n": {n}', "}"]) for n in range(500)]
        )
        sender.start()
        assert [heard(connection)["n"] for _ in range(500)] == list(range(500))
        sender.join()
    with sockets.connect("/ws/push/200") as connection:
        assert [json.loads(message)["id"] for message in connection] == list(range(200))


def test_what_the_upstream_is_asked(sockets: Sockets) -> None:
    with sockets.connect("/ws/head", origin=ORIGIN, subprotocols=["no.v1", SUBPROTOCOL]) as one:
        assert one.subprotocol == SUBPROTOCOL
        assert one.protocol.extensions == []  # the client offers permessage-deflate
        seen = heard(one)
        assert one.request is not None
        own = one.request.headers["Sec-WebSocket-Key"]
    assert "sec-websocket-extensions" not in seen
    assert seen["sec-websocket-protocol"] == SUBPROTOCOL
    assert seen["sec-websocket-key"] != own
    assert "authorization" not in seen
    assert seen["x-request-id"].startswith("req-")


@pytest.mark.parametrize(
    ("path", "options", "reason"),
    [
        ("/none/echo", {}, "http.upgrade"),
        ("/ws/echo", {"origin": "https://evil.example"}, "http.origin"),
        ("/ws/echo", {"subprotocols": ["secret.v1"]}, "http.subprotocol"),
        ("/ws/forbidden", {}, "path.forbidden"),
        ("/wsa/echo", {"origin": ORIGIN}, "http.origin"),
    ],
)
def test_what_is_not_opened(
    sockets: Sockets, path: str, options: dict[str, Any], reason: str
) -> None:
    assert refused(sockets, path, **options)["reason"] == reason


def test_a_refused_message_ends_it(sockets: Sockets) -> None:
    with sockets.connect("/ws/echo") as connection:
        connection.send('{"action": "list"}')
        assert heard(connection) == {"action": "list"}
        connection.send('{"action": "drop"}')
        code, reason = closed(connection)
    assert code == 1008
    assert reason.startswith("message.drop req-")
    with sockets.connect("/ws/echo") as connection:
        connection.send('{"alarm": true}')  # the server echoes it
        code, reason = closed(connection)
    assert (code, reason.split()[0]) == (1008, "message.alarm")


def test_a_refused_message_is_told_of(sockets: Sockets) -> None:
    with sockets.connect("/wsm/echo") as connection:
        connection.send('{"action": "drop"}')
        problem = heard(connection)["hoopgate/problem"]
        assert problem["reason"] == "message.drop"
        assert problem["rule"] == "operator/no-drops"
        assert problem["direction"] == "client"
        connection.send('{"alarm": true}')
        problem = heard(connection)["hoopgate/problem"]
        assert (problem["reason"], problem["direction"]) == ("message.alarm", "server")
        for odd in ('{"action": "list", "action": "drop"}', '{"action": "drop"', '["\\ud800"]'):
            connection.send(odd)
            assert heard(connection)["hoopgate/problem"]["reason"] == "http.json"
        connection.send("plain words")
        assert connection.recv(timeout=60) == "plain words"


def test_a_held_message_passes_once_after_approval(sockets: Sockets) -> None:
    with sockets.connect("/wsm/echo") as connection:
        connection.send('{"action": "publish", "what": 7}')
        problem = heard(connection)["hoopgate/problem"]
        assert problem["reason"] == "approval.pending"
        approve = ("approvals", "approve", problem["approval"], "--reason", "fine")
        done = hoopgate(
            sockets.gateway, *approve, environment={"HOOPGATE_TOKEN": sockets.token("rita")}
        )
        assert done.returncode == 0, done.stderr
        connection.send('{"action": "publish", "what": 7}')
        assert heard(connection) == {"action": "publish", "what": 7}
        connection.send('{"action": "publish", "what": 7}')
        assert heard(connection)["hoopgate/problem"]["reason"] == "approval.pending"


def test_a_message_that_is_too_long_ends_it(sockets: Sockets) -> None:
    for message in ("x" * (LIMIT + 1), ["x" * 60_000] * 5):
        with sockets.connect("/ws/echo") as connection:
            with suppress(ConnectionClosedError):  # it may be told while it is still sending
                connection.send(message)
            assert closed(connection)[0] == 1009


def test_a_close_goes_both_ways(sockets: Sockets) -> None:
    with sockets.connect("/ws/close") as connection:
        assert closed(connection) == (4321, "for Nobody")
    with sockets.connect("/wsa/close") as connection:
        assert closed(connection) == (4321, "")  # its words are nobody's
    with sockets.connect("/ws/echo") as connection:
        connection.close(4000, "enough")
        assert connection.close_code == 4000


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("json", {"id": "1", "name": "[NAME]", "ssn": "[SSN]"}),
        ("pieces", {"id": "2", "name": "[NAME]"}),
        ("text", "[UNLABELLED]"),
        ("binary", "http.binary"),
        ("cut", "http.json"),
        ("twice", "http.json"),
        ("array", [{}]),
        ("control", {"name": "[NAME]"}),
        ("surrogate", {"name": "[NAME]"}),
        ("number", {"ssn": None}),
    ],
)
def test_twins_say_the_same(sockets: Sockets, form: str, shown: Any) -> None:
    seen = []
    for twin in ("wsa", "wsb"):
        with sockets.connect(f"/{twin}/odd/{form}") as connection:
            messages = [connection.recv(timeout=60) for _ in range(2)]
            assert not any("Canary" in str(one) for one in messages)
            if form != "text":
                first = json.loads(messages[0])
                if isinstance(first, dict) and "hoopgate/problem" in first:
                    messages[0] = first["hoopgate/problem"]["reason"]
            seen.append(messages)
    assert seen[0] == seen[1]
    first = seen[0][0]
    assert (json.loads(first) if isinstance(shown, dict | list) else first) == shown
    assert seen[0][1] == '{"id":"last"}'


def test_pings_say_nothing_of_the_server(sockets: Sockets) -> None:
    with sockets.connect("/wsa/echo") as connection:
        connection.send("ping me")
        assert connection.recv(timeout=60)  # the server had its pong, of the gateway
        connection.send(b"binary")
        assert heard(connection)["hoopgate/problem"]["reason"] == "http.binary"


def test_node_speaks_through_it(sockets: Sockets) -> None:
    done = subprocess.run(
        [node(), CLIENT, sockets.url("/ws/echo"), sockets.token()],
        capture_output=True,
        text=True,
        timeout=60,
        env={
            "NODE_PATH": str(NODE_MODULES),
            "NODE_EXTRA_CA_CERTS": str(sockets.certificates.ca),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
        },
    )
    assert done.stdout.splitlines() == ["héllo", "text 65536", "binary 70000", "close 1008"], (
        done.stdout + done.stderr
    )


def test_all_of_it_is_in_the_log(sockets: Sockets) -> None:
    with sockets.connect("/wsm/echo") as connection:
        for message in ('{"recorded": "canary-7"}', '{"action": "drop", "canary": 8}'):
            connection.send(message)
            connection.recv(timeout=60)
    session = events(sockets.gateway, "session.open")[-1]["session"]
    until(
        lambda: session in [one["session"] for one in events(sockets.gateway, "session.close")],
        "the session is over",
    )
    verified(sockets.gateway)
    shown = hoopgate(sockets.gateway, "replay", session).stdout
    assert shown.count("canary-7") == 2  # sent and echoed
    assert "message.drop" in shown
    assert "canary" not in sockets.gateway.log_text()
