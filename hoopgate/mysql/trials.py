"""A statement that is tried (:mod:`hoopgate.trials`), in MySQL's protocol.

The protocol is half-duplex, so what the gateway asks itself goes step by step: are all tables
transactional, a transaction, the client's statement, and its end. The statement is not sent before
the server has said that the transaction is there.

``completion_type`` cannot make a commit begin another transaction or end the connection: both are
ruled out by name.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from hoopgate.actions import Decision
from hoopgate.events import Effect
from hoopgate.mysql.wire import Status
from hoopgate.trials import TOO_LARGE, UNFIT, Trial
from hoopgate.verdicts import Block

if TYPE_CHECKING:
    from hoopgate.mysql.session import MysqlSession

#: Fails (error 1242, a second row) where the account sees a table that no rollback takes back:
#: triggers, cascades and functions lead to others than a statement names.
_CHECK: Final = (
    "SET @hoopgate_trial = (SELECT 1 UNION ALL SELECT 1 FROM information_schema.TABLES"
    " WHERE TABLE_TYPE = 'BASE TABLE' AND COALESCE(ENGINE, '') <> 'InnoDB' AND TABLE_SCHEMA NOT IN"
    " ('mysql', 'sys', 'information_schema', 'performance_schema'))"
)
_BEGIN: Final = "START TRANSACTION"
_COMMIT: Final = "COMMIT AND NO CHAIN NO RELEASE"
_ROLLBACK: Final = "ROLLBACK AND NO CHAIN NO RELEASE"

#: Reason, message and remedy.
_ENGINES: Final = (
    "approval.effect",
    "A table here is of an engine that takes nothing back, so an effect cannot be shown.",
    "Ask an operator: all tables that the gateway's account sees have to be InnoDB.",
)


class _Step(Enum):
    IDLE = auto()
    CHECK = auto()
    BEGIN = auto()
    RUN = auto()
    ASK = auto()
    COMMIT = auto()
    ROLLBACK = auto()


class Trials:
    """The trials of a session, one at a time."""

    def __init__(self, session: MysqlSession) -> None:
        self._session = session
        self._answers = session.answers
        self._step = _Step.IDLE
        self._ticket = 0
        self._send: Callable[[], None] = lambda: None
        self._denied: Decision | None = None

    @property
    def active(self) -> bool:
        """True while no command of the client's may be handled."""
        return self._step is not _Step.IDLE

    def is_asking(self, ticket: int) -> bool:
        """True while the verdict on ``ticket`` is due, and it is one on an effect."""
        return self._step is _Step.ASK and ticket == self._ticket

    def begin(self, send: Callable[[], None]) -> None:
        """Try the command that is handled, which ``send`` passes on."""
        answers = self._answers
        if answers.in_transaction or not answers.status & Status.AUTOCOMMIT:
            self._refuse(*UNFIT)
            return
        self._send = send
        self._denied = None
        answers.trial = Trial()
        self._own(_Step.CHECK, _CHECK)

    def went_on(self) -> None:
        """An answer of the server's is complete."""
        answers = self._answers
        trial = answers.trial
        if trial is None or answers.busy:
            return
        error, answers.own_error = answers.own_error, b""
        step = self._step
        if step is _Step.CHECK:
            if error:
                self._over()
                self._refuse(*_ENGINES)
            else:
                self._own(_Step.BEGIN, _BEGIN)
        elif step is _Step.BEGIN:
            if error or not answers.in_transaction:
                self._over()
                self._refuse(*UNFIT)
            else:
                trial.began = True
                self._step = _Step.RUN
                self._send()
        elif step is _Step.RUN:
            self._ran(trial)
        elif step is _Step.COMMIT:
            shown = trial.release()
            self._over()
            if error:
                self._session.reply(error)
            else:
                self._session.show(shown)
        elif step is _Step.ROLLBACK:
            shown = trial.release()
            self._over()
            if error:
                self._session.fail("the server has not rolled back what was tried")
            elif self._denied is not None:
                self._session.reply_refusal(self._denied)
            else:
                self._session.show(shown)

    def _ran(self, trial: Trial) -> None:
        if trial.failed:
            self._own(_Step.ROLLBACK, _ROLLBACK)
        elif trial.too_large or trial.affected is None:
            self._deny(trial, self._session.block(*(TOO_LARGE if trial.too_large else UNFIT)))
        else:
            self._step = _Step.ASK
            self._ticket = self._session.ask_of(Effect(trial.affected))

    def decided(self, decision: Decision) -> None:
        """The verdict on the effect."""
        trial = self._answers.trial
        assert trial is not None
        if isinstance(decision.verdict, Block):
            self._deny(trial, decision)
        else:
            self._own(_Step.COMMIT, _COMMIT)

    def _deny(self, trial: Trial, decision: Decision) -> None:
        trial.drop()
        self._denied = decision
        self._own(_Step.ROLLBACK, _ROLLBACK)

    def _own(self, step: _Step, text: str) -> None:
        self._step = step
        self._session.send_own(text)

    def _over(self) -> None:
        self._step = _Step.IDLE
        self._answers.trial = None

    def _refuse(self, reason: str, message: str, remedy: str) -> None:
        self._session.refuse(self._session.block(reason, message, remedy))
