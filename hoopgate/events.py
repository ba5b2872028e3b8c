"""What protocols and guardrails say to each other.

Nothing is written to once it is made. What is made for every statement says so here only, and has
its ``__init__`` written out: a frozen dataclass takes three times as long to make, and mypyc
compiles no ``__init__`` but a written one. Payload (statement text, parameters, bytes) is kept out
of ``repr`` so that no traceback or log line can carry PHI.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final, final

#: Behind the name of an attribute: values that it may mean besides, for blocks and approvals alone.
BESIDES: Final = ".besides"

_NO_SETTINGS: Final[Mapping[str, str]] = MappingProxyType({})


class Side(Enum):
    """The two ends of a session."""

    CLIENT = "client"
    BACKEND = "backend"


# --- who and where -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified identity: the token's claims, then the directory's groups.

    :ivar issuer: the issuer's URL (``iss``).
    :ivar subject: ``sub``.
    :ivar scopes: the token's scopes.
    :ivar groups: the directory's groups; empty until the directory has answered.
    :ivar actors: subjects of the ``act`` chain (RFC 8693 4.1), the current actor first.
    :ivar owner: the person on whose behalf the agent runs, when the token says so; an owner may
        not approve what its own agent asked for.
    :ivar expires_at: ``exp``, seconds since the epoch.
    :ivar token_id: ``jti``.
    """

    issuer: str
    subject: str
    scopes: frozenset[str]
    expires_at: float
    groups: frozenset[str] = frozenset()
    actors: tuple[str, ...] = ()
    owner: str = ""
    client_id: str = ""
    token_id: str = ""


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What is fixed about a session from login to close.

    :ivar id: minted by the gateway, unique for ever, safe to quote.
    :ivar resource: the resource's name in the settings.
    :ivar database: the backend's database (or host, or path prefix): never from client input alone.
    :ivar peer: the client's network address, for the log.
    :ivar tls: facts of the client's TLS leg (version, cipher), empty for loopback plaintext.
    :ivar rules_digest: SHA-256 (hex) of the rules that judged the login.
    """

    id: str
    principal: Principal
    resource: str
    protocol: str
    database: str
    peer: str
    listener: str
    tls: Mapping[str, str] = field(default_factory=dict)
    rules_digest: str = ""
    application: str = ""


# --- what is asked -----------------------------------------------------------------------------


@final
@dataclass(slots=True, init=False)
class Statement:
    """SQL that a client wants run. One protocol message may hold several statements.

    :ivar text: the SQL, decoded.
    :ivar parameter_types: declared type OIDs (0 = not declared), for ``$1`` …
    :ivar parameters: bound values as the client sent them, with the format code of each, or None
        while only prepared. Part of the approval's digest.
    :ivar settings: session settings that change what names mean (``search_path``).
    :ivar executes: False for a Parse that runs nothing yet: it is judged, but never held.
    :ivar binds: tokens among ``parameters`` are to be given their values.
    :ivar goes_on: it fetches more of what was opened, and counted as a question, before.
    :ivar tries: its session can run it in a transaction that waits for a verdict on its effect.
    """

    text: str = field(repr=False)
    parameter_types: tuple[int, ...]
    parameters: tuple[tuple[int, bytes | None], ...] | None = field(repr=False)
    settings: Mapping[str, str]
    executes: bool
    binds: bool
    goes_on: bool
    tries: bool

    def __init__(
        self,
        text: str,
        parameter_types: tuple[int, ...] = (),
        parameters: tuple[tuple[int, bytes | None], ...] | None = None,
        settings: Mapping[str, str] = _NO_SETTINGS,
        executes: bool = True,
        binds: bool = False,
        goes_on: bool = False,
        tries: bool = False,
    ) -> None:
        self.text = text
        self.parameter_types = parameter_types
        self.parameters = parameters
        self.settings = settings
        self.executes = executes
        self.binds = binds
        self.goes_on = goes_on
        self.tries = tries


@dataclass(frozen=True, slots=True)
class StatementFacts:
    """What the parser says of one statement. Names are as written, lower-cased where unquoted.

    :ivar classes: statement classes, see ``hoopgate/sql/classes.py`` for the closed list.
    :ivar relations: relations named, ``schema.name`` or ``name``.
    :ivar functions: functions named.
    :ivar kind: what the statement does to a protocol's namespace: ``""``, ``prepare``, ``execute``,
        ``deallocate``, ``declare``, ``fetch``, ``close``, ``discard``.
    :ivar name: the prepared statement's or cursor's name for ``kind``; ``""`` means ALL for
        ``deallocate`` and ``close``.
    :ivar text: this statement's own source text, when the message held several.
    :ivar inner: text of the query inside PREPARE, DECLARE, COPY (…), EXPLAIN; for COPY of a table
        the table's name is in ``relations`` and the columns in ``copy_columns``.
    :ivar inner_types: type names declared by PREPARE.
    :ivar fingerprint: equal for statements that differ only in literals and layout (hex).
    :ivar flags: ``no_where``, ``trivial_where``, ``no_limit``, ``copy_to``, ``copy_from``,
        ``explain_analyze`` and the like; closed list in ``sql/classes.py``.
    """

    classes: frozenset[str]
    relations: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    kind: str = ""
    name: str = ""
    text: str = field(default="", repr=False)
    inner: str | None = field(default=None, repr=False)
    inner_types: tuple[str, ...] = ()
    copy_columns: tuple[str, ...] = ()
    copy_options: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    flags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ComparedTokens:
    """Tokens of one kind that an operation compares for equality.

    :ivar texts: the tokens, in order.
    :ivar places: of everything they are compared with, in words of the data dictionary.
    """

    kind: str
    texts: tuple[str, ...]
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OperationFacts(StatementFacts):
    """What is said of one operation of a protocol without SQL, for rules on its attributes.

    ``classes``, ``flags``, ``relations`` (FHIR resource types) and ``functions`` (FHIR operations,
    MCP tools) are matched as those of a statement.

    :ivar attributes: name of an attribute, ``http.parameter`` → its (name, value) pairs; where
        there is one name only, as for ``http.method``, the value is "".
    :ivar phi: reason code when it would tell something about PHI by what it asks, e.g.
        ``phi.predicate``; "" when it does not.
    :ivar tokens: that it compares; on a resource that holds PHI their values take their places.
    :ivar compared: places of documents that its conditions look at, ``Observation.valueQuantity``.
    """

    attributes: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict, repr=False)
    phi: str = ""
    tokens: tuple[ComparedTokens, ...] = ()
    compared: frozenset[str] = frozenset()


@final
@dataclass(slots=True, init=False)
class Operation:
    """What a client of a protocol without SQL wants done. One request may hold several.

    Its protocol says what it is made of: there is nothing to parse or to ask a server.

    :ivar text: all of it in canonical form: what a reviewer sees and an approval is bound to.
    :ivar facts: one per operation, in order; None when it cannot be understood.
    :ivar problem: reason code when ``facts`` is None.
    :ivar waits: False: one that needs an approval is answered at once with the approval's id, and
        passes once when it is sent again after that.
    """

    text: str = field(repr=False)
    facts: tuple[OperationFacts, ...] | None
    problem: str
    waits: bool

    def __init__(
        self,
        text: str,
        facts: tuple[OperationFacts, ...] | None,
        problem: str = "",
        waits: bool = True,
    ) -> None:
        self.text = text
        self.facts = facts
        self.problem = problem
        self.waits = waits


@final
@dataclass(slots=True, init=False)
class Command:
    """What a client asks of a machine: a program, or an operation on files. What it means is found
    out before it is judged: :class:`hoopgate.interfaces.ICommandExaminer` makes an operation of it.

    :ivar kind: ``exec``, ``shell``, ``sftp``, or an operation on files, ``sftp.read`` ….
    :ivar text: the command line; of an operation on files its canonical form without paths.
    :ivar paths: paths as the client wrote them.
    :ivar terminal: it runs on a terminal.
    """

    kind: str
    text: str = field(repr=False)
    paths: tuple[str, ...] = field(repr=False)
    terminal: bool

    def __init__(
        self, kind: str, text: str = "", paths: tuple[str, ...] = (), terminal: bool = False
    ) -> None:
        self.kind = kind
        self.text = text
        self.paths = paths
        self.terminal = terminal


@final
@dataclass(slots=True, init=False)
class Effect:
    """What the statement did that was judged last: it ran in a transaction that waits.

    :ivar affected: rows that it has changed.
    """

    affected: int

    def __init__(self, affected: int) -> None:
        self.affected = affected


Event = Statement | Operation | Command | Effect


@dataclass(frozen=True, slots=True)
class ColumnRef:
    """A column of a relation: ``public.patients.ssn``.

    :ivar derived: what it holds is named besides, as what it is made of: a view's column, a
        generated one, a partition's own that its parent has, a system column. It may have a label,
        and needs none.
    :ivar against: of its values no more is looked at than whether they are equal: to a parameter
        (``$1``), or to values of another column (its three names and ``derived``, with ``\\0``
        between); "" where all of them may matter. A token's place is known by it.
    :ivar grouped: it is seen in an aggregate over so many patients only
        (:mod:`hoopgate.sql.groups`); "" where that is not known.
    """

    schema: str
    relation: str
    column: str
    derived: bool = False
    against: str = ""
    grouped: str = ""

    def __str__(self) -> str:
        return f"{self.schema}.{self.relation}.{self.column}"


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """One column a statement returns.

    :ivar sources: every base column whose value can reach it.
    :ivar direct: it is one source column, unchanged (also through views and subqueries).
    :ivar type: the server's type (PostgreSQL: type OID).
    :ivar form: what it has of the dates in ``kept``: ``date``, a date whose year is made of their
        years; ``year``, a year made of theirs; ``whole``, all that it has of them is made of their
        years (:mod:`hoopgate.sql.years`); "" for anything else.
    :ivar kept: those of its sources that it depends on in this way alone.
    """

    name: str
    type: int
    sources: frozenset[ColumnRef]
    direct: bool
    form: str = ""
    kept: frozenset[ColumnRef] = frozenset()


@dataclass(frozen=True, slots=True)
class Move:
    """A value of one column that reaches what another one is given.

    :ivar target: None: one of those that are written.
    :ivar direct: it is stored as it is.
    """

    source: ColumnRef
    target: ColumnRef | None
    direct: bool


@dataclass(frozen=True, slots=True)
class Resolution:
    """What the server says one statement reads, writes and returns.

    :ivar columns: output columns in order; None when the statement returns no rows.
    :ivar influences: base columns that decide which rows, how many or in which order come back, or
        whether an error is raised: predicates, joins, sort and group keys, DISTINCT, set
        operations, LIMIT, DML sources and targets' conditions.
    :ivar relations: every base relation and view touched, ``schema.name``.
    :ivar functions: every function and operator's function used, ``schema.name``.
    :ivar aggregated: base columns that are read inside an aggregate.
    :ivar parameter_types: types the server inferred for ``$1`` ….
    :ivar written: base columns that are assigned.
    :ivar stored: base columns whose values reach what is assigned.
    :ivar moves: the same, with where each goes; None where that is not known.
    :ivar roles: columns in ``influences``, as text → the clause in which one decides, where it is
        one that a refusal can say something of: ``WHERE``, ``GROUP BY``, ``count()`` ….
    :ivar present: every column of every relation touched: what a plan or a size depends on.
    :ivar flows: every function's signature, ``pg_catalog.upper(text)`` → the base columns that
        reach its arguments or decide whether it is called.
    :ivar edits: of the text that is run: its tokens from the first number up to the second are
        replaced. Parameters stay as they are.
    :ivar assigned: base columns that are given a value, a constant too.
    :ivar loose: parameters that are used otherwise than to be compared for equality with a column,
        where there is one that is.
    """

    columns: tuple[OutputColumn, ...] | None
    influences: frozenset[ColumnRef] = frozenset()
    relations: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    aggregated: frozenset[ColumnRef] = frozenset()
    parameter_types: tuple[int, ...] = ()
    written: frozenset[ColumnRef] = frozenset()
    stored: frozenset[ColumnRef] = frozenset()
    moves: frozenset[Move] | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    flows: Mapping[str, frozenset[ColumnRef]] = field(default_factory=dict)
    present: frozenset[ColumnRef] = frozenset()
    edits: tuple[tuple[int, int, str], ...] = ()
    assigned: frozenset[ColumnRef] = frozenset()
    loose: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Judged:
    """A statement or operation with all that is known of it: what the guardrails see.

    :ivar facts: one per statement in the text, in order; None when the parser refused it.
    :ivar resolutions: one per statement; None where there is nothing to resolve (``BEGIN``), where
        the resource holds no PHI, or where the server could not say (see ``unresolved``).
    :ivar unresolved: index of the statement → reason code, e.g. ``resolve.failed``.
    :ivar parse_error: reason code when the text is not SQL: ``parse.syntax``, ``parse.size``.
    :ivar tokens: one per statement: parameter → kind of the token that stands in the text in its
        place. ``facts`` and ``resolutions`` are of the text with parameters.
    :ivar affected: rows that it has changed, where it was tried; None: it was not.
    :ivar estimated: rows that the backend's planner expects it to return or to change; None: not
        known.
    """

    statement: Statement | Operation
    facts: tuple[StatementFacts, ...] | None
    resolutions: tuple[Resolution | None, ...] = ()
    unresolved: Mapping[int, str] = field(default_factory=dict)
    parse_error: str = ""
    tokens: tuple[Mapping[int, str], ...] = ()
    affected: int | None = None
    estimated: int | None = None
