"""A transcript player for :class:`PostgresSession`: what goes in, what must come out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hoopgate.actions import Ask, Close, Decision, Forward, Reply, Vouch
from hoopgate.events import Side, StatementFacts
from hoopgate.plans import ColumnMask, MaskPlan, Method
from hoopgate.postgres import wire
from hoopgate.postgres.session import PostgresSession
from hoopgate.verdicts import Allow, Block, Hold, Mask

TEXT = 25
SSN = MaskPlan((None, ColumnMask("SSN", Method.REDACT, TEXT)), ("id", "ssn"))

FIELDS = wire.encode_row_description(
    [
        wire.Field(b"id", 16386, 1, 23, 4, -1, 0),
        wire.Field(b"ssn", 16386, 2, TEXT, -1, -1, 0),
    ]
)


def row(*values: bytes | None) -> bytes:
    return wire.data_row(values)


def facts(text: str) -> StatementFacts:
    """What a parser says of the few statements these transcripts use."""
    words = text.lower().rstrip("; ").split()
    if words[0] == "prepare":
        return StatementFacts(
            frozenset({"prepare"}), kind="prepare", name=words[1], inner=text.split(" as ", 1)[1]
        )
    if words[0] == "execute":
        return StatementFacts(frozenset({"execute"}), kind="execute", name=words[1])
    if words[0] == "declare":
        return StatementFacts(
            frozenset({"cursor"}), kind="declare", name=words[1], inner=text.split(" for ", 1)[1]
        )
    if words[0] == "fetch":
        return StatementFacts(frozenset({"fetch"}), kind="fetch", name=words[-1])
    if words[0] == "deallocate":
        name = "" if words[1] == "all" else words[1]
        return StatementFacts(frozenset({"deallocate"}), kind="deallocate", name=name)
    if words[0] == "close":
        return StatementFacts(frozenset({"close"}), kind="close", name=words[1])
    if words[0] == "copy":
        flag = "copy.from" if "from" in words else "copy.to"
        return StatementFacts(frozenset({flag}))
    return StatementFacts(frozenset({"read"}))


def judge(text: str) -> Decision:
    """``drop`` is refused, ``bulk`` is held, ``patients`` is masked, the rest is allowed."""
    found = tuple(facts(part) for part in text.split(";") if part.strip())
    if "drop" in text:
        verdict: Allow | Mask | Block | Hold = Block("test/ddl", "statement.ddl", "No DDL.")
    elif "bulk" in text:
        verdict = Hold("test/bulk", "bulk", "Bulk.", frozenset({"reviewers"}), 60.0, (SSN,))
    elif "patients" in text:
        plans = tuple(SSN if "patients" in part else None for part in text.split(";"))
        verdict = Mask("test/mask", plans)
    else:
        verdict = Allow("test/allow")
    return Decision("req-1", verdict, facts=found)


@dataclass
class Play:
    """One session; verdicts come at once unless ``patient`` is set.

    :ivar stamp: of now; answers are vouched for at once unless ``doubting`` is set.
    """

    phi: bool = True
    stamp: float = 0.0
    doubting: bool = False
    doubts: list[Vouch] = field(default_factory=list)
    patient: bool = False
    generation: int = 0
    judge: Callable[[str], Decision] = judge
    to_client: bytes = b""
    to_server: bytes = b""
    forwards: list[Forward] = field(default_factory=list)
    asked: list[Ask] = field(default_factory=list)
    closed: str = ""

    def __post_init__(self) -> None:
        self.session = PostgresSession(
            phi=self.phi,
            settings={},
            generation=lambda: self.generation,
            mint=lambda: "req-own",
            stamp=lambda: self.stamp,
            message_limit=4096,
            response_limit=65536,
        )

    def client(self, *messages: bytes) -> Play:
        return self._do(self.session.received(Side.CLIENT, b"".join(messages)))

    def server(self, *messages: bytes) -> Play:
        return self._do(self.session.received(Side.BACKEND, b"".join(messages)))

    def decide(self, decision: Decision) -> Play:
        ask = self.asked.pop(0)
        return self._do(self.session.decided(ask.ticket, decision))

    def vouch(self) -> Play:
        return self._do(self.session.vouched())

    def _do(self, actions: Iterable[object]) -> Play:
        queue = list(actions)
        while queue:
            action = queue.pop(0)
            if isinstance(action, Reply):
                self.to_client += action.data
            elif isinstance(action, Forward):
                self.forwards.append(action)
                self.to_server += action.data
            elif isinstance(action, Close):
                self.closed = action.reason
            elif isinstance(action, Vouch):
                self.doubts.append(action)
                if not self.doubting:
                    queue += self.session.vouched()
            elif isinstance(action, Ask):
                self.asked.append(action)
                if not self.patient:
                    self.asked.pop()
                    decision = self.judge(action.event.text)
                    if isinstance(decision.verdict, Hold) and action.event.executes:
                        plans = decision.verdict.plans
                        decision = Decision("req-1", Mask("test/bulk", plans), facts=decision.facts)
                    queue += self.session.decided(action.ticket, decision)
        return self

    # --- what came out since the last look -----------------------------------------------------

    def shown(self) -> list[bytes]:
        """Messages to the client since the last call."""
        data, self.to_client = self.to_client, b""
        return split(data)

    def sent(self) -> list[bytes]:
        """Messages to the server since the last call."""
        data, self.to_server = self.to_server, b""
        return split(data)


def split(data: bytes) -> list[bytes]:
    out = []
    while data:
        size = 1 + int.from_bytes(data[1:5], "big")
        out.append(data[:size])
        data = data[size:]
    return out


def kinds(messages: list[bytes]) -> str:
    return "".join(chr(message[0]) for message in messages)


ERROR = wire.error_response("ERROR", "42601", "syntax error", detail="Key (ssn)=(123-45-6789)")
IDLE = wire.ready_for_query(b"I")
TRANSACTION = wire.ready_for_query(b"T")
FAILED = wire.ready_for_query(b"E")


def done(tag: bytes = b"SELECT 1") -> bytes:
    return wire.command_complete(tag)
