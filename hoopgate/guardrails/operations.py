"""What may be asked of a resource that holds PHI in documents, and how the answers are masked.

The bar is the same as for rows (``masking.py``): what the client receives may not depend on a
secret. Whoever searches by a name learns it from the number of hits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from zope.interface import implementer

from hoopgate.events import Judged, Operation, OperationFacts, SessionFacts, StatementFacts
from hoopgate.guardrails.rules import RuleGuard
from hoopgate.interfaces import IGuardrail
from hoopgate.phi.fhir_places import compares_hidden, roots
from hoopgate.phi.fhir_tokens import uncovered
from hoopgate.phi.files import labelled, labelled_below
from hoopgate.plans import BodyPlan, PathMask
from hoopgate.settings.model import LabelClass, Policy
from hoopgate.shell.readers import shown_whole, shows_names_only
from hoopgate.verdicts import Allow, Block, Hold, Mask, Verdict

#: Reason → the flag that an approve rule names to let a person decide, the message, the remedy.
_REASONS: Final = {
    "phi.predicate": (
        "phi_predicate",
        "The request searches, sorts or tests by something that holds PHI.",
        "Search by what is not PHI (code, status, date, subject), or ask an operator for an"
        " approve rule with the flag phi_predicate.",
    ),
    "phi.bulk": (
        "bulk",
        "The request takes data of many patients, or all data of one, at once.",
        "Ask for less at a time (_count), or ask an operator for an approve rule with the flag"
        " bulk.",
    ),
    "phi.opaque": (
        "opaque",
        "What this request reads cannot be known before it runs.",
        "Use plain reads and searches, or ask an operator for an approve rule with the flag"
        " opaque.",
    ),
    "phi.sink": (
        "sink",
        "The request would make the server send data somewhere else, or copy PHI to where it is"
        " not masked.",
        "Ask an operator for an approve rule with the flag sink.",
    ),
    "phi.redacted": (
        "redacted",
        "The request writes back a value that this gateway has masked; it would destroy the"
        " original.",
        "Leave the masked elements out (PATCH), or write real values.",
    ),
}


@implementer(IGuardrail)
class BodyGuard:
    """Blocks what would give PHI away by being asked; plans the masking of the answers.

    It never allows: a plan says how, a rule has to say that.

    :param resources: names of the resources that hold PHI.
    :param rules: knows whether somebody lets a person decide.
    """

    name = "phi"
    grants = False

    def __init__(self, policy: Policy, resources: frozenset[str], rules: RuleGuard) -> None:
        self._rules = rules
        self._plans = {
            name: BodyPlan(
                columns=(),
                paths=_paths(policy, name),
                unlabelled=policy.unlabelled is not LabelClass.PUBLIC,
            )
            for name in resources
        }

    def judge(self, judged: Judged, session: SessionFacts, now: float) -> Verdict | None:
        """See :class:`hoopgate.interfaces.IGuardrail`."""
        if not isinstance(judged.statement, Operation):
            return None
        listing = self._listing(judged, session, now)
        plan = self._plans.get(session.resource)
        if plan is None:
            # Without PHI nothing is masked; what may not be called is not listed all the same.
            clear = BodyPlan((), unlabelled=False, clear=True, permits=listing)
            return Mask("phi/labels", (clear,) * len(judged.facts or ())) if listing else None
        plan = replace(plan, permits=listing) if listing else plan
        for facts in judged.facts or ():
            block = self._misplaced(facts, plan) or _shown(facts, plan)
            if block is not None:
                return block
            reason = facts.phi if isinstance(facts, OperationFacts) else "phi.opaque"
            reason = reason or _compared(facts, plan)
            if not reason:
                continue
            flag, message, remedy = _REASONS.get(reason, _REASONS["phi.opaque"])
            if not self._rules.approves(facts, session, now, frozenset({flag})):
                return Block("phi/labels", reason, message, remedy)
        return Mask("phi/labels", (plan,) * len(judged.facts or ()))

    def _misplaced(self, facts: StatementFacts, plan: BodyPlan) -> Block | None:
        """Why a token of the operation may not be compared with what it is compared with."""
        if not isinstance(facts, OperationFacts):
            return None
        for one in facts.tokens:
            place = uncovered(one.kind, one.places, roots(plan.paths))
            if place is not None:
                return Block(
                    "phi/token",
                    "phi.token",
                    f"A token of kind {one.kind} is compared with {place}, whose values do not come"
                    " as tokens of that kind.",
                    "Search by a parameter whose elements come as such tokens.",
                    place,
                )
        return None

    def _listing(
        self, judged: Judged, session: SessionFacts, now: float
    ) -> Callable[[str], bool] | None:
        """For a request that lists tools: whether one of them may be called, or asked for."""
        asking = next((one for one in judged.facts or () if "mcp.list" in one.classes), None)
        if not isinstance(asking, OperationFacts):
            return None
        attributes = dict(asking.attributes)

        def permits(tool: str) -> bool:
            facts = OperationFacts(
                frozenset({"mcp.call"}),
                functions=(tool,),
                attributes={
                    **attributes,
                    "http.template": (("/tools/call", ""),),
                    "http.tool": ((tool, ""),),
                    "http.body": (),
                },
            )
            calling = Judged(Operation("", (facts,)), (facts,), (None,))
            return isinstance(self._rules.judge(calling, session, now), Allow | Hold)

        return permits


def _shown(facts: StatementFacts, plan: BodyPlan) -> Block | None:
    """A command would show what labelled files hold, and only detectors would search it."""
    if not isinstance(facts, OperationFacts) or "ssh.exec" not in facts.classes:
        return None
    words = [word for word, _ in facts.attributes.get("ssh.word", ())]
    if not words or shows_names_only(words) or shown_whole(words) is not None:
        return None
    for path, kind in facts.attributes.get("ssh.file", ()):
        below = kind == "directory" and labelled_below(path, plan.paths)
        if below or labelled(path, plan.paths):
            return Block(
                "phi/labels",
                "phi.unmasked",
                "The command would show what is in files that hold PHI; its output cannot be masked"
                " by the data dictionary.",
                "Show one whole file with cat, or read it by SFTP: there it is masked.",
            )
    return None


def _compared(facts: StatementFacts, plan: BodyPlan) -> str:
    """Why a search may not compare what the data dictionary hides."""
    if not isinstance(facts, OperationFacts) or not facts.compared or not plan.paths:
        return ""
    said = roots(plan.paths)
    return "phi.predicate" if any(compares_hidden(one, said) for one in facts.compared) else ""


def _paths(policy: Policy, resource: str) -> tuple[PathMask, ...]:
    own = [label for label in policy.labels if label.resource == resource]
    # The longest literal text first; between equals, the strictest.
    own.sort(key=lambda one: (-len(one.column.replace("*", "")), one.level is LabelClass.PUBLIC))
    return tuple(
        PathMask(one.column, one.kind, None if one.level is LabelClass.PUBLIC else one.method)
        for one in own
    )
