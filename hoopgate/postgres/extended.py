"""Extended query: Parse, Bind, Describe, Execute, Close, Sync, Flush (manual 55.2.4)."""

from __future__ import annotations

from typing import Final, final

from hoopgate.actions import Decision, Vouch
from hoopgate.events import Statement, StatementFacts
from hoopgate.postgres import wire
from hoopgate.postgres.expected import Expected, Kind, Run
from hoopgate.postgres.names import Change, Names, Portal, Prepared, Space, Values
from hoopgate.postgres.planning import (
    MAKES_NAMES,
    MOVED,
    NOTHING,
    RUNS_NAMES,
    STALE,
    Missing,
    Planner,
    alters,
    copies_in,
    loosens,
    plan_of,
    takes_tokens,
)
from hoopgate.postgres.requests import Message, Requests
from hoopgate.postgres.trials import Trials
from hoopgate.sql.resolver import needs_resolution
from hoopgate.verdicts import Block, Hold

#: Reason, message and remedy of refusing to go on with values that were bound before tokens were
#: asked for.
UNBOUND: Final = (
    "portal.stale",
    "A parameter is compared with a column whose values come as tokens by now.",
    "Bind it again, with a token.",
)

#: The server compares this many bytes of a name (NAMEDATALEN - 1): two longer names that differ
#: behind it are one to the server, and must not be two to us.
LONGEST_NAME: Final = 63


@final
class ExtendedQuery:
    """Handles the messages of the extended protocol."""

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

    # --- Parse ----------------------------------------------------------------------------------

    def parse(self, message: wire.Parse) -> None:
        """Judged now, so that a refusal comes early; run by Execute, which asks where it must."""
        if len(message.name) > LONGEST_NAME:
            self._name_too_long(message)
            return
        self._requests.ask(message, self._event(message), self._parse_decided)

    def _event(self, message: wire.Parse) -> Statement:
        return Statement(
            message.text.decode(), message.types, settings=self._settings, executes=False
        )

    def _parse_decided(self, message: wire.Parse, decision: Decision) -> None:
        text, decision.text = decision.text, None
        if isinstance(decision.verdict, Block):
            self._requests.refuse_extended(message, decision)
            return
        facts = decision.facts[0] if decision.facts else NOTHING
        event = self._event(message)
        prepared = Prepared(event, facts, decision, plan_of(decision), self._requests.decided_at)
        change = Change(Space.STATEMENT, message.name, prepared)
        if text is None:
            self._propose(message, Kind.PARSE, change)
        else:
            self._names.propose(self._requests.segment, change)
            data = wire.parse(message.name, text.encode(), message.types)
            self._requests.substitute(message, data, Expected(Kind.PARSE, change=change))

    # --- Bind, Describe, Close --------------------------------------------------------------------

    def bind(self, message: wire.Bind) -> None:
        """The portal takes the statement's plan."""
        if len(message.portal) > LONGEST_NAME or len(message.statement) > LONGEST_NAME:
            self._name_too_long(message)
            return
        prepared = self._names.statement(message.statement, self._requests.segment)
        if prepared is None:
            self._unknown(message, Space.STATEMENT)
            return
        if takes_tokens(prepared.plan):
            self._bind_tokens(message, prepared)
            return
        values = None if self._planner.current(prepared) else _values(message)
        portal = Portal(prepared, message.result_formats, values)
        if prepared.facts.kind:
            portal.bound = self._planner.named(prepared.facts, self._requests.segment)
        self._propose(message, Kind.BIND, Change(Space.PORTAL, message.portal, portal))

    def _bind_tokens(self, message: wire.Bind, prepared: Prepared) -> None:
        """Ask what the tokens among the parameters stand for, and whether it may be used."""
        event = prepared.event
        values = _values(message)

        def decided(message: wire.Bind, decision: Decision) -> None:
            given, decision.values = decision.values, None
            decision.text = None
            if isinstance(decision.verdict, Block):
                self._requests.refuse_extended(message, decision)
                return
            plan = plan_of(decision)
            prepared.judged(decision, plan, self._requests.decided_at)
            kept = None if self._planner.current(prepared) else values
            portal = Portal(prepared, message.result_formats, kept)
            portal.tokens = () if plan is None else plan.tokens
            change = Change(Space.PORTAL, message.portal, portal)
            if given is None:
                self._propose(message, Kind.BIND, change)
                return
            self._names.propose(self._requests.segment, change)
            data = wire.bind(
                message.portal, message.statement, message.formats, given, message.result_formats
            )
            self._requests.substitute(message, data, Expected(Kind.BIND, change=change))

        self._requests.ask(
            message,
            Statement(
                event.text,
                event.parameter_types,
                values,
                self._settings,
                executes=False,
                binds=True,
            ),
            decided,
        )

    def describe(self, message: wire.Describe) -> None:
        """The answer is held against the plan (``answers.py``)."""
        if len(message.name) > LONGEST_NAME:
            self._name_too_long(message)
            return
        segment = self._requests.segment
        if message.kind == b"P":
            portal = self._names.portal(message.name, segment)
            if portal is None:
                self._unknown(message, Space.PORTAL)
                return
            kind, prepared = Kind.DESCRIBE_PORTAL, portal.prepared
            named = portal.named or portal.bound
        else:
            found = self._names.statement(message.name, segment)
            if found is None:
                self._unknown(message, Space.STATEMENT)
                return
            kind, prepared = Kind.DESCRIBE_STATEMENT, found
            named = self._planner.named(found.facts, segment)
        plan = prepared.plan if prepared.facts.kind not in MAKES_NAMES else None
        if prepared.facts.kind in RUNS_NAMES:
            plan = None if named is None else named.plan
        self._requests.forward(message, Expected(kind, plan=plan, named=named is not None))

    def close(self, message: wire.CloseMessage) -> None:
        """Closing what is not there is no error."""
        if len(message.name) > LONGEST_NAME:
            self._name_too_long(message)
            return
        space = Space.STATEMENT if message.kind == b"S" else Space.PORTAL
        self._propose(message, Kind.CLOSE, Change(space, message.name, None))

    def _propose(self, message: Message, kind: Kind, change: Change) -> None:
        self._names.propose(self._requests.segment, change)
        self._requests.forward(message, Expected(kind, change=change))

    # --- Execute ----------------------------------------------------------------------------------

    def execute(self, message: wire.Execute) -> None:
        """Runs a portal, or goes on with a suspended one."""
        if len(message.portal) > LONGEST_NAME:
            self._name_too_long(message)
            return
        portal = self._names.portal(message.portal, self._requests.segment)
        if portal is None:
            self._unknown(message, Space.PORTAL)
        elif portal.named is not None:
            self._run_named(message, portal, portal.named, opened=True)
        elif self._planner.current(portal.prepared):
            self._run(message, portal)
        else:
            self._ask_again(message, portal)

    def _ask_again(self, message: wire.Execute, portal: Portal) -> None:
        """Every execution of a held statement asks, and one judged by older rules does."""
        prepared = portal.prepared
        settled = portal.values is None
        tries = not prepared.facts.kind and portal.values is not None and message.limit <= 0

        def decided(message: wire.Execute, decision: Decision) -> None:
            decision.text = None
            tried = tries and isinstance(decision.verdict, Hold)
            if tried:
                at = self._requests.decided_at
                renewed: Prepared | None = Prepared(
                    prepared.event, prepared.facts, decision, plan_of(decision), at
                )
            else:
                renewed = self._renewed(message, prepared, decision)
            if renewed is None:
                return
            if settled and loosens(prepared.plan, renewed.plan):
                self._requests.refuse_extended(message, self._requests.block(*MOVED))
                return
            portal.prepared = renewed
            if (
                not prepared.held and not renewed.held and not decision.approval
            ):  # so much for the next executions
                prepared.judged(decision, renewed.plan, renewed.generation)
            if renewed.plan is not None and renewed.plan.tokens != portal.tokens:
                # A value that may be a guess is with the server by now.
                self._requests.refuse_extended(message, self._requests.block(*UNBOUND))
                return
            if tried:
                self._trials.prepare(message, decision, lambda: self._run(message, portal))
                return
            self._run(message, portal)

        event = prepared.event
        self._requests.ask(
            message,
            Statement(
                event.text,
                event.parameter_types,
                portal.values,
                self._settings,
                executes=portal.values is not None,
                goes_on=portal.ran,
                tries=tries,
            ),
            decided,
        )

    def _run(self, message: wire.Execute, portal: Portal) -> None:
        requests, prepared = self._requests, portal.prepared
        facts = prepared.facts
        if not facts.kind and "execute" not in facts.classes:  # nearly all there is
            run = Run(prepared.plan, copy_options=facts.copy_options, alters=alters(facts))
            self._send(message, portal, run, facts)
            return
        try:
            planned = self._planner.planned(
                prepared.decision, prepared.generation, 0, facts, requests.segment, {}
            )
        except Missing as missing:
            requests.refuse_extended(message, requests.block(*missing.why))
            return
        if planned.named is None:
            self._send(message, portal, planned.run, facts)
        elif portal.bound is None or portal.bound.event is not planned.named.event:
            changed = requests.block(
                "portal.stale",
                "The name in this statement has another meaning than when it was bound.",
                "Bind it again.",
            )
            requests.refuse_extended(message, changed)
        else:
            self._run_named(message, portal, planned.named, opened=planned.opened)

    def _run_named(
        self, message: wire.Execute, portal: Portal, named: Prepared, *, opened: bool
    ) -> None:
        """The portal runs EXECUTE or FETCH: what that names may have to be judged again."""
        if self._planner.current(named):
            portal.named = named
            run = Run(named.plan, alters=alters(named.facts))
            run.goes_on = opened
            self._send(message, portal, run, NOTHING)
            return
        event = named.event

        def decided(message: wire.Execute, decision: Decision) -> None:
            decision.text = None
            renewed = self._renewed(message, named, decision)
            if renewed is not None and takes_tokens(renewed.plan):
                self._requests.refuse_extended(message, self._requests.block(*UNBOUND))
            elif renewed is not None and opened and loosens(named.plan, renewed.plan):
                self._requests.refuse_extended(message, self._requests.block(*MOVED))
            elif renewed is not None:
                portal.named = renewed
                run = Run(renewed.plan, alters=alters(named.facts))
                run.goes_on = opened
                self._send(message, portal, run, NOTHING)

        text = portal.prepared.event.text.encode()
        self._requests.ask(
            message,
            Statement(
                event.text,
                event.parameter_types,
                ((0, text), *(portal.values or ())),
                self._settings,
                executes=not opened,
                goes_on=opened,
            ),
            decided,
        )

    def _renewed(
        self, message: wire.Execute, prepared: Prepared, decision: Decision
    ) -> Prepared | None:
        """``prepared`` by a new decision; None: it may not go on, and ``message`` is refused."""
        if not isinstance(decision.verdict, Block):
            at = self._requests.decided_at
            renewed = prepared.renewed(decision, plan_of(decision), at)
            if renewed is not None:
                return renewed
            decision = self._requests.block(*STALE)
        self._requests.refuse_extended(message, decision)
        return None

    def _send(self, message: wire.Execute, portal: Portal, run: Run, facts: StatementFacts) -> None:
        requests = self._requests
        requests.answers.ran_in = requests.segment
        run.formats = portal.formats
        run.goes_on = run.goes_on or portal.ran
        portal.ran = True
        named = portal.named or portal.prepared
        if portal.named is not None or needs_resolution(named.facts):
            doubt = Vouch(named.event, 0, named.plan, named.generation)
            requests.doubt(run, doubt, requests.stamp())
        self._requests.spend(run)
        portal.values = None
        if run.change is not None:
            self._names.propose(self._requests.segment, run.change)
        if run.alters:
            self._requests.alters_schema()
        expected = Expected(Kind.EXECUTE, runs=[run])
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
        statement = space is Space.STATEMENT
        decision = self._requests.block(
            "statement.not_prepared" if statement else "portal.unknown",
            f"There is no {'prepared statement' if statement else 'portal'} of that name.",
            "Prepare or bind it in this session first.",
        )
        self._requests.refuse_extended(message, decision)

    def _name_too_long(self, message: Message) -> None:
        decision = self._requests.block(
            "name.length",
            f"A name is longer than {LONGEST_NAME} bytes.",
            "Use shorter names for statements and portals.",
        )
        self._requests.refuse_extended(message, decision)


def _values(bind: wire.Bind) -> Values:
    """The bound values, each after its format code."""
    formats = bind.formats or (0,)
    if len(formats) == 1:
        formats *= len(bind.parameters)
    return tuple(zip(formats, bind.parameters, strict=True))
