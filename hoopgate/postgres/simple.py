"""Simple query: one Query message, one or several statements (manual 55.2.3)."""

from __future__ import annotations

from typing import final

from hoopgate.events import Decision, Statement
from hoopgate.postgres import wire
from hoopgate.postgres.answers import Expected, Kind, Run
from hoopgate.postgres.names import Names, Prepared
from hoopgate.postgres.planning import Missing, Planner, copies_in, plan_of
from hoopgate.postgres.requests import Requests
from hoopgate.verdicts import Block


@final
class SimpleQuery:
    """Handles Query and FunctionCall."""

    def __init__(
        self, requests: Requests, names: Names, planner: Planner, settings: dict[str, str]
    ) -> None:
        self._requests = requests
        self._names = names
        self._planner = planner
        self._settings = settings

    def query(self, message: wire.Query) -> None:
        """Every statement of the text is judged before the first is forwarded (PROTOCOLS A17)."""
        event = Statement(message.text.decode(), settings=self._settings)
        self._requests.ask(message, event, self._decided)

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
            planned = self._planner.runs(decision, requests.segment)
        except Missing as missing:
            requests.refuse_query(message, requests.block(*missing.why))
            return
        again = None
        for one in planned:
            again = again or one.ask
        if again is None:
            self._send(message, decision, [one.run for one in planned])
        elif len(planned) == 1:
            self._ask_again(message, again)
        else:
            alone = requests.block(
                "statement.held",
                "A prepared statement that must be judged again runs alone.",
                "Send EXECUTE as a query of its own.",
            )
            requests.refuse_query(message, alone)

    def _ask_again(self, message: wire.Query, prepared: Prepared) -> None:
        """``EXECUTE s`` of a statement that needs an approval, or was judged by older rules."""
        event = Statement(
            prepared.event.text,
            prepared.event.parameter_types,
            ((0, message.text),),
            self._settings,
        )

        self._requests.ask(message, event, self._decided_again)

    def _decided_again(self, message: wire.Query, decision: Decision) -> None:
        if isinstance(decision.verdict, Block):
            self._requests.refuse_query(message, decision)
        else:
            self._send(message, decision, [Run(plan_of(decision))])

    def _send(self, message: wire.Query, decision: Decision, runs: list[Run]) -> None:
        requests = self._requests
        expected = Expected(Kind.QUERY, runs=runs)
        for run in runs:
            if run.change is not None:
                self._names.propose(requests.segment, run.change)
        requests.forward(message, expected)
        requests.end_segment()
        for facts in decision.facts:
            if copies_in(facts):
                requests.wait_for_copy(expected)
                break
