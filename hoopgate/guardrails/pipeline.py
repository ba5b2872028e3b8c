"""From the opinions of many guards to one verdict.

First Block wins, then Hold, then Allow; a Mask adds to an Allow or a Hold. No opinion is a Block,
and so is an exception: a guard that cannot judge has not allowed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from twisted.logger import Logger

from hoopgate.errors import SettingsError
from hoopgate.events import Judged, SessionFacts
from hoopgate.guardrails.budgets import Meter
from hoopgate.guardrails.commands import CommandGuard
from hoopgate.guardrails.groups import GroupSize
from hoopgate.guardrails.masking import MaskingGuard
from hoopgate.guardrails.operations import BodyGuard
from hoopgate.guardrails.rules import RuleGuard
from hoopgate.interfaces import IGuardrail
from hoopgate.phi.labels import LabelSet
from hoopgate.plans import BodyPlan, MaskPlan
from hoopgate.settings.model import Policy, Resource
from hoopgate.settings.packs import read_pack
from hoopgate.verdicts import Allow, Block, Hold, Mask, Verdict

log = Logger()

#: Protocols whose names of columns do not differ by case.
_FOLDING = frozenset({"mariadb", "mysql"})

Plans = tuple[MaskPlan | None, ...]

_PARSER_MESSAGES = {
    "parse.syntax": ("The statement is not valid SQL.", "Check its syntax."),
    "parse.size": ("The statement is too long or too deeply nested.", "Send it in parts."),
    "parse.session": (
        "It would change how the texts that follow have to be read.",
        "Leave character sets at UTF-8 and sql_mode at its default.",
    ),
    "parse.timeout": ("The statement took too long to parse.", "Make it simpler."),
    "parse.crash": ("The statement cannot be parsed.", "Make it simpler."),
    "token.many": ("There are more than 1000 tokens in one request.", "Send them in parts."),
    "command.unknown": ("That is not offered here.", "Use exec or SFTP."),
    "command.startup": (
        "Hidden files in the account's home decide which programs run.",
        "Write somewhere else.",
    ),
    "command.directory": ("scp -O may not copy into a directory.", "Name the file, or use SFTP."),
    "command.transfer": ("The transfer has an option that is not known.", "Use SFTP."),
    "resolve.path": ("The server cannot say where the path leads.", "Name a file that is there."),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the pipeline says of an event.

    :ivar monitored: rules in monitor mode that would have blocked or held it.
    :ivar momentary: it depends on the time: it holds for the minute, and is not remembered.
    """

    verdict: Verdict
    monitored: tuple[str, ...] = ()
    momentary: bool = False


class Pipeline:
    """Asks every guard in order.

    A guard with ``grants = False`` restricts and masks but gives no permission. A guard may have
    ``monitored(judged, session, now)`` and ``momentary(session)``, see :class:`Outcome`.

    :ivar labels: by resource.
    """

    def __init__(
        self,
        policy: Policy,
        guards: Sequence[Any],
        labels: Mapping[str, LabelSet] = MappingProxyType({}),
    ) -> None:
        self.policy = policy
        self.labels = labels
        self._guards = [(guard, bool(getattr(guard, "grants", True))) for guard in guards]
        self._monitors = [guard.monitored for guard in guards if hasattr(guard, "monitored")]
        self._momentary = [guard.momentary for guard in guards if hasattr(guard, "momentary")]

    def momentary(self, session: SessionFacts) -> bool:
        """Whether the time has a say in this session's verdicts. Never raises."""
        try:
            return any(test(session) for test in self._momentary)
        except Exception:  # noqa: BLE001 - a guard that fails here fails when it judges, too
            return True

    def judge(self, judged: Judged, session: SessionFacts, now: float) -> Outcome:
        """One verdict. Never raises.

        :param now: seconds since the epoch.
        """
        if judged.facts is None:
            return Outcome(_unparsable(judged.parse_error))
        if not judged.facts:
            return Outcome(Allow("empty"))
        try:
            monitored: tuple[str, ...] = ()
            for names in self._monitors:
                monitored += names(judged, session, now)
            momentary = any(test(session) for test in self._momentary)
            return Outcome(self._verdict(judged, session, now), monitored, momentary)
        except Exception as error:  # noqa: BLE001 - whatever it is, the statement does not run
            return Outcome(_failed("pipeline", error))

    def _verdict(self, judged: Judged, session: SessionFacts, now: float) -> Verdict:
        allowed: str | None = None
        hold: Hold | None = None
        plans: Plans = ()
        for guard, grants in self._guards:
            try:
                verdict = guard.judge(judged, session, now)
            except Exception as error:  # noqa: BLE001 - as above
                return _failed(str(getattr(guard, "name", "guard")), error)
            if verdict is None:
                continue
            if isinstance(verdict, Block):
                return verdict
            if isinstance(verdict, Hold):
                hold = hold or verdict
                plans = _merged(plans, verdict.plans)
            elif isinstance(verdict, Mask):
                plans = _merged(plans, verdict.plans)
                if grants:
                    allowed = allowed or verdict.rule
            elif isinstance(verdict, Allow):
                allowed = allowed or verdict.rule
            else:
                return _failed(str(guard.name), TypeError())
        if hold is not None:
            return replace(hold, plans=plans)
        if allowed is None:
            return _nobody_allows(judged)
        return Mask(allowed, plans) if any(plans) else Allow(allowed)


def _merged(one: Plans, other: Plans) -> Plans:
    """Both plans at once: a column that either masks is masked, by the first that does.

    :raises ValueError: they are not about the same columns.
    """
    if not one or not other:
        return one or other
    merged: list[MaskPlan | None] = []
    for first, second in zip(one, other, strict=True):
        if first is None or second is None:
            merged.append(first or second)
        elif isinstance(first, BodyPlan):
            merged.append(first)
        else:
            columns = zip(first.columns, second.columns, strict=True)
            merged.append(
                MaskPlan(
                    tuple(a or b for a, b in columns),
                    first.names,
                    first.tokens + second.tokens,
                    first.spend or second.spend,
                )
            )
    return tuple(merged)


def _nobody_allows(judged: Judged) -> Block:
    """No opinion is a refusal. It names the classes that a rule would have to."""
    classes = sorted(frozenset().union(*(facts.classes for facts in judged.facts or ())))
    return Block(
        "default",
        "rule.none",
        f"No rule lets you do this here ({', '.join(classes)}).",
        "Ask an operator for a rule that allows it.",
    )


def _unparsable(code: str) -> Block:
    message, remedy = _PARSER_MESSAGES.get(code, _PARSER_MESSAGES["parse.crash"])
    return Block("parser", code or "parse.crash", message, remedy)


def _failed(name: str, error: Exception) -> Block:
    # The exception's text may quote the statement: its type is what is logged.
    log.error("guard.failed", rule=name, error=type(error).__name__)
    return Block(
        "pipeline",
        "guard.error",
        "A guard of this gateway failed to judge the statement.",
        "Tell an operator.",
    )


def make_pipeline(
    policy: Policy,
    resources: Mapping[str, Resource],
    meter: Callable[[str], Meter | None] = lambda _: None,
) -> Pipeline:
    """The pipeline of a policy: its rules, its packs, its guards, the masking by its labels.

    :param meter: finds what a session spends of budgets, by its id.
    :raises SettingsError: a pack or a guard cannot be loaded.
    """
    labels = {
        name: LabelSet(name, policy.labels, policy.unlabelled, fold=resource.protocol in _FOLDING)
        for name, resource in resources.items()
    }
    rules = RuleGuard(
        [("operator", policy.rules), *((pack, read_pack(pack)) for pack in policy.packs)], labels
    )
    phi = {name: labels[name] for name, resource in resources.items() if resource.phi}
    plugins = [_plugin(name, policy, resources) for name in policy.guards]
    bodies = BodyGuard(policy, frozenset(phi), rules)
    commands = CommandGuard(policy.commands, resources, rules)
    budgeted = frozenset(phi) if policy.budgets else frozenset()
    groups = GroupSize(policy.min_group, policy.budgets)
    masking = MaskingGuard(phi, budgeted, meter, groups)
    return Pipeline(policy, [rules, *plugins, masking, bodies, commands], labels)


def _plugin(name: str, policy: Policy, resources: Mapping[str, Resource]) -> Any:
    """``package.module:factory`` called with the policy and the resources."""
    module, _, factory = name.partition(":")
    try:
        guard = getattr(importlib.import_module(module), factory)(policy, resources)
    except Exception as error:
        raise SettingsError(
            [f"policy.guards: {name} cannot be loaded ({type(error).__name__})"]
        ) from error
    if not IGuardrail.providedBy(guard):
        raise SettingsError([f"policy.guards: {name} does not provide IGuardrail"])
    return guard
