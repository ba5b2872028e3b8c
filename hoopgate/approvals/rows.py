"""Approval requests as rows of the state store: every SQL statement on them, and what is sealed.

A change is one compare-and-swap: it says which state it starts from, and tells whether it was so.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from hoopgate.approvals import model
from hoopgate.approvals.model import COLUMNS, Contents, Request, Vote
from hoopgate.approvals.sealing import Sealer, SealingError
from hoopgate.approvals.states import OPEN, TIMELY, State, Step
from hoopgate.errors import Refused
from hoopgate.interfaces import IStateStore


@dataclass(frozen=True, slots=True)
class Filing:
    """A row to be.

    :ivar same: binding and keyed digest: what makes another request the same.
    :ivar requester: who asks, with the whole chain behind it, as one word.
    :ivar identity: issuer and subject.
    """

    id: str
    same: tuple[str, str]
    requester: str
    identity: tuple[str, str]
    facts: str
    session: str
    created: float
    expires: float
    contents: bytes


class Rows:
    """The table of requests.

    :meth:`open` comes first. Everything that reads or writes a statement fails with
    :class:`Refused`: ``approval.unavailable`` before that, ``approval.damaged`` where a row is not
    what was written.
    """

    def __init__(self, store: IStateStore) -> None:
        self._store = store
        self._sealer: Sealer | None = None

    def open(self, key_file: Path) -> None:
        """Read or make the key.

        :raises SealingError: the key file is unusable.
        """
        self._sealer = Sealer(key_file)

    # --- reading --------------------------------------------------------------------------------

    async def load(self, request_id: str, now: float) -> Request | None:
        """A request as the clock sees it."""
        found = await self.stored(request_id, now)
        return found[0] if found else None

    async def stored(self, request_id: str, now: float) -> tuple[Request, State] | None:
        """A request as the clock sees it, and the state that is written."""
        if not model.is_id(request_id):
            return None
        rows = await self._store.execute(
            f"SELECT {COLUMNS} FROM approvals WHERE id = ?",  # noqa: S608  (constant names)
            (request_id,),
        )
        return (model.from_row(rows[0], now), State(str(rows[0][1]))) if rows else None

    async def listing(self, states: Collection[State], limit: int, now: float) -> list[Request]:
        """Requests that stand in one of ``states``, the newest first."""
        marks = ", ".join("?" * len(states))
        # The deadline counts, not what the sweep got round to writing.
        stands = (
            f"CASE WHEN state IN ('pending', 'approved') AND expires <= ? THEN 'expired'"
            f" ELSE state END IN ({marks})"
        )
        values: tuple[object, ...] = (now, *(state.value for state in states))
        if states and OPEN.issuperset(states):  # few of many: by their own index
            stands = f"state IN ({marks}) AND expires > ?"
            values = (*values[1:], now)
        rows = await self._store.execute(
            f"SELECT {COLUMNS} FROM approvals WHERE {stands}"  # noqa: S608  (names, marks only)
            " ORDER BY created DESC, id LIMIT ?",
            (*values, limit),
        )
        return [model.from_row(row, now) for row in rows]

    async def of_identity(self, issuer: str, subject: str, limit: int, now: float) -> list[Request]:
        """What an identity has asked for, the newest first."""
        rows = await self._store.execute(
            f"SELECT {COLUMNS} FROM approvals"  # noqa: S608  (constant names)
            " WHERE identity = ? ORDER BY created DESC, id LIMIT ?",
            (_identity(issuer, subject), limit),
        )
        return [model.from_row(row, now) for row in rows]

    async def contents(self, request_id: str) -> Contents | None:
        """The statement; None once it was erased."""
        rows = await self._store.execute(
            "SELECT sealed, facts, binding, digest FROM approvals WHERE id = ?", (request_id,)
        )
        if not rows:
            raise unknown()
        sealed, *bound = rows[0]
        if not isinstance(sealed, bytes):
            return None
        context = _context(request_id, *(str(part) for part in bound))
        return Contents.decode(self._open(sealed, context))

    async def reason(self, request_id: str) -> str:
        """The reason given with the latest decision; empty without one."""
        rows = await self._store.execute("SELECT reason FROM approvals WHERE id = ?", (request_id,))
        if not rows:
            raise unknown()
        (sealed,) = rows[0]
        if not isinstance(sealed, bytes):
            return ""
        return self.open_reason(request_id, sealed)

    async def counts(self, requester: str, now: float) -> tuple[int, int, int]:
        """Pending of this requester, filed by it within an hour, pending in all."""
        (row,) = await self._store.execute(
            "SELECT (SELECT count(*) FROM approvals WHERE requester = ? AND state = 'pending'"
            " AND expires > ?), (SELECT count(*) FROM approvals WHERE requester = ?"
            " AND created > ?), (SELECT count(*) FROM approvals WHERE state = 'pending'"
            " AND expires > ?)",
            (requester, now, requester, now - 3600, now),
        )
        pending, hourly, total = (int(str(number)) for number in row)
        return pending, hourly, total

    async def approved(self, same: tuple[str, str], now: float) -> list[str]:
        """Ids of approvals that are good for this, what ends first first."""
        rows = await self._store.execute(
            "SELECT id FROM approvals WHERE binding = ? AND digest = ? AND state = 'approved'"
            " AND expires > ? ORDER BY expires",
            (*same, now),
        )
        return [str(found) for (found,) in rows]

    async def overdue(self, now: float) -> list[str]:
        """Ids of some requests that are open past their deadline."""
        rows = await self._store.execute(
            "SELECT id FROM approvals WHERE state IN ('pending', 'approved')"
            " AND expires <= ? LIMIT 200",
            (now,),
        )
        return [str(found) for (found,) in rows]

    async def open_effects(self) -> list[str]:
        """Ids of requests whose transaction was some process's."""
        rows = await self._store.execute(
            "SELECT id FROM approvals WHERE state IN ('pending', 'approved')"
            " AND json_extract(facts, '$.effect')"
        )
        return [str(found) for (found,) in rows]

    # --- writing --------------------------------------------------------------------------------

    async def insert(self, filing: Filing) -> None:
        """A new request, pending."""
        await self._store.execute(
            "INSERT INTO approvals (id, state, binding, digest, requester, identity, facts,"
            " session, created, expires, sealed)"
            " VALUES (?, 'pending', ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                filing.id,
                *filing.same,
                filing.requester,
                _identity(*filing.identity),
                filing.facts,
                filing.session,
                float(filing.created),
                float(filing.expires),
                self._ready().seal(
                    filing.contents, _context(filing.id, filing.facts, *filing.same)
                ),
            ),
        )

    async def take(self, same: tuple[str, str], facts: str, session: str, now: float) -> str | None:
        """The pending request of this session, or of none any more, for the same; it is this
        session's then."""
        rows = await self._store.execute(
            "UPDATE approvals SET session = ? WHERE id = (SELECT id FROM approvals"
            " WHERE binding = ? AND digest = ? AND state = 'pending' AND expires > ?"
            " AND session IN (?, '') AND facts = ? ORDER BY session DESC LIMIT 1)"
            " AND state = 'pending' AND session IN (?, '') RETURNING id",
            (session, *same, now, session, facts, session),
        )
        return str(rows[0][0]) if rows else None

    async def leave(self, request_id: str | None = None) -> None:
        """A pending request is no session's any more; without an id, none is."""
        if request_id is None:
            await self._store.execute("UPDATE approvals SET session = '' WHERE state = 'pending'")
        else:
            await self._store.execute(
                "UPDATE approvals SET session = '' WHERE id = ? AND state = 'pending'",
                (request_id,),
            )

    async def move(
        self,
        request: Request,
        step: Step,
        before: State,
        after: State,
        now: float,
        by: tuple[str, str] | None = None,
        reason: bytes | None = None,
        vote: Vote | None = None,
    ) -> bool:
        """From ``before`` to ``after``; False when it was not so any more, or too late.

        :param reason: sealed.
        :param vote: is added to those that ``request`` has.
        """
        votes = [one.encode() for one in (*request.votes, *((vote,) if vote else ()))]
        extended = now + request.window if step is Step.APPROVE and request.window else None
        rows = await self._store.execute(
            "UPDATE approvals SET state = ?, closed = coalesce(?, closed),"
            " decided = coalesce(?, decided), reviewer = coalesce(?, reviewer),"
            " reason = coalesce(?, reason), votes = ?, uses = uses + ?,"
            " expires = coalesce(?, expires)"
            " WHERE id = ? AND state = ? AND expires > ? AND json_array_length(votes) = ?"
            " RETURNING id",
            (
                after.value,
                None if after in OPEN else float(now),
                None if by is None else float(now),
                None if by is None else json.dumps(by),
                reason,
                f"[{','.join(votes)}]",
                int(step is Step.USE),
                extended,
                request.id,
                before.value,
                float(now) if step in TIMELY else float("-inf"),
                len(request.votes),
            ),
        )
        return bool(rows)

    async def erase(self, before: float) -> None:
        """Statements of requests that closed before then."""
        await self._store.execute(
            "UPDATE approvals SET sealed = NULL WHERE closed < ? AND sealed IS NOT NULL",
            (before,),
        )

    # --- sealing --------------------------------------------------------------------------------

    def digest(self, digest: str) -> str:
        """The keyed digest."""
        return self.commit(b"digest " + digest.encode())

    def commit(self, data: bytes) -> str:
        """See :meth:`hoopgate.approvals.sealing.Sealer.commit`."""
        return self._ready().commit(data)

    def seal_reason(self, request_id: str, reason: str) -> bytes:
        """A reason as it is kept."""
        return self._ready().seal(reason.encode(), b"reason " + request_id.encode())

    def open_reason(self, request_id: str, sealed: bytes) -> str:
        """The inverse of :meth:`seal_reason`."""
        return self._open(sealed, b"reason " + request_id.encode()).decode()

    def _open(self, data: bytes, context: bytes) -> bytes:
        try:
            return self._ready().open(data, context)
        except SealingError:
            raise damaged() from None

    def _ready(self) -> Sealer:
        if self._sealer is None:
            raise Refused("approval.unavailable", "approvals are not started")
        return self._sealer


def _identity(issuer: str, subject: str) -> str:
    return f"{subject}\n{issuer}"


def _context(request_id: str, facts: str, binding: str, digest: str) -> bytes:
    """What a ciphertext is tied to: no row can borrow another's statement or change its facts."""
    return "\n".join((request_id, binding, digest, facts)).encode()


def damaged() -> Refused:
    """A row is not what was written."""
    return Refused(
        "approval.damaged", "the request cannot be read back as it was filed: it cannot be decided"
    )


def unknown() -> Refused:
    """There is no such row."""
    return Refused("approval.unknown", "no such request")


def reasons(rows: Rows, request: Request) -> Iterable[tuple[Vote, str]]:
    """Each approval of ``request`` with its reason, in order."""
    return [(vote, rows.open_reason(request.id, vote.reason)) for vote in request.votes]
