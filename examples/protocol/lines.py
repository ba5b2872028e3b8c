"""A protocol that is as small as they come: a session sans-I/O for docs/extending.md.

A request is a line, ``GET name``, ``SET name value`` or ``DEL name``; an answer is a line. What
every protocol has to do is here: bound what it holds, understand or refuse, ask before anything
goes on, keep answers in order, refuse in its own words, mask or refuse what has to be masked.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from zope.interface import implementer

from hoopgate.actions import Action, Ask, Close, Decision, Forward, Reply
from hoopgate.errors import LimitExceeded, RemoteProtocolError
from hoopgate.events import Operation, OperationFacts, Side
from hoopgate.interfaces import IProtocolSession
from hoopgate.telling import refusal, waiting
from hoopgate.verdicts import Allow, Block, Hold

#: Bytes of a line of either side, with its end.
LIMIT = 1024

#: Word → class for rules, how many words follow it.
COMMANDS = {b"GET": ("kv.read", 1), b"SET": ("kv.write", 2), b"DEL": ("kv.delete", 1)}


@implementer(IProtocolSession)
class Lines:
    """One client's connection after login. One request at a time: the next one is looked at when
    the answer to the one before it has gone out.

    :param mint: makes request ids, for what is refused here and asked of nobody.
    """

    def __init__(self, mint: Callable[[], str]) -> None:
        self._mint = mint
        self._client, self._backend = bytearray(), bytearray()
        self._ticket = 0
        self._asking = b""  # the line whose verdict is awaited
        self._answer_due = False
        self._closed = False

    @property
    def buffered(self) -> int:
        """Bytes held."""
        return len(self._client) + len(self._backend) + len(self._asking)

    @property
    def read_ahead(self) -> int:
        """Bytes of the client's that wait; the relay bounds them by pausing the client."""
        return len(self._client)

    def received(self, side: Side, data: bytes) -> list[Action]:
        """Bytes arrived, however they were cut.

        :raises RemoteProtocolError: an answer that nobody asked for, or a line that is too long.
        """
        if self._closed:
            return []
        if side is Side.CLIENT:
            self._client += data
            return self._go_on()
        self._backend += data
        return self._answered()

    def decided(self, ticket: int, decision: Decision) -> list[Action]:
        """The verdict. ``Forward`` is what is recorded, so a refusal is one, too: of no bytes."""
        if self._closed or ticket != self._ticket or not self._asking:
            return []
        line, self._asking = self._asking, b""
        if isinstance(decision.verdict, Allow):
            self._answer_due = True
            return [Forward(line, None, (decision,))]
        # A Mask says how the answer has to be rewritten. Here nothing can be, so nothing is shown:
        # a verdict that is not understood is a refusal.
        return [Forward(b"", line, (decision,)), Reply(_refused(decision)), *self._go_on()]

    def held(self, ticket: int, request_id: str, hold: Hold) -> list[Action]:
        """A person decides: this protocol can say so while its client waits."""
        told = json.dumps(waiting(request_id, hold))
        return [] if self._closed else [Reply(b"-WAIT " + told.encode() + b"\n")]

    def lost(self, side: Side) -> list[Action]:
        """One of the two is gone: so is the session."""
        return self._end(f"{side.value}.gone", b"")

    def expire(self, reason: str, message: str) -> list[Action]:
        """The identity ended, or the node drains."""
        return self._end(reason, b"-END " + message.encode() + b"\n")

    def idle(self) -> bool:
        """Nothing is judged, run or answered."""
        return not self._asking and not self._answer_due

    def _go_on(self) -> list[Action]:
        """Take up the next line, if there is one and nothing is under way."""
        line, end, rest = bytes(self._client).partition(b"\n")
        if not self.idle():
            return []
        if len(line) >= LIMIT:
            raise LimitExceeded("a line is too long")
        if not end:
            return []
        self._client[:] = rest
        self._asking = line + end
        self._ticket += 1
        return [Ask(self._ticket, _operation(line))]

    def _answered(self) -> list[Action]:
        line, end, rest = bytes(self._backend).partition(b"\n")
        if not self._answer_due or rest:
            raise RemoteProtocolError("the server answers what was not asked")
        if len(line) >= LIMIT:
            raise LimitExceeded("an answer is too long")
        if not end:
            return []
        self._backend.clear()
        self._answer_due = False
        return [Reply(line + end), *self._go_on()]

    def _end(self, reason: str, last: bytes) -> list[Action]:
        if self._closed:
            return []
        self._closed = True
        return [*([Reply(last)] if last else []), Close(reason)]


def _operation(line: bytes) -> Operation:
    """What a line asks for. One that is not of the protocol has no facts, and is refused."""
    try:
        words = line.decode("ascii").split(" ")
        kind, count = COMMANDS[words[0].encode()]
    except (UnicodeDecodeError, KeyError):
        return Operation("a line that is not of the protocol", None, "command.unknown")
    if len(words) != count + 1 or not all(word.isprintable() and word for word in words):
        return Operation("a line that is not of the protocol", None, "command.unknown")
    # Rules name the key as a relation; a reviewer sees the text, an approval is bound to it.
    facts = OperationFacts(frozenset({kind}), relations=(words[1],))
    return Operation(" ".join(words), (facts,))


def _refused(decision: Decision) -> bytes:
    verdict = decision.verdict
    if not isinstance(verdict, Block | Hold):  # a Mask
        return b"-NO hoopgate: This protocol cannot mask what it answers.\n"
    remedy = verdict.remedy if isinstance(verdict, Block) else "Send it again once approved."
    told = f"-NO hoopgate: {verdict.message} {remedy} {json.dumps(refusal(decision))}\n"
    return told.encode()
