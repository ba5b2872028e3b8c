"""What an approval request says, and who may decide it. Pure: no I/O, no clock."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hoopgate.approvals.states import OPEN, State
from hoopgate.errors import Refused
from hoopgate.events import Judged, Operation, Principal, SessionFacts
from hoopgate.verdicts import Hold

#: Crockford's base 32 in lower case: no letter that reads as a digit.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ID = re.compile(f"apr-[{_ALPHABET}]{{8}}")

REASON_CHARACTERS = 500
_NAMES = 100  #: relations and functions kept per request


def new_id() -> str:
    """40 random bits: short enough to read out, too many to guess against an authenticated API."""
    return "apr-" + "".join(secrets.choice(_ALPHABET) for _ in range(8))


def is_id(text: str) -> bool:
    """True for what :func:`new_id` can give."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Contents:
    """What only reviewers see: the statement and what is known of it. Sealed on disk.

    :ivar digest: SHA-256 (hex) of the canonical statement and its parameters.
    :ivar parameters: type OID, format code (0 text, 1 binary) and value of each.
    :ivar affected: rows that it has changed in the transaction that waits; None: it did not run.
    :ivar estimated: rows that the backend's planner expects; None: not known.
    """

    text: str = field(repr=False)
    digest: str = field(repr=False)
    parameters: tuple[tuple[int, int, bytes | None], ...] = field(default=(), repr=False)
    settings: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    relations: tuple[str, ...] = field(default=(), repr=False)
    functions: tuple[str, ...] = field(default=(), repr=False)
    message: str = field(default="", repr=False)
    application: str = field(default="", repr=False)
    affected: int | None = field(default=None, repr=False)
    estimated: int | None = field(default=None, repr=False)

    @classmethod
    def of(cls, digest: str, judged: Judged, session: SessionFacts, hold: Hold) -> Contents:
        statement = judged.statement
        if isinstance(statement, Operation):
            types: tuple[int, ...] = ()
            values: tuple[tuple[int, bytes | None], ...] = ()
            settings: tuple[tuple[str, str], ...] = ()
        else:
            types = statement.parameter_types
            values = statement.parameters or ()
            settings = tuple(sorted(statement.settings.items()))
        facts = judged.facts or ()
        resolutions = [one for one in judged.resolutions if one is not None]
        relations = {name for one in facts for name in one.relations}
        functions = {name for one in facts for name in one.functions}
        return cls(
            text=statement.text,
            digest=digest,
            parameters=tuple(
                (types[index] if index < len(types) else 0, code, value)
                for index, (code, value) in enumerate(values)
            ),
            settings=settings,
            # What the server resolved is more than what was written: views, search_path.
            relations=tuple(sorted(relations.union(*(r.relations for r in resolutions))))[:_NAMES],
            functions=tuple(sorted(functions))[:_NAMES],
            message=hold.message,
            application=session.application,
            affected=judged.affected,
            estimated=judged.estimated,
        )

    def encode(self) -> bytes:
        """JSON, for sealing."""
        return json.dumps(
            [
                self.text,
                self.digest,
                [
                    [oid, code, None if value is None else base64.b64encode(value).decode()]
                    for oid, code, value in self.parameters
                ],
                self.settings,
                self.relations,
                self.functions,
                self.message,
                self.application,
                self.affected,
                self.estimated,
            ]
        ).encode()

    @classmethod
    def decode(cls, data: bytes) -> Contents:
        """The inverse of :meth:`encode`."""
        text, digest, parameters, settings, relations, functions, message, app, *rows = json.loads(
            data
        )
        return cls(
            text,
            digest,
            tuple(
                (oid, code, None if value is None else base64.b64decode(value))
                for oid, code, value in parameters
            ),
            tuple((name, value) for name, value in settings),
            tuple(relations),
            tuple(functions),
            message,
            app,
            *rows,  # none in what an earlier version filed
        )


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's approval.

    :ivar names: every name that person goes by, folded: subject, owner, ``act`` chain.
    :ivar at: seconds since the epoch.
    :ivar reason: sealed.
    """

    issuer: str
    subject: str
    names: frozenset[str]
    at: float
    reason: bytes = field(repr=False)

    def encode(self) -> str:
        """JSON, for the column ``votes``."""
        return json.dumps(
            {
                "issuer": self.issuer,
                "subject": self.subject,
                "names": sorted(self.names),
                "at": self.at,
                "reason": base64.b64encode(self.reason).decode(),
            }
        )

    @classmethod
    def decode(cls, fields: Mapping[str, Any]) -> Vote:
        """The inverse of :meth:`encode`, after JSON."""
        return cls(
            fields["issuer"],
            fields["subject"],
            frozenset(fields["names"]),
            fields["at"],
            base64.b64decode(fields["reason"]),
        )


@dataclass(frozen=True, slots=True)
class Request:
    """What a request is, without its statement.

    :ivar state: as the clock sees it: an open request past its deadline is ``expired``.
    :ivar classes: statement classes and flags (closed lists, no client text).
    :ivar reviewers: directory groups whose members may decide.
    :ivar created: seconds since the epoch, as ``expires`` and ``decided``.
    :ivar reviewer: issuer and subject of who decided, or None.
    :ivar approvers: distinct persons who have to approve; ``votes``: those who have.
    :ivar window: seconds for which it is good once approved; 0: for one use.
    :ivar effect: the statement has run, in a transaction that waits.
    :ivar relations: those that the backend itself has named: no text of the client's.
    :ivar uses: how often it was used.
    :ivar digest: the keyed one, as in the log.
    """

    id: str
    state: State
    issuer: str
    subject: str
    owner: str
    actors: tuple[str, ...]
    resource: str
    protocol: str
    database: str
    peer: str
    session: str
    rule: str
    reason: str
    classes: tuple[str, ...]
    reviewers: frozenset[str]
    created: float
    expires: float
    decided: float | None = None
    reviewer: tuple[str, str] | None = None
    approvers: int = 1
    window: float = 0.0
    effect: bool = False
    relations: tuple[str, ...] = ()
    votes: tuple[Vote, ...] = field(default=(), repr=False)
    uses: int = 0
    digest: str = ""


#: Columns of a row, in the order :func:`from_row` takes them.
COLUMNS = "id, state, facts, session, created, expires, decided, reviewer, votes, uses, digest"


def facts_of(judged: Judged, session: SessionFacts, hold: Hold) -> str:
    """Canonical JSON of what is fixed about a request; bound to its ciphertext."""
    principal = session.principal
    statements = judged.facts or ()
    classes = {name for one in statements for name in one.classes | one.flags}
    resolved = {name for one in judged.resolutions if one is not None for name in one.relations}
    return json.dumps(
        {
            "issuer": principal.issuer,
            "subject": principal.subject,
            "owner": principal.owner,
            "actors": principal.actors,
            "resource": session.resource,
            "protocol": session.protocol,
            "database": session.database,
            "peer": session.peer,
            "rule": hold.rule,
            "reason": hold.reason,
            "classes": sorted(classes),
            "reviewers": sorted(hold.reviewers),
            "approvers": hold.approvers,
            "window": hold.window,
            "effect": hold.effect,
            "relations": sorted(resolved)[:_NAMES],
        },
        sort_keys=True,
        separators=(",", ":"),
    )


def from_row(row: tuple[object, ...], now: float) -> Request:
    """A request from its row (:data:`COLUMNS`)."""
    id_, state, facts, session, created, expires, decided, reviewer, votes, uses, digest = row
    assert isinstance(facts, str)
    assert isinstance(created, float)
    assert isinstance(expires, float)
    fields = json.loads(facts)
    fields["actors"] = tuple(fields["actors"])
    fields["classes"] = tuple(fields["classes"])
    fields["reviewers"] = frozenset(fields["reviewers"])
    fields["relations"] = tuple(fields.get("relations", ()))
    known = State(str(state))
    by = json.loads(reviewer) if isinstance(reviewer, str) and reviewer else None
    return Request(
        id=str(id_),
        state=State.EXPIRED if known in OPEN and expires <= now else known,
        session=str(session),
        created=created,
        expires=expires,
        decided=decided if isinstance(decided, float) else None,
        reviewer=(by[0], by[1]) if by else None,
        votes=tuple(map(Vote.decode, json.loads(str(votes)))),
        uses=int(str(uses)),
        digest=str(digest),
        **fields,
    )


def requester_key(principal: Principal) -> str:
    """Who asked, as one word: issuer, subject and the whole chain behind it."""
    return _hash([principal.issuer, principal.subject, principal.owner, *principal.actors])


def binding_key(session: SessionFacts, transaction: str = "") -> str:
    """What an approval is tied to besides the digest: identity, resource and the rules in force.

    :param transaction: the request's id where it is about an effect: what has run in one
        transaction is not what runs in another, so no other request is ever the same.
    """
    parts = [
        requester_key(session.principal),
        session.resource,
        session.protocol,
        session.database,
        session.rules_digest,
    ]
    return _hash([*parts, transaction] if transaction else parts)


def _hash(parts: list[str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def check_reviewer(request: Request, reviewer: Principal) -> None:
    """
    :raises Refused: ``approval.group`` or ``approval.self``.

    Nobody decides what he, his agent or his principal asked for. Names are compared without the
    issuer and without case: people and agents often have different issuers, and one directory
    (where ``uid`` ignores case) stands behind them all. Two strangers of the same name in two
    issuers cannot review each other; that is the safe mistake.
    """
    asked = {_fold(name) for name in (request.subject, request.owner, *request.actors) if name}
    if asked & names_of(reviewer):
        raise Refused(
            "approval.self", "nobody decides a request of his own, of his agent or of his owner"
        )
    if not request.reviewers & reviewer.groups:
        raise Refused(
            "approval.group",
            "only members of these groups decide this request: "
            + (", ".join(sorted(request.reviewers)) or "none"),
        )


def names_of(person: Principal) -> frozenset[str]:
    """Every name that a person goes by, as names are compared."""
    names = (person.subject, person.owner, *person.actors)
    return frozenset(_fold(name) for name in names if name)


def check_distinct(request: Request, reviewer: Principal) -> None:
    """
    :raises Refused: ``approval.twice``: he, or somebody who acts for the same person, approved.
    """
    if any(vote.names & names_of(reviewer) for vote in request.votes):
        raise Refused("approval.twice", "it takes another person: you have approved already")


def _fold(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


def check_reason(reason: str) -> str:
    """The reason, trimmed.

    :raises Refused: ``approval.reason``.
    """
    reason = reason.strip()
    if sum(not character.isspace() for character in reason) < 3:
        raise Refused("approval.reason", "a reason of at least three characters is required")
    if len(reason) > REASON_CHARACTERS:
        raise Refused("approval.reason", f"a reason has at most {REASON_CHARACTERS} characters")
    if any(
        unicodedata.category(character) in {"Cc", "Cs"} and character not in "\n\t"
        for character in reason
    ):
        raise Refused("approval.reason", "a reason holds no control characters")
    return reason
