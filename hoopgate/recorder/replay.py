"""What a log says about a session: in short, and its replay."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.files import read_whole
from hoopgate.recorder.leaf import SESSION_ID, Leaf, encode, hash_of
from hoopgate.recorder.payload import split_pieces
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.sealing import OpenedKey, ReplayKey, SessionKey, unseal
from hoopgate.recorder.tree import leaf_hash
from hoopgate.recorder.wraps import wrap_path


@dataclass(slots=True)
class Summary:
    """A session as its leaves tell it. Times in µs since the epoch.

    :ivar end: None while it runs.
    :ivar requests: leaves with a request.
    :ivar verdicts: verdict → how often.
    :ivar first: index of its first leaf, and ``last`` of its last one so far.
    """

    id: str
    subject: str = ""
    resource: str = ""
    protocol: str = ""
    peer: str = ""
    start: int = 0
    end: int | None = None
    reason: str = ""
    requests: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)
    first: int = 0
    last: int = 0


def count(summary: Summary, leaf: Leaf) -> bool:
    """Add what a leaf says of its session; leaves may come in any order.

    :return: it is the one that the session began with.
    """
    kind = leaf["type"]
    summary.last = max(summary.last, leaf["index"])
    if kind == "chunk":
        if leaf.get("direction") != "backend":
            summary.requests += 1
            verdicts = leaf.get("verdicts")
            for name, number in verdicts.items() if isinstance(verdicts, dict) else ():
                if isinstance(number, int):
                    summary.verdicts[name] = summary.verdicts.get(name, 0) + number
    elif kind == "session.close":
        summary.end, summary.reason = leaf["time"], str(leaf.get("reason", ""))
    elif kind == "session.open":
        summary.subject, summary.resource, summary.protocol, summary.peer = (
            str(leaf.get(name, "")) for name in ("subject", "resource", "protocol", "peer")
        )
        summary.start, summary.first = leaf["time"], leaf["index"]
        return True
    return False


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened in a session.

    :ivar kind: of :class:`~hoopgate.recorder.payload.Kind`; None: ``leaf`` itself is the news.
    :ivar time: µs since the epoch.
    """

    kind: int | None
    time: int
    leaf: Leaf = field(repr=False)
    data: bytes = field(default=b"", repr=False)


class Replay:
    """One session, decrypted and verified: its chain of leaves, the last of which is proven to be
    in the log.

    :param first: index of its first leaf, where it is known, and ``last`` of its last one: what is
        outside of these is not looked at.
    :raises BadLog: no such session, or it is not what was signed.
    :raises OSError: its sealed key or a segment cannot be read.
    """

    def __init__(
        self,
        log: LogReader,
        session: str,
        key: ReplayKey | OpenedKey,
        *,
        first: int = 0,
        last: int | None = None,
    ) -> None:
        self._log = log
        if SESSION_ID.match(session) is None:
            raise BadLog(f"{session!r} is not a session's id")
        needle = b'"session":' + encode(session)
        self._leaves = [
            (leaf, data)
            for leaf, data in log.leaves(needle, first, None if last is None else last + 1)
            if leaf["session"] == session
        ]
        if not self._leaves or self._leaves[0][0]["type"] != "session.open":
            raise BadLog(f"the log has no session {session}")
        self.summary = Summary(session)
        self._check_chain()
        try:
            wrap = read_whole(wrap_path(log.directory, session))
        except FileNotFoundError:
            raise BadLog("the recording was shredded: its key is gone", session=session) from None
        self._key = SessionKey(session, unseal(session, wrap, key))
        if hash_of(self._leaves[0][0], "commitment") != self._key.commitment:
            raise BadLog("the unsealed key is not the one the session began with", session=session)

    def _check_chain(self) -> None:
        prev = ""
        for seq, (leaf, data) in enumerate(self._leaves):
            if (leaf["seq"], leaf["prev"]) != (seq, prev):
                place = {name: leaf[name] for name in ("index", "session", "segment", "offset")}
                raise BadLog("the leaf does not follow the session's last one", **place)
            prev = b64encode(leaf_hash(data)).decode()
            count(self.summary, leaf)
        self._log.prove(self._leaves[-1][0]["index"])

    def moments(self) -> Iterator[Moment]:
        """What happened, in order."""
        for leaf, data in self._leaves:
            payload = self._log.payload(leaf, data)
            if payload:
                yield from self._open(leaf, payload)
            if leaf["type"] != "chunk":
                crashed = leaf.get("reason") == "crash"  # perhaps after another boot
                yield Moment(None, leaf["time"] if crashed else self._time(leaf["mono"]), leaf)

    def _time(self, mono: int) -> int:
        """Wall time by the monotonic clock: the wall clock may have been set meanwhile."""
        first = self._leaves[0][0]
        return int(first["time"]) + mono - int(first["mono"])

    def _open(self, leaf: Leaf, payload: bytes) -> Iterator[Moment]:
        place: dict[str, Any] = {
            name: leaf[name] for name in ("index", "session", "segment", "offset")
        }
        try:
            plaintext = self._key.decrypt(leaf["seq"], payload)
            if hash_of(leaf, "hmac") != self._key.mac(plaintext):
                raise BadLog("the payload's HMAC is wrong")
            for kind, at, data in split_pieces(plaintext):
                yield Moment(kind, self._time(at), leaf, data)
        except BadLog as error:
            raise BadLog(error.what, **place) from None
