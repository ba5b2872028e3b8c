"""Extended query: Parse, Bind, Describe, Execute, Close, Sync, Flush (manual 55.2.4)."""

from __future__ import annotations

from hoopgate.events import Decision, Statement, StatementFacts
from hoopgate.postgres import wire
from hoopgate.postgres.answers import Expected, Kind, Run
from hoopgate.postgres.names import Change, Names, Portal, Prepared, Space
from hoopgate.postgres.planning import (
    MAKES_NAMES,
    NOTHING,
    Missing,
    Planner,
    copies_in,
    plan_of,
)
from hoopgate.postgres.requests import Message, Requests
from hoopgate.verdicts import Block

#: The server compares this many bytes of a name (NAMEDATALEN - 1): two longer names that differ
#: behind it are one to the server, and must not be two to us.
LONGEST_NAME = 63


class ExtendedQuery:
    """Handles the messages of the extended protocol."""

    def __init__(
        self, requests: Requests, names: Names, planner: Planner, settings: dict[str, str]
    ) -> None:
        self._requests = requests
        self._names = names
        self._planner = planner
        self._settings = settings

    # --- Parse ----------------------------------------------------------------------------------

    def parse(self, message: wire.Parse) -> None:
        """Judged now, so that a refusal comes early; run by Execute, which asks where it must."""
        if self._name_too_long(message, message.name):
            return
        event = Statement(
            message.text.decode(), message.types, settings=self._settings, executes=False
        )

        def decided(decision: Decision) -> None:
            self._parse_decided(message, event, decision)

        self._requests.ask(message, event, decided)

    def _parse_decided(self, message: wire.Parse, event: Statement, decision: Decision) -> None:
        if isinstance(decision.verdict, Block):
            self._requests.refuse_extended(message, decision)
            return
        facts = decision.facts[0] if decision.facts else NOTHING
        generation = self._planner.generation()
        prepared = Prepared(event, facts, decision, plan_of(decision), generation)
        self._propose(message, Kind.PARSE, Change(Space.STATEMENT, message.name, prepared))

    # --- Bind, Describe, Close --------------------------------------------------------------------

    def bind(self, message: wire.Bind) -> None:
        """The portal takes the statement's plan."""
        if self._name_too_long(message, message.portal, message.statement):
            return
        prepared = self._names.statement(message.statement, self._requests.segment)
        if prepared is None:
            self._unknown(message, Space.STATEMENT)
            return
        formats = message.formats
        parameters = tuple(
            (formats[index] if len(formats) > 1 else formats[0] if formats else 0, value)
            for index, value in enumerate(message.parameters)
        )
        portal = Portal(prepared, prepared.plan, message.result_formats, parameters)
        self._propose(message, Kind.BIND, Change(Space.PORTAL, message.portal, portal))

    def describe(self, message: wire.Describe) -> None:
        """The answer is held against the plan (``answers.py``)."""
        if self._name_too_long(message, message.name):
            return
        segment = self._requests.segment
        if message.kind == b"S":
            prepared = self._names.statement(message.name, segment)
            space, kind = Space.STATEMENT, Kind.DESCRIBE_STATEMENT
        else:
            portal = self._names.portal(message.name, segment)
            prepared = None if portal is None else portal.prepared
            space, kind = Space.PORTAL, Kind.DESCRIBE_PORTAL
        if prepared is None:
            self._unknown(message, space)
            return
        plan = prepared.plan if prepared.facts.kind not in MAKES_NAMES else None
        self._requests.forward(message, Expected(kind, plan=plan))

    def close(self, message: wire.CloseMessage) -> None:
        """Closing what is not there is no error."""
        if self._name_too_long(message, message.name):
            return
        space = Space.STATEMENT if message.kind == b"S" else Space.PORTAL
        self._propose(message, Kind.CLOSE, Change(space, message.name, None))

    def _propose(self, message: Message, kind: Kind, change: Change) -> None:
        self._names.propose(self._requests.segment, change)
        self._requests.forward(message, Expected(kind, change=change))

    # --- Execute ----------------------------------------------------------------------------------

    def execute(self, message: wire.Execute) -> None:
        """Runs a portal, or goes on with a suspended one."""
        if self._name_too_long(message, message.portal):
            return
        portal = self._names.portal(message.portal, self._requests.segment)
        if portal is None:
            self._unknown(message, Space.PORTAL)
        elif portal.cleared or self._planner.current(portal.prepared):
            self._run(message, portal)
        else:
            self._ask_again(message, portal)

    def _ask_again(self, message: wire.Execute, portal: Portal) -> None:
        """Every execution of a held statement asks, and one judged by older rules does."""
        prepared = portal.prepared
        event = Statement(
            prepared.event.text, prepared.event.parameter_types, portal.parameters, self._settings
        )

        def decided(decision: Decision) -> None:
            if isinstance(decision.verdict, Block):
                self._requests.refuse_extended(message, decision)
                return
            portal.plan = plan_of(decision)
            portal.cleared = True
            self._run(message, portal)

        self._requests.ask(message, event, decided)

    def _run(self, message: wire.Execute, portal: Portal) -> None:
        requests, prepared = self._requests, portal.prepared
        try:
            planned = self._planner.planned(
                prepared.decision, 0, prepared.facts, requests.segment, {}
            )
        except Missing as missing:
            requests.refuse_extended(message, requests.block(*missing.why))
            return
        if planned.ask is not None:
            self._ask_for_name(message, portal, planned.ask)
            return
        if prepared.facts.kind not in ("execute", "fetch", *MAKES_NAMES):
            planned.run.plan = portal.plan
        self._send(message, portal, planned.run, prepared.facts)

    def _ask_for_name(self, message: wire.Execute, portal: Portal, named: Prepared) -> None:
        """The portal runs ``EXECUTE s``, and s must be judged again."""
        event = Statement(
            named.event.text,
            named.event.parameter_types,
            ((0, portal.prepared.event.text.encode()), *portal.parameters),
            self._settings,
        )

        def decided(decision: Decision) -> None:
            if isinstance(decision.verdict, Block):
                self._requests.refuse_extended(message, decision)
            else:
                self._send(message, portal, Run(plan_of(decision)), NOTHING)

        self._requests.ask(message, event, decided)

    def _send(self, message: wire.Execute, portal: Portal, run: Run, facts: StatementFacts) -> None:
        portal.cleared = True
        run.formats = portal.formats
        if run.change is not None:
            self._names.propose(self._requests.segment, run.change)
        expected = Expected(Kind.EXECUTE, runs=(run,))
        self._requests.forward(message, expected)
        if copies_in(facts):
            self._requests.wait_for_copy(expected)

    # --- Sync and Flush ---------------------------------------------------------------------------

    def sync(self, message: wire.Sync) -> None:
        """Ends the segment: after an error the server listens again from here."""
        self._requests.answers.discarding = False
        self._requests.forward(message, Expected(Kind.SYNC))
        self._requests.end_segment()

    def flush(self, message: wire.Flush) -> None:
        """The client waits for what it has asked so far."""
        self._requests.forward(message)
        self._requests.flush()

    # --- refusals ---------------------------------------------------------------------------------

    def _unknown(self, message: Message, space: Space) -> None:
        what = "prepared statement" if space is Space.STATEMENT else "portal"
        decision = self._requests.block(
            f"{space.value}.unknown",
            f"There is no {what} of that name.",
            "Prepare or bind it in this session first.",
        )
        self._requests.refuse_extended(message, decision)

    def _name_too_long(self, message: Message, *names: bytes) -> bool:
        if all(len(name) <= LONGEST_NAME for name in names):
            return False
        decision = self._requests.block(
            "name.length",
            f"A name is longer than {LONGEST_NAME} bytes.",
            "Use shorter names for statements and portals.",
        )
        self._requests.refuse_extended(message, decision)
        return True
