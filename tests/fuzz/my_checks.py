"""What must hold for any bytes, per decoder of MySQL's protocol; see :mod:`fuzz.pg_checks`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hoopgate.actions import Action, Ask, Close, Decision, Forward, Reply
from hoopgate.errors import RemoteProtocolError
from hoopgate.events import Side
from hoopgate.identity.credentials import Verifiers
from hoopgate.mysql import capabilities, login, startup
from hoopgate.mysql.answers import Answers
from hoopgate.mysql.expected import Expected, Kind
from hoopgate.mysql.masking import compile_plan, described
from hoopgate.mysql.prepared import Prepared
from hoopgate.mysql.render import MysqlRenderer
from hoopgate.mysql.session import MysqlSession
from hoopgate.mysql.wire import packets
from hoopgate.mysql.wire_handshake import Capability, Greeting, HandshakeResponse
from hoopgate.mysql.wire_results import Column, Eof, Ok
from hoopgate.mysql.wire_results import Prepared as PreparedPacket
from hoopgate.mysql.wire_values import Type
from hoopgate.plans import ColumnMask, MaskPlan, Method
from hoopgate.verdicts import Allow, Block, Mask

LIMIT = 300
FLAGS = capabilities.agreed(2**40 - 1, "mariadb")
SETTINGS = {"dialect": "mariadb", "database": "clinic", "sql_mode": ""}
KEPT = Verifiers.of("p" * 32)


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[i : i + size] for i in range(0, len(data), size))


# --- client → gateway --------------------------------------------------------------------------


class _Play:
    """A session whose server answers everything, and whose verdicts go by the text."""

    def __init__(self, flags: int) -> None:
        self.session = MysqlSession(
            protocol="mariadb",
            phi=True,
            settings=SETTINGS,
            capabilities=flags,
            resource="resource",
            kill=lambda thread, _: thread == 1,
            generation=lambda: 0,
            mint=lambda: "req",
            message_limit=LIMIT,
            response_limit=LIMIT,
        )
        self.forwarded: list[bytes] = []
        self.shown: list[bytes] = []
        self.ended = ""
        self._eof = not flags & Capability.DEPRECATE_EOF

    def feed(self, data: bytes) -> None:
        try:
            self._perform(self.session.received(Side.CLIENT, data))
        except RemoteProtocolError as error:
            self.ended = str(error)
        assert self.session.buffered <= LIMIT + 4 + len(data)

    def _perform(self, actions: list[Action]) -> None:
        work = list(actions)
        while work and not self.ended:
            action = work.pop(0)
            if isinstance(action, Forward):
                # What reaches the server was asked about, or is of a kind that is not.
                asked = action.data[4:5] in (b"\x03", b"\x16")
                assert not asked or any(isinstance(d.verdict, Allow) for d in action.decisions)
                self.forwarded.append(action.data)
            elif isinstance(action, Reply):
                self.shown.append(action.data)
            elif isinstance(action, Ask):
                event = action.event
                refused = "x" in getattr(event, "text", "")
                verdict = Block("r", "no", "No.") if refused else Allow("r")
                work = [*self.session.decided(action.ticket, Decision("req", verdict)), *work]
            elif isinstance(action, Close):
                self.ended = action.reason
            if not work and self.session.answers.busy and not self.ended:
                work = self.session.received(Side.BACKEND, self._answer())

    def _answer(self) -> bytes:
        expected = self.session.answers._due[0]
        end = Eof(0, 2).encode() if self._eof else Ok(0, 0, 2, 0, header=0xFE).encode()
        if expected.kind is Kind.PREPARE:
            payload = PreparedPacket(5, 0, 1, 0).encode()
            parameter = Column(b"", b"", b"", b"?", b"", 63, 0, Type.NULL, 0, 0, b"").encode()
            parts = [payload, parameter, *([Eof(0, 2).encode()] if self._eof else [])]
        elif expected.kind in (Kind.ROWS, Kind.COLUMNS):
            parts = [end]
        elif expected.kind is Kind.STRING:
            parts = [b"Uptime"]
        else:
            parts = [Ok(0, 0, 2, 0).encode()]
        out = b"".join(packets(one, expected.sent + n) for n, one in enumerate(parts))
        for more in self.session.answers._due[1:]:  # what the gateway asks with it
            out += packets(Ok(0, 0, 2, 0).encode(), more.sent)
        return out


def frontend(data: bytes) -> None:
    """Cuts change nothing, memory is bounded, and nothing passes unasked."""
    flags = FLAGS if data[:1] > b"\x7f" else FLAGS & ~Capability.DEPRECATE_EOF
    if not flags & Capability.EXTENDED_TYPES:
        return
    data = data[1:]

    def play(size: int) -> tuple[bytes, bytes, str]:
        run = _Play(flags)
        for chunk in cut(data, size):
            run.feed(chunk)
            if run.ended:
                break
        return b"".join(run.forwarded), b"".join(run.shown), run.ended

    assert play(len(data) or 1) == play(1) == play(7)


def client_login(data: bytes) -> None:
    """Cuts change nothing but where bytes follow one another too early; no secret before TLS."""
    method, data = data[:1], data[1:]

    def read(size: int) -> list[startup.LoginEvent]:
        client = startup.ClientLogin(
            "mariadb" if method < b"\x80" else "mysql",
            7,
            tls=method < b"\x40",
            startup_limit=LIMIT,
            token_limit=LIMIT,
            verifiers=(lambda _: KEPT) if method > b"\xc0" else None,
        )
        client.start()
        if method < b"\x20":
            client.received(packets(HandshakeResponse(FLAGS | Capability.SSL).head(), 1))
            client.secured()
        events: list[startup.LoginEvent] = []
        for chunk in cut(data, size):
            found = client.received(chunk)
            if found and isinstance(found[-1], startup.Hello):
                found += client.proceed()
            events += found
            assert client.buffered <= 2 * LIMIT + 4 + size
            if found and isinstance(found[-1], startup.StartTLS | startup.Fatal | startup.Token):
                break
        return events

    for event in read(1):
        assert not isinstance(event, startup.Proven)
        if isinstance(event, startup.Token):
            assert event.token.isascii()
    read(len(data) or 1)


# --- server → gateway --------------------------------------------------------------------------

PLAN = MaskPlan((None, ColumnMask("SSN", Method.REDACT, -1)))


def _expected(choice: int) -> Expected:
    kinds = list(Kind)
    kind = kinds[choice % len(kinds)]
    plan = PLAN if choice & 64 else None
    expected = Expected(kind, plan=plan)
    if kind is Kind.PREPARE:
        expected.made = lambda id, parameters: Prepared(
            id, "", "", Decision("r", Mask("m", (PLAN,))), 0, parameters
        )
    return expected


def backend(data: bytes) -> None:
    """Cuts change nothing, and what is passed on was understood."""
    choice, data = (data[0] if data else 0), data[1:]
    flags = FLAGS if choice & 32 else FLAGS & ~Capability.DEPRECATE_EOF

    def read(size: int) -> tuple[bytes, str]:
        answers = Answers(
            phi=bool(choice & 128), capabilities=flags, database="clinic", limit=LIMIT
        )
        answers.expect(_expected(choice))
        out = []
        try:
            for chunk in cut(data, size):
                out.append(answers.received(chunk))
                assert answers.buffered <= LIMIT + 4 + len(chunk)
        except RemoteProtocolError as error:
            return b"".join(out), str(error)
        return b"".join(out), ""

    whole, pieces = read(len(data) or 1), read(1)
    if whole[1]:
        # What was read before the mistake is not shown when it came together with it; and of two
        # mistakes the other one may be found first.
        assert pieces[1] and pieces[0].startswith(whole[0])
    else:
        assert whole == pieces


def backend_login(data: bytes) -> None:
    """Arbitrary servers get no password in the clear, and raise protocol errors only."""
    tls, data = data[:1] > b"\x7f", data[1:]
    asked = capabilities.wanted(FLAGS, "mariadb", phi=True)
    machine = login.BackendLogin(
        protocol="mariadb",
        user="agent",
        database="clinic",
        password="correct horse battery",
        capabilities=asked,
        tls=tls,
        private=False,
        attributes={},
    )
    greeting = Greeting(b"11", 1, b"s" * 20, asked | Capability.SSL)
    try:
        actions = machine.received(packets(greeting.encode(), 0))
        if tls:
            machine.secured()
        for chunk in cut(data, 9):
            actions += machine.received(chunk)
    except RemoteProtocolError:
        return
    if not tls:
        for action in actions:
            assert not isinstance(action, login.Send) or b"correct horse" not in action.data


CODES = [value for name, value in sorted(vars(Type).items()) if name.isupper()]


def rows(data: bytes) -> None:
    """A row is rewritten whole or refused, and what comes out has the columns that went in."""
    binary, count = bool(data[:1] > b"\x7f"), (data[1] % 6 + 1 if len(data) > 1 else 1)
    codes = [CODES[one % len(CODES)] for one in data[2 : 2 + count].ljust(count, b"\0")]
    columns = [Column(b"", b"", b"", b"c", b"", 45, 9, code, 0, 2) for code in codes]
    methods = list(Method)
    plan = MaskPlan(
        tuple(
            ColumnMask("DOB", methods[one % 4], -1) if one & 1 else None
            for one in data[2 + count : 2 + 2 * count].ljust(count, b"\1")
        )
    )
    try:
        masker = compile_plan(plan, columns, binary, this_year=2026)
        masked = masker.row(data[2 + 2 * count :])
        # Read again: what was written is a row, and masking is settled after it.
        shown = [
            described(column, mask) if mask is not None else column
            for column, mask in zip(columns, plan.columns, strict=True)
        ]
        again = MaskPlan(tuple(None for _ in plan.columns))
        assert compile_plan(again, shown, binary).row(masked) == masked
    except RemoteProtocolError:
        return


def render(data: bytes) -> None:
    """A replay shows printable lines, whatever was recorded."""
    shown = MysqlRenderer()
    for number, chunk in enumerate(cut(data, 11)):
        for line in (shown.request if number % 3 == 0 else shown.response)(chunk):
            assert line.isprintable()


CHECKS: dict[str, Callable[[bytes], None]] = {
    "my_frontend": frontend,
    "my_client_login": client_login,
    "my_backend": backend,
    "my_backend_login": backend_login,
    "my_rows": rows,
    "my_render": render,
}
