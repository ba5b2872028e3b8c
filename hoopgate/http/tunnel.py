"""An open WebSocket, sans-I/O: every message is whole, judged, recorded, and only then sent on.

1. One message is judged at a time, so messages keep their order.
2. Pings are answered here, by whom they were sent to; nothing of them goes on. A close goes on, as
   a code: what its reason says nobody has judged.
3. A refused message goes nowhere. The client is told by a close with code 1008, or, where the
   settings say so, by a message, and the WebSocket stays open.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Final

from hoopgate.actions import Action, Ask, Close, Decision, Forward, Pause, Reply
from hoopgate.events import Side
from hoopgate.http import frames
from hoopgate.http.bodies import BodyRefused
from hoopgate.http.frames import BadFrame, Closing, Control, FrameReader, Message
from hoopgate.http.problems import Problem, refusal
from hoopgate.http.websockets import Handshake
from hoopgate.http.wire import Malformed
from hoopgate.plans import BodyPlan
from hoopgate.verdicts import Block, Hold, Mask

#: Rewrites a server's text by a plan; raises BodyRefused.
MaskText = Callable[[BodyPlan, bytes], bytes]

_OTHER: Final = {Side.CLIENT: Side.BACKEND, Side.BACKEND: Side.CLIENT}


class Tunnel:
    """One WebSocket.

    :param phi: the resource holds PHI: what is not masked is not shown.
    :param ticket: the last one that the session has used.
    :param mint: makes request ids.
    """

    def __init__(
        self,
        handshake: Handshake,
        *,
        phi: bool,
        mask: MaskText,
        ticket: int,
        mint: Callable[[], str],
    ) -> None:
        limit = handshake.settings.message_bytes
        self._handshake = handshake
        self._phi = phi
        self._mask = mask
        self._ticket = ticket
        self._mint = mint
        self._readers = {
            side: FrameReader(masked=side is Side.CLIENT, limit=limit) for side in Side
        }
        self._limit = limit
        self._actions: list[Action] = []
        self._judged: tuple[Side, Message] | None = None
        self._turn = Side.CLIENT
        self._told: set[Side] = set()  # of the close
        self._paused = False
        self.closed = False

    @property
    def buffered(self) -> int:
        """Bytes held, both directions."""
        judged = len(self._judged[1].data) if self._judged is not None else 0
        return judged + sum(reader.buffered for reader in self._readers.values())

    @property
    def read_ahead(self) -> int:
        """Bytes of the client's that wait for a verdict."""
        return self._readers[Side.CLIENT].buffered if self._judged is not None else 0

    def idle(self) -> bool:
        """True when nothing is being judged."""
        return self._judged is None

    def received(self, side: Side, data: bytes) -> list[Action]:
        """Bytes arrived from ``side``."""
        reader = self._readers[side]
        reader.feed(data)
        self._read()
        if side is Side.BACKEND and self._judged is not None and reader.buffered > self._limit:
            self._paused = True
            self._actions.append(Pause(on=True))
        return self._take()

    def decided(self, ticket: int, decision: Decision) -> list[Action]:
        """The verdict on the message that was asked about."""
        if self.closed or self._judged is None or ticket != self._ticket:
            return []
        (side, message), self._judged = self._judged, None
        if self._paused:
            self._paused = False
            self._actions.append(Pause(on=False))
        if isinstance(decision.verdict, Block | Hold):
            self._refuse(side, message, decision)
        elif side is Side.CLIENT:
            self._to_server(message, decision)
        else:
            self._to_client(message, decision)
        self._read()
        return self._take()

    def lost(self, side: Side) -> list[Action]:
        """``side`` hung up, with or without a close."""
        code = frames.GOING_AWAY if side is Side.CLIENT else frames.INTERNAL
        self._tell(_OTHER[side], code, "" if side is Side.CLIENT else "upstream.gone")
        self._end(f"{side.value}.gone")
        return self._take()

    def expire(self, reason: str) -> list[Action]:
        """The session is ended, for ``reason``."""
        code = frames.POLICY if reason.startswith("identity.") else frames.GOING_AWAY
        self._tell(Side.BACKEND, frames.GOING_AWAY)
        self._tell(Side.CLIENT, code, reason)
        self._end(reason)
        return self._take()

    # --- messages ---------------------------------------------------------------------------------

    def _take(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions

    def _end(self, reason: str) -> None:
        if not self.closed:
            self.closed = True
            self._actions.append(Close(reason))

    def _read(self) -> None:
        """Read on, side by side, until a message has to be judged or more bytes are needed."""
        pings: dict[Side, bytes] = {}
        quiet = 0
        while not self.closed and self._judged is None and quiet < 2:
            side = self._turn
            self._turn = _OTHER[side]
            try:
                event = self._readers[side].next_event()
            except BadFrame as error:
                self._broken(side, error)
                return
            quiet = quiet + 1 if event is None else 0
            if isinstance(event, Message):
                self._ask(side, event)
            elif isinstance(event, Control) and event.opcode == frames.PING:
                pings[side] = event.data  # of several the last is enough (RFC 6455 5.5.3)
            elif isinstance(event, Closing):
                self._closing(side, event)
        for side, data in pings.items():
            if side not in self._told:
                self._send(side, frames.PONG, data)

    def _ask(self, side: Side, message: Message) -> None:
        self._judged = side, message
        self._ticket += 1
        try:
            if self._phi and not message.text:
                raise Malformed(415, "binary", "binary messages are not passed on where PHI is")
            event = self._handshake.message(side, message, phi=self._phi)
        except Malformed as error:
            self._judged = None
            block = Block("http", error.code, str(error), "Send it in another form.")
            self._refuse(side, message, Decision(self._mint(), block))
            return
        self._actions.append(Ask(self._ticket, event))

    def _to_server(self, message: Message, decision: Decision) -> None:
        opcode = frames.TEXT if message.text else frames.BINARY
        plain = frames.frame(opcode, message.data)
        sent = frames.frame(opcode, message.data, secrets.token_bytes(4))
        # How it is masked says nothing: the log holds it plain.
        self._actions.append(Forward(sent, plain, (decision,), plain))

    def _to_client(self, message: Message, decision: Decision) -> None:
        verdict = decision.verdict
        plan = verdict.plans[0] if isinstance(verdict, Mask) and verdict.plans else None
        data = message.data
        if isinstance(plan, BodyPlan) and not plan.clear:
            try:
                data = self._mask(plan, data)
            except BodyRefused as error:
                block = Block("http", error.code, str(error))
                self._refuse(Side.BACKEND, message, Decision(decision.request_id, block))
                return
        elif self._phi:
            block = Block("http", "gateway.error", "There is no plan how to mask the message.")
            self._refuse(Side.BACKEND, message, Decision(decision.request_id, block))
            return
        opcode = frames.TEXT if message.text else frames.BINARY
        self._actions.append(Reply(frames.frame(opcode, data)))

    def _refuse(self, side: Side, message: Message, decision: Decision) -> None:
        received = b""
        if side is Side.CLIENT:
            opcode = frames.TEXT if message.text else frames.BINARY
            received = frames.frame(opcode, message.data)
        self._actions.append(Forward(b"", received, (decision,)))
        problem = refusal(decision)
        if self._handshake.settings.refusal == "message":
            told = {"hoopgate/problem": {**problem.fields(), "direction": _direction(side)}}
            data = json.dumps(told, ensure_ascii=True).encode()
            self._actions.append(Reply(frames.frame(frames.TEXT, data)))
            return
        self._tell(Side.BACKEND, frames.GOING_AWAY)
        self._tell(Side.CLIENT, frames.POLICY, _reason(problem))
        self._end("message.refused")

    # --- the end ----------------------------------------------------------------------------------

    def _send(self, side: Side, opcode: int, payload: bytes) -> None:
        """A control frame of the gateway's own."""
        if side is Side.CLIENT:
            self._actions.append(Reply(frames.frame(opcode, payload)))
        else:
            sent = frames.frame(opcode, payload, secrets.token_bytes(4))
            self._actions.append(Forward(sent, b"", (), frames.frame(opcode, payload)))

    def _tell(self, side: Side, code: int, reason: str = "") -> None:
        """Close towards ``side``, once."""
        if side not in self._told and not self.closed:
            self._told.add(side)
            self._send(side, frames.CLOSE, frames.close_payload(code, reason))

    def _closing(self, side: Side, closing: Closing) -> None:
        shown = closing.reason if side is Side.BACKEND and not self._phi else ""
        self._tell(_OTHER[side], closing.code, shown)
        if all(reader.closed for reader in self._readers.values()):
            self._tell(side, closing.code, shown)
            self._end(f"{side.value}.done")

    def _broken(self, side: Side, error: BadFrame) -> None:
        if side is Side.CLIENT:
            block = Block("http", "http.websocket", str(error), "Fix the client.")
            self._actions.append(Forward(b"", b"", (Decision(self._mint(), block),)))
        self._tell(side, error.close, str(error))
        self._tell(_OTHER[side], frames.GOING_AWAY, "" if side is Side.CLIENT else "upstream")
        self._end(f"protocol.{side.value}")


def _direction(side: Side) -> str:
    return "client" if side is Side.CLIENT else "server"


def _reason(problem: Problem) -> str:
    """What fits into a close: the reason code, the request's id, the approval's."""
    words = (problem.code, problem.request_id, problem.approval)
    return " ".join(word for word in words if word)
