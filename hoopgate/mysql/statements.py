"""The client's half of a session: what becomes of each command (PROTOCOLS B10 to B15)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from hoopgate.actions import Decision
from hoopgate.errors import RemoteProtocolError
from hoopgate.events import Statement
from hoopgate.mysql import wire_commands as commands
from hoopgate.mysql.expected import Expected, Kind
from hoopgate.mysql.login import settle
from hoopgate.mysql.prepared import (
    MOST_PREPARED,
    MOST_PREPARED_SIZE,
    LongValue,
    Prepared,
    alters,
    masks_of,
    runs_at_once,
    take_text,
    takes_tokens,
)
from hoopgate.mysql.wire import Status
from hoopgate.mysql.wire_handshake import Capability
from hoopgate.mysql.wire_results import Eof, Ok
from hoopgate.mysql.wire_values import Parameter
from hoopgate.sql.mysql.versioned import number, written_out
from hoopgate.verdicts import Hold

if TYPE_CHECKING:
    from hoopgate.mysql.session import MysqlSession

#: KILL as a whole text. Every other spelling is judged, as any statement.
_KILL: Final = re.compile(
    r"\s*KILL\s+(?:(?:HARD|SOFT)\s+)?(?:(CONNECTION|QUERY)\s+)?([0-9]{1,10})\s*;?\s*", re.IGNORECASE
)
_USE: Final = re.compile(r"\s*USE\s+(?:`([^`]{1,64})`|([\w$]{1,64}))\s*;?\s*", re.IGNORECASE)

_UNKNOWN: Final = (
    "statement.not_prepared",
    "There is no prepared statement of that id.",
    "Prepare it in this session first.",
)


_NO_BULK: Final = (
    "token.bulk",
    "A parameter is compared with a column whose values come as tokens.",
    "Execute the statement once for each row of values.",
)
#: Any other KILL would go by the database's ids, and all sessions have one account there.
_KILL_WORD: Final = re.compile(r"\bkill\b", re.IGNORECASE)
_MAY_KILL: Final = frozenset({"maintenance", "do", "unknown"})
_NO_KILL: Final = (
    "statement.kill",
    "KILL goes by the connection ids of the gateway.",
    "Write KILL, or KILL QUERY, and the id that the client was told when it connected.",
)


def _kills(text: str, decision: Decision) -> bool:
    """Whether a statement that was allowed may be a KILL, however it is spelt."""
    return _KILL_WORD.search(text) is not None and any(
        not facts.classes.isdisjoint(_MAY_KILL) for facts in decision.facts
    )


class Statements:
    """Handles one command at a time."""

    def __init__(self, session: MysqlSession) -> None:
        self._session = session
        self._answers = session.answers
        self._release = number(session.settings.get("version", ""))
        self._mysql = session.protocol == "mysql"

    def handle(self, command: commands.Command, payload: bytes) -> None:
        """Forward, ask about, answer or refuse ``command``, which was decoded from ``payload``."""
        match command:
            case commands.Query():
                self._query(command)
            case commands.Execute():
                self._execute(command, payload)
            case commands.Prepare():
                self._prepare(command)
            case commands.Quit():
                self._session.quit()
            case commands.Plain():
                self._plain(command)
            case commands.InitDb():
                self._use(command.database.decode("utf-8", "replace"))
            case commands.FieldList():
                self._field_list(command)
            case commands.ProcessKill():
                self._kill(command.thread, False)
            case commands.SetOption():
                self._set_option(command)
            case commands.LongData():
                self._long_data(command)
            case commands.OfStatement():
                self._of_statement(command)
            case commands.Fetch():
                self._fetch(command)
            case commands.BulkExecute():
                self._bulk_execute(command, payload)
            case _:
                self._unfit(command)

    # --- text ------------------------------------------------------------------------------------

    def _query(self, command: commands.Query) -> None:
        text = self._text(command.text)
        if text is None:
            return
        kill, use = _KILL.fullmatch(text), _USE.fullmatch(text)
        if kill is not None:
            self._kill(int(kill[2]), (kill[1] or "").upper() == "QUERY")
        elif use is not None:
            self._use(use[1] or use[2])
        else:
            event = Statement(text, settings=self._session.settings, tries=True)
            self._session.ask(event, lambda decision: self._run(text, decision))

    def _run(self, text: str, decision: Decision) -> None:
        if _kills(text, decision):
            self._refuse(*_NO_KILL)
            return
        expected = Expected(Kind.TEXT, plan=masks_of(decision), alters=alters(decision))
        if expected.alters:
            self._session.alters_schema()
        self._session.spend(decision)
        command = commands.query(take_text(decision, text).encode())
        if isinstance(decision.verdict, Hold):
            self._session.trials.begin(lambda: self._session.send(expected, command))
        else:
            self._session.send(expected, command)

    def _text(self, data: bytes) -> str | None:
        try:
            return written_out(data.decode(), self._release, mysql=self._mysql)
        except UnicodeDecodeError:
            self._refuse(
                "message.encoding",
                "The statement is not UTF-8.",
                "Set the connection's character set to utf8mb4.",
            )
            return None

    def _field_list(self, command: commands.FieldList) -> None:
        try:
            table = command.table.decode()
            wildcard = command.wildcard.decode()
        except UnicodeDecodeError:
            self._refuse("message.encoding", "A name is not UTF-8.", "Fix the client.")
            return
        text = "SHOW COLUMNS FROM `" + table.replace("`", "``") + "`"
        if wildcard:
            text += " LIKE '" + wildcard.replace("\\", "\\\\").replace("'", "''") + "'"
        event = Statement(text, settings=self._session.settings)
        self._session.ask(event, lambda _: self._session.send(Expected(Kind.COLUMNS)))

    # --- prepared statements ---------------------------------------------------------------------

    def _prepare(self, command: commands.Prepare) -> None:
        self._answers.last_prepared = None
        text = self._text(command.text)
        if text is None:
            return
        answers = self._answers
        if (
            len(answers.statements) >= MOST_PREPARED
            or answers.prepared_size + len(text) > MOST_PREPARED_SIZE
        ):
            self._refuse(
                "statement.too_many",
                "Too many statements are prepared.",
                "Close those that are not used any more.",
            )
            return
        event = Statement(text, settings=self._session.settings, executes=False)
        self._session.ask(event, lambda decision: self._prepare_judged(text, decision))

    def _prepare_judged(self, text: str, decision: Decision) -> None:
        if _kills(text, decision):
            self._refuse(*_NO_KILL)
            return
        generation = self._session.generation()
        sent = take_text(decision, text)

        def made(id: int, parameters: int) -> Prepared:
            return Prepared(id, text, sent, decision, generation, parameters)

        expected = Expected(Kind.PREPARE, plan=masks_of(decision), made=made)
        self._session.send(expected, commands.prepare(sent.encode()))

    def _find(self, id: int) -> Prepared | None:
        """The statement of that id; refuses the command when there is none."""
        found = self._peek(id)
        if found is None:
            self._refuse(*_UNKNOWN)
        return found

    def _runnable(self, id: int) -> Prepared | None:
        """As :meth:`_find`, for a statement of which nothing was left out."""
        found = self._find(id)
        if found is None or not found.spoilt:
            return found
        found.forget_long()
        self._refuse(
            "message.size",
            "A piece of a parameter was above the limit and was not passed on.",
            "Send less in one piece.",
        )
        return None

    def _peek(self, id: int) -> Prepared | None:
        if id == commands.LAST_PREPARED:
            return self._answers.last_prepared
        return self._answers.statements.get(id)

    def _execute(self, command: commands.Execute, payload: bytes) -> None:
        statement = self._runnable(command.statement)
        if statement is None:
            return
        try:
            types, values = commands.bound(
                command.values, statement.parameters, statement.types, frozenset(statement.long)
            )
        except RemoteProtocolError as wrong:
            self._malformed(str(wrong))
            return
        statement.types = types
        statement.cursor = None

        def parameters() -> tuple[Parameter, ...]:
            return tuple(
                (code, b"sha256:" + long.digest.digest() if long is not None else value)
                for index, (code, value) in enumerate(values)
                for long in (statement.long.get(index),)
            )

        long = frozenset(statement.long)

        def data(given: tuple[bytes | None, ...] | None) -> bytes:
            head = payload[:1] + statement.id.to_bytes(4, "little")
            if given is None:
                return head + payload[5:]
            return head + payload[5:10] + commands.rebound(types, given, long)

        self._run_prepared(statement, data, parameters)

    def _bulk_execute(self, command: commands.BulkExecute, payload: bytes) -> None:
        if not self._session.capabilities & Capability.BULK_OPERATIONS:
            self._unfit(commands.Unsupported(payload[0]))
            return
        statement = self._runnable(command.statement)
        if statement is None:
            return
        try:
            statement.types = commands.check_bulk(
                command.flags, command.values, statement.parameters, statement.types
            )
        except RemoteProtocolError as wrong:
            self._malformed(str(wrong))
            return
        statement.cursor = None

        def parameters() -> tuple[Parameter, ...]:
            return ((0, b"bulk:" + hashlib.sha256(command.values).digest()),)

        def data(_: tuple[bytes | None, ...] | None) -> bytes:
            return payload[:1] + statement.id.to_bytes(4, "little") + payload[5:]

        self._run_prepared(statement, data, parameters, bulk=True)

    def _run_prepared(
        self,
        statement: Prepared,
        data: Callable[[tuple[bytes | None, ...] | None], bytes],
        parameters: Callable[[], tuple[Parameter, ...]],
        *,
        bulk: bool = False,
    ) -> None:
        """Execute ``statement``.

        :param data: makes the command, with these values in place of the client's.
        :param bulk: its values are of many rows: none of them can be a token.
        """
        session = self._session
        current = statement.generation == session.generation() and session.confirmed()
        tokens = takes_tokens(statement.decision)
        if current and runs_at_once(statement.decision) and not tokens:
            self._send_execute(statement, data(None), statement.decision)
            return
        # Under other rules a value may have to be a token that needed not before.
        event = Statement(
            statement.text,
            (),
            parameters(),
            session.settings,
            binds=tokens or not current,
            tries=True,
        )

        def decided(decision: Decision) -> None:
            given, decision.values = decision.values, None
            if bulk and takes_tokens(decision):
                self._refuse(*_NO_BULK)
                return
            if take_text(decision, statement.text) != statement.sent:
                self._refuse(
                    "statement.stale",
                    "The schema or the rules changed since the statement was prepared.",
                    "Prepare it again.",
                )
                return
            if runs_at_once(statement.decision):
                statement.decision = decision
                statement.generation = session.generation()
            self._send_execute(statement, data(given), decision)

        session.ask(event, decided)

    def _send_execute(self, statement: Prepared, data: bytes, decision: Decision) -> None:
        expected = Expected(
            Kind.BINARY, plan=masks_of(decision), prepared=statement, alters=alters(decision)
        )
        if expected.alters:
            self._session.alters_schema()
        self._session.spend(decision)
        statement.forget_long()
        if isinstance(decision.verdict, Hold):
            self._session.trials.begin(lambda: self._session.send(expected, data))
        else:
            self._session.send(expected, data)

    def _long_data(self, command: commands.LongData) -> None:
        statement = self._peek(command.statement)
        if statement is None or command.parameter >= statement.parameters:
            self._session.drop()  # as the server would; it never answers this
            return
        long = statement.long.setdefault(command.parameter, LongValue(hashlib.sha256()))
        long.digest.update(command.data)
        long.size += len(command.data)
        self._session.send(None)

    def _of_statement(self, command: commands.OfStatement) -> None:
        statement = self._peek(command.statement)
        if command.code == commands.STMT_CLOSE:
            if statement is None:
                self._session.drop()
                return
            del self._answers.statements[statement.id]
            self._answers.prepared_size -= statement.size
            if self._answers.last_prepared is statement:
                self._answers.last_prepared = None
            self._session.send(None)
        elif statement is None:
            self._refuse(*_UNKNOWN)
        else:
            statement.forget_long()
            statement.cursor = None
            self._session.send(Expected(Kind.OK))

    def _fetch(self, command: commands.Fetch) -> None:
        statement = self._find(command.statement)
        if statement is None:
            return
        if statement.cursor is None:
            self._refuse(
                "statement.not_prepared",
                "The statement has no open cursor.",
                "Execute it with a cursor first.",
            )
            return
        self._session.send(Expected(Kind.ROWS, prepared=statement))

    # --- the connection --------------------------------------------------------------------------

    def _plain(self, command: commands.Plain) -> None:
        if command.code == commands.RESET_CONNECTION:
            # It ends what sessions begin with, so they begin anew in the same breath.
            self._session.send_and_settle(
                Expected(Kind.OK, resets=True),
                settle(self._session.protocol),
                Expected(Kind.INTERNAL),
            )
        elif command.code == commands.STATISTICS:
            self._session.send(Expected(Kind.STRING))
        else:
            self._session.send(Expected(Kind.OK))

    def _use(self, database: str) -> None:
        """The database never changes: it is the resource that the client was let in to."""
        if database in self._session.databases:
            self._session.answer(self._ok(), "protocol")
        else:
            self._refuse(
                "database.other",
                "This session is for one database.",
                "Connect with the other resource's name as the database.",
            )

    def _kill(self, thread: int, statement_only: bool) -> None:
        if self._session.kill(thread, statement_only):
            self._session.answer(self._ok(), "protocol")
        else:
            self._refuse(
                "thread.unknown",
                "There is no session of yours with that connection id.",
                "Take the id that the client was told when it connected.",
            )

    def _set_option(self, command: commands.SetOption) -> None:
        if command.option != 1:
            self._refuse(
                "command.multi_statements",
                "Several statements in one text are not taken.",
                "Send them one by one.",
            )
        elif self._session.capabilities & Capability.DEPRECATE_EOF:
            self._session.answer(self._ok(header=0xFE), "protocol")
        else:
            self._session.answer(Eof(0, self._status()).encode(), "protocol")

    def _status(self) -> int:
        return self._answers.status & (Status.IN_TRANSACTION | Status.AUTOCOMMIT)

    def _ok(self, header: int = 0) -> bytes:
        return Ok(0, 0, self._status(), 0, header=header).encode()

    # --- what is refused -------------------------------------------------------------------------

    def _unfit(self, command: commands.Command) -> None:
        if isinstance(command, commands.TooLarge):
            if command.code == commands.STMT_SEND_LONG_DATA:
                for statement in self._answers.statements.values():
                    statement.spoilt = True  # whose piece it was is of no use to know
            self._refuse(
                "message.size",
                f"A command of {command.size} bytes is above the limit.",
                "Send less in one command; the limit is limits.message_size.",
            )
        elif isinstance(command, commands.Malformed):
            self._malformed(command.why)
        else:
            code = command.code if isinstance(command, commands.Unsupported) else 0
            name = commands.NAMES.get(code, f"command {code:#04x}")
            self._refuse(
                "command.unsupported",
                f"{name} is passed on to no database.",
                "Use a statement that can be judged.",
            )

    def _malformed(self, why: str) -> None:
        self._refuse(
            "message.malformed", f"A command is not well formed: {why}.", "Fix the client."
        )

    def _refuse(self, reason: str, message: str, remedy: str) -> None:
        self._session.refuse(self._session.block(reason, message, remedy))
