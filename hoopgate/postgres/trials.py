"""A statement that is tried (:mod:`hoopgate.trials`), in PostgreSQL's protocol.

The transaction is begun and ended by messages of the extended protocol under names of their own,
so that the client's unnamed statement and portal stay what they are. What goes to the server:

========  ======================================  ===========================================
          a Query                                 an Execute, whose Sync waits here
========  ======================================  ===========================================
begin     BEGIN, a time limit, the Query          Parse, Bind … BEGIN, a time limit, Execute
commit    COMMIT, Sync                            COMMIT, then the client's Sync
deny      ROLLBACK, what must fail, Sync          ROLLBACK, what must fail, the client's Sync
failed    ROLLBACK, Sync                          Sync, ROLLBACK, then the client's Sync
========  ======================================  ===========================================

Only a statement that is alone is tried: no transaction is open, nothing has run before it since the
last Sync, and the next message is Sync. While it is, no message of the client's is handled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from hoopgate.actions import Decision
from hoopgate.events import Effect
from hoopgate.postgres import wire
from hoopgate.postgres.answers import Answers
from hoopgate.postgres.expected import Expected, Kind
from hoopgate.postgres.names import Unsettled
from hoopgate.postgres.requests import Message, Requests
from hoopgate.trials import TOO_LARGE, UNFIT, Trial
from hoopgate.verdicts import Block, Hold

#: Seconds that the server waits for longer than the gateway: it ends the transaction of a gateway
#: that is gone without its connection being closed.
_MARGIN: Final = 10.0


@final
class Trials:
    """The trials of a session, one at a time."""

    def __init__(self, requests: Requests, answers: Answers) -> None:
        self._requests = requests
        self._answers = answers
        self._count = 0
        self._ticket = 0
        self._asking = False
        self._query = False
        self._prepared: tuple[wire.Execute, Decision, Callable[[], None]] | None = None

    @property
    def active(self) -> bool:
        """True while no message of the client's may be handled."""
        return self._answers.trial is not None

    @property
    def asking(self) -> bool:
        """True while the verdict on an effect is due."""
        return self._asking

    @property
    def pending(self) -> bool:
        """True when an Execute is to be tried once it is known that Sync follows it."""
        return self._prepared is not None

    def is_asking(self, ticket: int) -> bool:
        """True while the verdict on ``ticket`` is due, and it is one on an effect."""
        return self._asking and ticket == self._ticket

    # --- begin ----------------------------------------------------------------------------------

    def begin_query(self, decision: Decision) -> bool:
        """The Query that ``decision`` is about is passed on next; False: it is not alone.

        :raises Unsettled: the server has not answered all that was sent before.
        """
        if not self._alone():
            return False
        self._begin(decision, query=True)
        return True

    def prepare(self, message: wire.Execute, decision: Decision, run: Callable[[], None]) -> None:
        """Try ``message``, by ``run``, if the next one is Sync."""
        self._prepared = message, decision, run

    def follows(self, message: Message) -> None:
        """``message`` follows an Execute that is to be tried: it is tried, or refused.

        :raises Unsettled: as :meth:`begin_query` does.
        """
        assert self._prepared is not None
        execute, decision, run = self._prepared
        if self._requests.discarding:
            self._prepared = None
            self._requests.drop(execute)
            return
        sound = isinstance(message, wire.Sync) and self._alone()
        self._prepared = None
        if not sound:
            self._requests.refuse_extended(execute, self._requests.block(*UNFIT))
            return
        self._begin(decision, query=False)
        run()
        self._requests.insert(wire.flush())
        self._requests.flush()

    def _alone(self) -> bool:
        answers = self._answers
        for due in answers.expected:
            if due.kind is Kind.QUERY or due.kind is Kind.SYNC:
                raise Unsettled
        ran = any(due.kind is Kind.EXECUTE for due in answers.expected)
        return answers.status == b"I" and not ran and answers.ran_in != self._requests.segment

    def _begin(self, decision: Decision, *, query: bool) -> None:
        verdict = decision.verdict
        assert isinstance(verdict, Hold)
        self._query = query
        self._answers.trial = Trial()
        limit = int((verdict.expires + _MARGIN) * 1000)
        self._own(b"BEGIN")
        self._own(b"SET LOCAL idle_in_transaction_session_timeout = %d" % limit)

    # --- go on ----------------------------------------------------------------------------------

    def went_on(self) -> None:
        """The server has answered something."""
        answers = self._answers
        trial = answers.trial
        if trial is None or self._asking or trial.ending or answers.expected:
            return
        if trial.failed:
            self._failed(trial)
        elif trial.too_large:
            self._deny(self._requests.block(*TOO_LARGE))
        else:
            self._asking = True
            self._ticket = self._requests.ask_of(Effect(trial.affected or 0))

    def _failed(self, trial: Trial) -> None:
        answers = self._answers
        trial.ending = True
        if not trial.began:
            answers.trial = None
            if self._query:
                answers.discarding = False
                self._close()
            return
        if answers.discarding:
            answers.discarding = False
            self._requests.insert(wire.sync(), Expected(Kind.SYNC, own=b"-"))
        self._end(b"ROLLBACK")

    def decided(self, decision: Decision) -> None:
        """The verdict on the effect."""
        self._asking = False
        trial = self._answers.trial
        if trial is None:
            return  # the server has ended the transaction
        self._requests.decided_effect(decision)
        if isinstance(decision.verdict, Block):
            self._deny(decision)
        else:
            trial.ending = True
            self._end(b"COMMIT")

    def _deny(self, decision: Decision) -> None:
        trial = self._answers.trial
        assert trial is not None
        trial.ending = True
        trial.drop()
        self._own(b"ROLLBACK")
        self._requests.poison(decision)
        self._close()

    def _end(self, command: bytes) -> None:
        self._own(command)
        self._close()

    def _close(self) -> None:
        if self._query:
            self._requests.insert(wire.sync(), Expected(Kind.SYNC))
        else:
            self._requests.insert(wire.flush())
        self._requests.flush()

    def _own(self, command: bytes) -> None:
        """Have the server run ``command``; the client sees nothing of it."""
        self._count += 1
        name = b"hoopgate.trial.%d" % self._count
        for data, kind in (
            (wire.parse(name, command, ()), Kind.PARSE),
            (wire.bind(name, name, (), (), ()), Kind.BIND),
            (wire.execute(name), Kind.EXECUTE),
            (wire.close(b"S", name), Kind.CLOSE),
        ):
            own = command.split(b" ", 1)[0] if kind is Kind.EXECUTE else b"-"
            self._requests.insert(data, Expected(kind, own=own))
