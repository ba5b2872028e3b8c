"""A log of many sessions that nobody ran: the recorder itself makes it before a node starts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from hoopgate.actions import Decision
from hoopgate.events import Principal, SessionFacts
from hoopgate.recorder.log import open_log_blocking
from hoopgate.settings.model import Recording
from hoopgate.verdicts import Allow, Block
from testbed.loop import Loop

#: What the first session alone has asked, and its request's id.
RARE, RARE_REQUEST = "SELECT an_unmistakable_column FROM patients", "req-5ca1ab1e0ff5"
_AT_ONCE = 50


class _Reactor(Loop):
    def callLater(self, delay: float, call: Any, *arguments: object) -> None:
        """Nothing here waits."""


def query(text: str) -> bytes:
    """A Query of PostgreSQL's protocol."""
    body = text.encode() + b"\0"
    return b"Q" + (len(body) + 4).to_bytes(4, "big") + body


def fill(state_dir: Path, node: str, sessions: int) -> None:
    """Record so many sessions; the first is agent-0's, and the only one with RARE."""
    state_dir.mkdir(mode=0o700, parents=True)
    reactor = _Reactor()
    recording = Recording(state_dir / "log", f"{node}/hoopgate", reserve_bytes=0, window_ms=2)
    log = open_log_blocking(recording, state_dir, reactor)
    for first in range(0, sessions, _AT_ONCE):
        numbers = range(first, min(sessions, first + _AT_ONCE))
        opening = [log.open_session(_facts(number)) for number in numbers]
        running = [reactor.wait(one) for one in opening]
        for turn in range(2):
            asked = []
            for number, session in zip(numbers, running, strict=True):
                rare = number == turn == 0
                text = RARE if rare else f"SELECT id FROM patients WHERE id = {number}"
                request = RARE_REQUEST if rare else f"req-{number:010x}{turn:02x}"
                blocked = number % 7 == 0 and turn == 1
                verdict = Block("phi", "phi.predicate", "No.") if blocked else Allow("analysts")
                asked.append(session.request(query(text), None, (Decision(request, verdict),)))
                session.response(b"C\0\0\0\x0dSELECT 1\0")
            for one in asked:
                reactor.wait(one)
        for one in [session.close("client.terminate") for session in running]:
            reactor.wait(one)
    reactor.wait(log.stop())


def _facts(number: int) -> SessionFacts:
    principal = Principal(
        "https://issuer.example",
        f"agent-{number % 40}",
        frozenset({"hoopgate:clinic"}),
        time.time() + 3600,
        frozenset({"analysts"}),
    )
    return SessionFacts(
        f"old-{number:06}",
        principal,
        resource=("clinic", "warehouse", "laboratory")[number % 3],
        protocol="postgres",
        database="clinic",
        peer=f"10.0.{number % 200}.7:50000",
        listener="agents",
        tls={"version": "TLSv1.3"},
        rules_digest="ab" * 32,
    )
