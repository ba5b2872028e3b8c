"""The file of ``hoopgate policy test``: statements, who sends them, and what is to come of it."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hoopgate.actions import Decision
from hoopgate.errors import SettingsError
from hoopgate.events import Principal, Statement
from hoopgate.plans import MaskPlan
from hoopgate.settings.model import FileDirectory, Settings
from hoopgate.settings.reader import Problems, Table
from hoopgate.settings.rules import known
from hoopgate.verdicts import Allow, Block, Hold, Mask

VERDICTS: Final = ("allow", "mask", "block", "hold")


@dataclass(frozen=True, slots=True)
class Seen:
    """A verdict as the file says it, and as the gateway gives it.

    :ivar columns: names of the output columns that are masked, sorted; None: whichever.
    :ivar rule: the rule that decided; "" in an expectation: whichever. Likewise ``reason`` and
        ``reviewers``.
    :ivar text: what a client would be told.
    """

    verdict: str
    rule: str = ""
    reason: str = ""
    columns: tuple[str, ...] | None = None
    reviewers: frozenset[str] = frozenset()
    text: str = ""

    def met_by(self, found: Seen) -> bool:
        """Whether ``found`` is what this asks for."""
        return (
            self.verdict == found.verdict
            and self.rule in ("", found.rule)
            and self.reason in ("", found.reason)
            and self.columns in (None, found.columns)
            and (not self.reviewers or self.reviewers == found.reviewers)
        )

    def describe(self) -> str:
        """One line."""
        parts = [self.verdict]
        if self.columns:
            parts.append(", ".join(self.columns))
        if self.rule:
            parts.append(f"by {self.rule}")
        if self.reason:
            parts.append(f"({self.reason})")
        if self.reviewers:
            parts.append(f"reviewed by {', '.join(sorted(self.reviewers))}")
        return " ".join(parts) + (f": {self.text}" if self.text else "")


@dataclass(frozen=True, slots=True)
class Case:
    """One test of the file."""

    name: str
    resource: str
    principal: Principal
    statement: Statement
    now: float
    expected: Seen
    line: str = field(default="", repr=False)  #: the statement on one line, for people


def seen(decision: Decision) -> Seen:
    """What was decided, in the words of the file."""
    verdict = decision.verdict
    if isinstance(verdict, Block):
        return Seen("block", verdict.rule, verdict.reason, text=verdict.message)
    if isinstance(verdict, Hold):
        columns = _masked(verdict.plans)
        return Seen("hold", verdict.rule, verdict.reason, columns, verdict.reviewers)
    if isinstance(verdict, Mask):
        return Seen("mask", verdict.rule, columns=_masked(verdict.plans))
    assert isinstance(verdict, Allow)
    return Seen("allow", verdict.rule, columns=())


def _masked(plans: Sequence[MaskPlan | None]) -> tuple[str, ...]:
    return tuple(
        sorted(
            plan.names[index] if plan.names else f"column {index + 1}"
            for plan in plans
            if plan is not None
            for index, mask in enumerate(plan.columns)
            if mask is not None
        )
    )


def read(path: Path, settings: Settings) -> list[Case]:
    """The tests of a file.

    :raises SettingsError: with a line for every mistake.
    """
    problems = Problems(path.absolute())
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}; write a file of tests"]) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError([f"{path}: not TOML: {error}; write TOML 1.0"]) from None
    root = Table(content, "", problems)
    defaults = root.table("defaults")
    _who_and_where(defaults)
    cases = list(_cases(root, content.get("defaults"), settings))
    defaults.finish()
    root.finish()
    if not cases and not problems.lines:
        problems.add("", "no test in it", '[[tests]] with statement and expect = "…"')
    if problems.lines:
        raise SettingsError(problems.lines)
    return cases


_DEFAULTED: Final = ("resource", "subject", "issuer", "groups", "scopes", "time", "search_path")


def _who_and_where(table: Table) -> None:
    """The keys that ``[defaults]`` may have; what they hold is looked at in each test."""
    for name in _DEFAULTED:
        _ = name in table


def _cases(root: Table, defaults: object, settings: Settings) -> Iterator[Case]:
    shared: Mapping[str, Any] = defaults if isinstance(defaults, dict) else {}
    inherited = {name: shared[name] for name in _DEFAULTED if name in shared}
    for number, own in enumerate(root.tables("tests"), 1):
        table = Table({**inherited, **own.data}, own.key, root.problems)
        case = _case(table, number, settings)
        table.finish()
        yield case


def _case(table: Table, number: int, settings: Settings) -> Case:
    resources = settings.resources
    only = next(iter(resources)) if len(resources) == 1 else None
    resource = table.text("resource", only, f'"{next(iter(resources), "…")}"')
    if resource:
        known(table, "resource", [resource], resources)
    issuers = {one.name: one.url for one in settings.issuers}
    issuer = table.text("issuer", next(iter(issuers), ""))
    if issuer:
        known(table, "issuer", [issuer], issuers)
    subject = table.text("subject", example='"agent-1"')
    groups = frozenset(table.texts("groups", (), empty=True))
    if "groups" not in table and isinstance(settings.directory, FileDirectory):
        members = settings.directory.members
        groups = frozenset(name for name, those in members.items() if subject in those)
    scope = resources[resource].scope if resource in resources else ""
    scopes = frozenset(table.texts("scopes", (scope,), empty=True))
    now = _time(table)
    text = table.text("statement", example='"SELECT 1"')
    path = table.optional_text("search_path")
    principal = Principal(issuers.get(issuer, ""), subject, scopes, now + 3600, groups)
    statement = Statement(
        text,
        settings={"search_path": path} if path else {},
        executes=False,  # judged, and never held
    )
    line = " ".join(text.split())
    name = table.text("name", f"test {number}")
    return Case(name, resource, principal, statement, now, _expected(table), line)


def _expected(table: Table) -> Seen:
    verdict = table.choice("expect", VERDICTS)
    columns: tuple[str, ...] | None = None
    if "columns" in table:
        # A name may come twice in a result: SELECT a.name, b.name
        listed = table.data["columns"]
        if isinstance(listed, list) and all(isinstance(one, str) for one in listed):
            columns = tuple(sorted(listed))
        else:
            table.wrong("columns", "not a list of names", '["ssn", "name"]')
        if verdict in ("allow", "block") and columns:
            table.wrong("columns", f"nothing is masked where {verdict} is expected", "mask or hold")
    elif verdict == "allow":
        columns = ()
    return Seen(
        verdict,
        table.optional_text("rule", '"operator/analysts"') or "",
        table.optional_text("reason", '"statement.ddl"') or "",
        columns,
        frozenset(table.texts("reviewers", (), '["privacy-office"]')),
    )


def _time(table: Table) -> float:
    if "time" not in table:
        return datetime.now(UTC).timestamp()
    value = table.data["time"]
    if not isinstance(value, datetime) or value.tzinfo is None:
        table.wrong("time", "not a time with its zone", "2026-01-05T10:30:00Z, without quotes")
        return 0.0
    return value.timestamp()


def as_plain(case: Case, found: Seen) -> dict[str, object]:
    """One result for programs."""

    def plain(one: Seen) -> dict[str, object]:
        values = dataclasses.asdict(one)
        values["reviewers"] = sorted(one.reviewers)
        return {name: value for name, value in values.items() if value not in ("", None, [])}

    return {
        "name": case.name,
        "passed": case.expected.met_by(found),
        "expected": plain(case.expected),
        "found": plain(found),
    }
