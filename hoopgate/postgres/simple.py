"""Simple query: one Query message, one or several statements (manual 55.2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from hoopgate.actions import Decision, Vouch
from hoopgate.events import Statement, StatementFacts
from hoopgate.postgres import wire
from hoopgate.postgres.expected import Expected, Kind, Run
from hoopgate.postgres.names import Names, Prepared
from hoopgate.postgres.planning import (
    MOVED,
    STALE,
    Missing,
    Planned,
    Planner,
    alters,
    copies_in,
    loosens,
    plan_of,
    takes_tokens,
)
from hoopgate.postgres.requests import Requests
from hoopgate.postgres.trials import Trials
from hoopgate.sql.resolver import needs_resolution
from hoopgate.trials import UNFIT
from hoopgate.verdicts import Block, Hold


@final
class SimpleQuery:
    """Handles Query and FunctionCall."""

    def __init__(
        self,
        requests: Requests,
        names: Names,
        planner: Planner,
        settings: dict[str, str],
        trials: Trials,
    ) -> None:
        self._trials = trials
        self._requests = requests
        self._names = names
        self._planner = planner
        self._settings = settings

    def query(self, message: wire.Query) -> None:
        """Every statement of the text is judged before the first is forwarded (PROTOCOLS A17)."""
        self._requests.ask(message, self._event(message), self._decided)

    def function_call(self, message: wire.FunctionCall) -> None:
        """Refused: it runs functions without a statement that could be judged (PROTOCOLS A20)."""
        decision = self._requests.block(
            "function_call",
            "FunctionCall runs functions without SQL that could be judged.",
            "Call the function in a SELECT.",
        )
        self._requests.refuse_query(message, decision)

    def _decided(self, message: wire.Query, decision: Decision) -> None:
        requests = self._requests
        if isinstance(decision.verdict, Block):
            requests.refuse_query(message, decision)
            return
        try:
            planned = self._planner.runs(decision, requests.decided_at, requests.segment)
        except Missing as missing:
            requests.refuse_query(message, requests.block(*missing.why))
            return
        again = None
        copies = 0
        for one, facts in zip(planned, decision.facts, strict=True):
            if one.named is not None and not self._planner.current(one.named):
                again = again or one
            copies += copies_in(facts)
        if copies > 1:
            # Which of them the client's data is for would depend on when it arrives.
            several = requests.block(
                "statement.copies", "A query may hold one COPY FROM STDIN.", "Send them apart."
            )
            requests.refuse_query(message, several)
        elif again is None and not _asks_by_name(planned):
            if isinstance(decision.verdict, Hold) and not self._trials.begin_query(decision):
                requests.refuse_query(message, requests.block(*UNFIT))
                return
            for index, (one, facts) in enumerate(zip(planned, decision.facts, strict=True)):
                self._doubt(message, decision, one, facts, index)
            self._send(message, decision, [one.run for one in planned])
        elif again is not None and len(planned) == 1 and again.named is not None:
            self._ask_again(message, again.named, opened=again.opened)
        else:
            alone = requests.block(
                "statement.held",
                "A prepared statement or cursor that must be judged again, or counts as a question,"
                " runs alone.",
                "Send EXECUTE or FETCH as a query of its own.",
            )
            requests.refuse_query(message, alone)

    def _doubt(
        self,
        message: wire.Query,
        decision: Decision,
        one: Planned,
        facts: StatementFacts,
        index: int,
    ) -> None:
        requests, named = self._requests, one.named
        if named is not None:
            doubt = Vouch(named.event, 0, named.plan, named.generation)
            requests.doubt(one.run, doubt, requests.stamp())
        elif needs_resolution(facts):
            plan = plan_of(decision, index)  # also of the cursor that it opens
            doubt = Vouch(self._event(message), index, plan, requests.decided_at)
            requests.doubt(one.run, doubt, requests.decided_stamp)

    def _event(self, message: wire.Query) -> Statement:
        return Statement(message.text.decode(), settings=self._settings, tries=True)

    def _ask_again(self, message: wire.Query, named: Prepared, *, opened: bool) -> None:
        """EXECUTE or FETCH of what needs an approval, or was judged by older rules."""
        event = Statement(
            named.event.text,
            named.event.parameter_types,
            ((0, message.text),),
            self._settings,
            executes=not opened,
            goes_on=opened,
        )

        requests = self._requests

        def decided(message: wire.Query, decision: Decision) -> None:
            decision.text = None
            if not isinstance(decision.verdict, Block):
                at = self._requests.decided_at
                renewed = named.renewed(decision, plan_of(decision), at)
                # What a token was given for, or a guess, is with the server by now.
                if renewed is not None and opened and loosens(named.plan, renewed.plan):
                    requests.refuse_query(message, requests.block(*MOVED))
                    return
                if renewed is not None and not takes_tokens(renewed.plan):
                    run = Run(renewed.plan, alters=alters(named.facts))
                    run.goes_on = opened
                    doubt = Vouch(named.event, 0, renewed.plan, at)
                    self._requests.doubt(run, doubt, self._requests.decided_stamp)
                    self._send(message, decision, [run])
                    return
                decision = self._requests.block(*STALE)
            self._requests.refuse_query(message, decision)

        self._requests.ask(message, event, decided)

    def _send(self, message: wire.Query, decision: Decision, runs: list[Run]) -> None:
        requests = self._requests
        expected = Expected(Kind.QUERY, runs=runs)
        for run in runs:
            requests.spend(run)
            if run.change is not None:
                self._names.propose(requests.segment, run.change)
            if run.alters:
                requests.alters_schema()
        text, decision.text = decision.text, None
        if text is None:
            requests.forward(message, expected)
        else:
            requests.substitute(message, wire.query(text.encode()), expected)
        requests.end_segment()
        for facts in decision.facts:
            if copies_in(facts):
                requests.wait_for_copy(expected)
                break


def _asks_by_name(planned: Sequence[Planned]) -> bool:
    """Whether there are several questions of which a budget counts, and an EXECUTE among them: how
    many are left was looked at when it was prepared."""
    asking = [
        one
        for one in planned
        if not one.opened and one.run.plan is not None
        if one.run.plan.spend is not None and one.run.plan.spend.predicates
    ]
    return len(asking) > 1 and any(one.named is not None for one in asking)
