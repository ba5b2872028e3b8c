"""What may be done with labelled columns, and how what comes out is masked.

The bar is noninterference: what the client receives may not depend on a secret. So a secret may
flow into an output column, which is then masked whole, and nowhere else: not into a predicate, a
key or a count, not into a function that may fail on it, not into what is stored. A quasi-identifier
may also decide which rows come back. Whatever cannot be resolved is refused.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Final

from zope.interface import implementer

from hoopgate.events import (
    ColumnRef,
    Judged,
    Operation,
    Resolution,
    SessionFacts,
    StatementFacts,
)
from hoopgate.guardrails.budgets import Meter
from hoopgate.guardrails.groups import NO_GROUPS, GroupSize, release
from hoopgate.guardrails.remedies import by_clause, instead, of_function, unlisted
from hoopgate.guardrails.tokens import literals, settle, unread
from hoopgate.guardrails.writes import guessed, writes
from hoopgate.guardrails.years import form_shown
from hoopgate.interfaces import IGuardrail
from hoopgate.phi.labels import LabelSet
from hoopgate.phi.methods import column_mask
from hoopgate.plans import ColumnMask, MaskPlan, Method, Spend
from hoopgate.settings.model import UNLABELLED, Label, LabelClass
from hoopgate.sql.functions import (
    AGGREGATE,
    COUNTED,
    FALLIBLE,
    GROWING,
    TOTAL,
    classify,
    defines,
    inflates,
)
from hoopgate.sql.resolver import needs_resolution
from hoopgate.verdicts import Block, Mask, Verdict

#: Statements whose doings cannot be known beforehand.
_OPAQUE: Final = frozenset({"call", "do", "replication", "unknown", "copy.file", "copy.program"})
#: Statements that make what is computed later, unasked.
_DEFINING: Final = frozenset({"ddl", "grant"})
_REMEMBERED: Final = 4096
#: May change what names mean and what the account may do, so it is not on the list of functions.
_SET_CONFIG: Final = "pg_catalog.set_config(text, text, boolean)"
_SETTERS: Final = frozenset({"setting_function", "state_function"})

_NO_TABLE: Final = (
    "A table or view that the statement names is not there, or not for the gateway's account.",
    "Look which there are, and write names with their schema.",
)
_NO_COLUMN: Final = (
    "A column that the statement names is not there.",
    "Look which columns the tables have.",
)
_NO_FUNCTION: Final = (
    "A function or operator that the statement uses is not there for these types.",
    "Check its name and the types of what it is given.",
)
#: What the database said when it was asked, by SQLSTATE or MariaDB's and MySQL's number. Its own
#: words are not passed on: the names are the client's, and it has them.
_UNRESOLVED: Final = {
    **dict.fromkeys(("42P01", "1146", "3F000"), _NO_TABLE),
    **dict.fromkeys(("42703", "1054"), _NO_COLUMN),
    **dict.fromkeys(("42883", "1305"), _NO_FUNCTION),
    "42601": ("The statement is not valid SQL for this database.", "Check its syntax."),
    "size": ("The statement is too large to judge.", "Send it in parts, or make it simpler."),
    "42702": ("A column's name is in several tables.", "Write it with its table."),
    "42803": (
        "A column is neither grouped by nor aggregated.",
        "Add it to GROUP BY, or leave it out.",
    ),
}
_UNKNOWN: Final = (
    "The database could not say what this statement reads.",
    "Check its names and syntax; it must be valid for the present schema.",
)

_Outcome = Block | MaskPlan | None


@implementer(IGuardrail)
class MaskingGuard:
    """Blocks what would give a secret away; plans the masking of the rest.

    It never allows: a plan says how, a rule has to say that.

    :param labels: labels of the resources that hold PHI; others are none of its business.
    :param budgeted: resources for which something is counted.
    :param meter: finds what a session spends, by its id.
    :param groups: how many patients an aggregate over secrets must cover.
    """

    name = "phi"
    grants = False

    def __init__(
        self,
        labels: dict[str, LabelSet],
        budgeted: frozenset[str] = frozenset(),
        meter: Callable[[str], Meter | None] = lambda _: None,
        groups: GroupSize = NO_GROUPS,
    ) -> None:
        self._labels = labels
        self._groups = groups
        self._meter = meter
        self._budgeted = budgeted
        # By identity: resolutions and facts come out of caches and are the same objects each time.
        self._known: OrderedDict[
            tuple[int, int, str, bool, tuple[tuple[int, str], ...]],
            tuple[StatementFacts, Resolution, _Outcome],
        ] = OrderedDict()

    def judge(self, judged: Judged, session: SessionFacts, now: float) -> Verdict | None:
        """See :class:`hoopgate.interfaces.IGuardrail`."""
        labels = self._labels.get(session.resource)
        if labels is None or isinstance(judged.statement, Operation):
            return None
        plans: list[MaskPlan | None] = []
        bounded = self._groups.bounded(session)
        for index, facts in enumerate(judged.facts or ()):
            resolutions = judged.resolutions
            resolution = resolutions[index] if index < len(resolutions) else None
            outcome = self._statement(
                facts,
                resolution,
                judged.unresolved.get(index, ""),
                labels,
                session.resource,
                bounded,
                literals(judged, index),
            )
            if isinstance(outcome, Block):
                return outcome
            plans.append(outcome)
        if not any(plans):
            return None
        meter = self._meter(session.id) if self._budgeted else None
        refusal = None
        if meter is not None:
            refusal = meter.refusal(plans, now, goes_on=judged.statement.goes_on)
        return Mask("phi/labels", tuple(plans)) if refusal is None else refusal

    def _statement(
        self,
        facts: StatementFacts,
        resolution: Resolution | None,
        unresolved: str,
        labels: LabelSet,
        resource: str,
        bounded: bool,
        tokens: Mapping[int, str],
    ) -> _Outcome:
        if "temporary" in facts.flags:
            return _block(
                "temporary",
                "A temporary object may hide a real one of the same name.",
                "Use a CTE instead.",
            )
        if "unlisted_setting" in facts.flags or "role" in facts.classes:
            return _block(
                "setting",
                "It could change what names mean, and with it what the labels are about.",
                "Leave it at its default, and write names with their schema.",
            )
        if "planner_setting" in facts.flags:
            return _block(
                "setting",
                "It changes plans, and with them the order of rows: that may be the order of a"
                " secret.",
                "Leave it at its default, or ask an operator to set it for the account.",
            )
        if "serializable" in facts.flags:
            return _block(
                "isolation",
                "Whether a serializable transaction fails depends on which rows share a page, and"
                " so on how long their values are.",
                "Use REPEATABLE READ.",
            )
        if "moves_columns" in facts.flags:
            return _block(
                "ddl",
                "Labels go by names and parents: they would no longer find these columns.",
                "Ask an operator to do it, and to change the labels with it.",
            )
        if not facts.classes.isdisjoint(_DEFINING) and not all(map(defines, facts.functions)):
            return _block(
                "function",
                "A default, a constraint or a policy that calls a user's function reads what that"
                " reads, and nobody is asked when it does.",
                "Use built-in functions, or ask an operator to define it.",
            )
        if facts.kind == "execute" and "argument_expression" in facts.flags:
            return _block(
                "unresolved",
                "The arguments of EXECUTE must be constants.",
                "Put the expression into the prepared statement.",
            )
        if "stored_rows" in facts.flags:
            return _block(
                "rows",
                "Whether it succeeds, and what it says, depends on the rows there are.",
                "Ask an operator to run it.",
            )
        if "given_values" in facts.flags and labels.tokens:
            return guessed("A column of this statement")
        if facts.classes & _OPAQUE or ("into" in facts.flags and resolution is None):
            return _block(
                "unresolved",
                "What this statement reads cannot be known before it runs.",
                "Send the query itself.",
            )
        if unresolved == "resolve.changing":
            return _block(
                "changing",
                "The schema was changed in this transaction, which nobody else can see yet.",
                "Commit or roll back first.",
            )
        if unresolved or (resolution is None and needs_resolution(facts)):
            message, remedy = _UNRESOLVED.get(unresolved.removeprefix("resolve."), _UNKNOWN)
            return _block("unresolved", message, remedy, unresolved)
        if tokens and (resolution is None or "ddl" in facts.classes):
            return unread(tokens)
        if resolution is None:
            return None
        key = (
            id(facts),
            id(resolution),
            resource,
            bounded,
            tuple(tokens.items()) if tokens else (),
        )
        known = self._known.get(key)
        if known is not None and known[0] is facts and known[1] is resolution:
            return known[2]
        groups = self._groups if bounded else NO_GROUPS
        outcome = _outcome(facts, resolution, labels, tokens, resource in self._budgeted, groups)
        if isinstance(outcome, Block) and outcome.reason == "phi.aggregate":
            outcome = self._groups.advised(outcome, bounded)
        self._known[key] = (facts, resolution, outcome)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return outcome


def _outcome(
    facts: StatementFacts,
    resolution: Resolution,
    labels: LabelSet,
    tokens: Mapping[int, str],
    budgeted: bool,
    groups: GroupSize,
) -> _Outcome:
    settled = settle(facts, resolution, labels, tokens)
    if settled.block is not None:
        return settled.block
    resolution = settled.resolution
    resolution, released = release(resolution, labels, groups)
    block = (
        _predicates(resolution, labels)
        or _functions(facts, resolution, labels)
        or writes(facts, resolution, labels)
    )
    if block is not None:
        return block
    if "explain" in facts.classes:
        return _explained(resolution, labels)
    masks: list[ColumnMask | None] = []
    names: list[str] = []
    for column in resolution.columns or ():
        label = labels.strictest(column.sources)
        direct = column.direct and label is not None and _alike(column.sources, label, labels)
        form = "" if column.direct or label is None else form_shown(column, labels)
        masks.append(
            None
            if label is None
            else column_mask(
                label, column.type, direct=direct or form == "date", year=form in ("year", "whole")
            )
        )
        names.append(column.name)
    spend = _spend(resolution, masks, labels, released) if budgeted else None
    plan = MaskPlan(tuple(masks), tuple(names), settled.uses, spend)
    if not plan.masks:
        return plan if plan.tokens or spend is not None else None
    if _another_encoding(facts):
        return _block(
            "copy",
            "Whether COPY can say a value in another encoding depends on the value.",
            "Copy in UTF8.",
        )
    return plan


def _alike(sources: Collection[ColumnRef], label: Label, labels: LabelSet) -> bool:
    """Whether all values of a column are of one kind: those of a UNION may come from several.

    The token of a value that anybody may choose says whether a guess is right; and what one kind's
    form leaves of a value of another kind is not what is to be left of it.
    """
    for source in sources:
        if source.derived:
            continue  # it stands beside what it is made of
        other = labels.lookup(source)
        if other is None or other.level is LabelClass.PUBLIC:
            if label.method is Method.TOKEN:
                return False
        elif (other.kind, other.method) != (label.kind, label.method):
            return False
    return True


def _spend(
    resolution: Resolution,
    masks: list[ColumnMask | None],
    labels: LabelSet,
    released: Collection[ColumnRef],
) -> Spend | None:
    """What running the statement takes of budgets; None when that is nothing."""
    quasi = [
        str(column)
        for column in resolution.influences
        if (label := labels.lookup(column)) is not None and label.level is LabelClass.QUASI
    ]
    quasi += map(str, released)  # a question about patients, by which others are put together
    columns = resolution.columns or ()
    masked = [column for column, mask in zip(columns, masks, strict=True) if mask is not None]
    if not masked and not quasi:
        return None
    which = sorted({str(source) for column in masked for source in column.sources})
    digest = hashlib.blake2b("\0".join(which).encode(), digest_size=8).digest()
    patient = -1
    for index, column in enumerate(columns):
        if column.direct and any(
            label is not None and label.patient for label in map(labels.lookup, column.sources)
        ):
            patient = index
            break
    return Spend(bool(quasi), len(masked), digest, patient, min(quasi or which))


def _predicates(resolution: Resolution, labels: LabelSet) -> Block | None:
    secret = labels.secrets(resolution.influences)
    if not secret:
        return None
    if secret[0].grouped:
        return _aggregate(secret[0], labels)
    clause = resolution.roles.get(str(secret[0]), "")
    return _block(
        "predicate",
        f"{_secret(secret[0], labels)}: it may not decide which rows, how many or in which order"
        f" come back, nor whether the statement fails{by_clause(clause)}.",
        instead(clause, labels.lookup(secret[0])),
        str(secret[0]),
    )


def _secret(column: ColumnRef, labels: LabelSet) -> str:
    """What to say of a secret column; an operator may have forgotten to say what it holds."""
    label = labels.lookup(column)
    if label is not None and label.kind == UNLABELLED:
        return f"{column} has no label, so it counts as secret"
    return f"{column} is secret"


def _functions(facts: StatementFacts, resolution: Resolution, labels: LabelSet) -> Block | None:
    # Without a relation there is no view either: the flags are of every call there is.
    sets = facts.flags & _SETTERS == {"setting_function"} and not resolution.relations
    growing: list[ColumnRef] = []
    for signature, columns in sorted(resolution.flows.items()):
        if signature == COUNTED and (counted := labels.secrets(columns)):
            return _block(
                "function",
                "How often a function with an effect is called here is for the plan to say, and the"
                f" plan goes by how large {counted[0].schema}.{counted[0].relation} is.",
                "Call it in a statement of its own.",
                signature,
            )
        kind = FALLIBLE if sets and signature == _SET_CONFIG else classify(signature)
        if kind is None:
            return _block(
                "function",
                f"{signature} is not on the list of functions that may be used here.",
                unlisted(signature),
                signature,
            )
        secret = labels.secrets(columns)
        if not secret:
            continue
        if kind == AGGREGATE:
            return _aggregate(secret[0], labels)
        if kind != TOTAL:
            return _block(
                "function",
                f"{signature} may fail on {secret[0]}, and the failure would say something of it.",
                of_function(signature),
                signature,
            )
        if signature in GROWING:
            growing = secret
    secret = labels.secrets(resolution.aggregated)
    if secret:
        return _aggregate(secret[0], labels)
    if growing:
        for signature in resolution.flows:
            if inflates(signature):
                return _block(
                    "function",
                    f"{signature} together with {growing[0]} may fail on its length.",
                    "Select the column itself for a masked value.",
                    signature,
                )
    return None


def _aggregate(column: ColumnRef, labels: LabelSet) -> Block:
    return _block(
        "aggregate",
        f"{_secret(column, labels)}: aggregates over it are not given out.",
        "Aggregate columns that are not secret; count(*) counts rows.",
        str(column),
    )


def _another_encoding(facts: StatementFacts) -> bool:
    spelled = facts.copy_options.get("encoding", "utf8").lower()
    return "".join(filter(str.isalnum, spelled)) not in ("utf8", "unicode")


def _explained(resolution: Resolution, labels: LabelSet) -> Block | None:
    label = labels.strictest(resolution.present)
    if label is None:
        return None
    column = min((one for one in resolution.present if labels.lookup(one) is label), key=str)
    relation = f"{column.schema}.{column.relation}"
    return _block(
        "explain",
        f"A plan shows what the statistics know of {relation}, and {column.column} is not public.",
        "Run the statement itself; EXPLAIN is for tables all of whose columns are public.",
        relation,
    )


def _block(word: str, message: str, remedy: str, subject: str = "") -> Block:
    return Block(f"phi/{word}", f"phi.{word}", message, remedy, subject)
