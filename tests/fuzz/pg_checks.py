"""What must hold for any bytes, per decoder of the PostgreSQL protocol.

Each check takes arbitrary bytes, whose first ones choose a variant, and fails on a broken promise.
The fuzz targets feed them for as long as one likes; the test suite feeds them the corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hoopgate.errors import IdentityRefused, RemoteProtocolError
from hoopgate.plans import ColumnMask, MaskPlan, Method
from hoopgate.postgres import errors, login, startup, wire
from hoopgate.postgres.copy import CopyMasker
from hoopgate.postgres.masking import compile_plan
from hoopgate.postgres.scram import OAuthBearer, ScramClient

LIMIT = 300


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[i : i + size] for i in range(0, len(data), size))


# --- client → gateway --------------------------------------------------------------------------


def frontend(data: bytes) -> None:
    """Cuts change nothing, memory is bounded, and a decoded message has no second reading."""

    def read(size: int) -> list[object]:
        reader = wire.FrontendReader(LIMIT)
        out: list[object] = []
        try:
            for chunk in cut(data, size):
                reader.feed(chunk)
                while (message := reader.next()) is not None:
                    out.append(message)
                    again(message)
                assert reader.buffered <= LIMIT
        except RemoteProtocolError as error:
            out.append(str(error))
        return out

    assert read(len(data) or 1) == read(1) == read(7)


def again(message: wire.FrontendMessage) -> None:
    match message:
        case wire.Query(text, raw):
            assert wire.query(text) == raw
        case wire.Parse(name, text, types, raw):
            assert wire.parse(name, text, types) == raw
        case wire.Bind(portal, statement, formats, parameters, results, raw):
            assert wire.bind(portal, statement, formats, parameters, results) == raw
        case wire.Describe(kind, name, raw):
            assert wire.describe(kind, name) == raw
        case wire.Execute(portal, limit, raw):
            assert wire.execute(portal, limit) == raw
        case wire.CloseMessage(kind, name, raw):
            assert wire.close(kind, name) == raw


def client_startup(data: bytes) -> None:
    """Cuts change nothing, and only allowed parameters come through."""
    secured, data = bool(data[:1] > b"\x7f"), data[1:]

    def read(size: int) -> list[startup.StartupEvent]:
        client = startup.ClientStartup(LIMIT, tls_required=secured, tls_available=secured)
        if secured:
            client.received(b"\0\0\0\x08\x04\xd2\x16\x2f")
            client.secured(b"postgresql")
        events: list[startup.StartupEvent] = []
        for chunk in cut(data, size):
            events += client.received(chunk)
            assert client.buffered <= LIMIT + size
            if events and not isinstance(events[-1], startup.Answer):
                break
        return events

    whole, pieces = read(len(data) or 1), read(1)
    for event in (*whole, *pieces):
        if isinstance(event, startup.Startup):
            names = {name.lower() for name in event.parameters}
            assert names <= {"user", "database", *startup._PARAMETERS}
            assert event.parameters["user"]
            assert event.minor in (0, 2)
    # Bytes behind a packet are refused only where they arrive with it, so whole may end earlier.
    if not isinstance(whole[-1] if whole else None, startup.Fatal):
        assert whole == pieces


def oauthbearer(data: bytes) -> None:
    """A token, a challenge or a refusal."""
    framed = b"OAUTHBEARER\0" + len(data).to_bytes(4, "big") + data
    for body in (data, framed):
        exchange = OAuthBearer("https://id.example", "scope")
        try:
            outcome = exchange.initial(body)
        except (RemoteProtocolError, IdentityRefused):
            continue
        if isinstance(outcome, str):
            assert outcome.isascii()
            assert not set(outcome) & set(" \0\1,")


# --- server → gateway --------------------------------------------------------------------------

DECODERS: tuple[Callable[[bytes], object], ...] = (
    wire.row_description,
    wire.parameter_description,
    wire.data_row_values,
    wire.command_tag,
    wire.transaction_status,
    wire.parameter_status_fields,
    wire.authentication,
    wire.sasl_mechanisms,
    wire.backend_key_fields,
    wire.copy_response,
    wire.negotiated_version,
    wire.error_fields,
)


def backend(data: bytes) -> None:
    """Cuts change nothing, runs are the messages, and decoders raise only what they may."""

    def read(size: int, runs: bool) -> tuple[bytes, str]:
        reader = wire.BackendReader(LIMIT)
        out = []
        try:
            for chunk in cut(data, size):
                reader.feed(chunk)
                while (type_ := reader.peek()) is not None:
                    taken = reader.take_run() if runs else reader.take()
                    assert taken[0] == type_
                    out.append(taken)
                assert reader.buffered <= LIMIT
        except RemoteProtocolError as error:
            return b"".join(out), str(error)
        return b"".join(out), ""

    outcomes = {read(size, runs) for size in (len(data) or 1, 1, 7) for runs in (False, True)}
    assert len(outcomes) == 1
    for decode in DECODERS:
        try:
            decode(data)
        except RemoteProtocolError:
            pass


def backend_login(data: bytes) -> None:
    """A login ends once, however the server answers, and says nothing the server said."""
    for password, size in ((None, len(data) or 1), ("pencil", 3)):
        machine = login.BackendLogin("gate", "clinic", password, {}, "disable", minor=2)
        machine.start()
        ends = 0
        for chunk in cut(data, size):
            for action in machine.received(chunk):
                assert not ends
                ends += isinstance(action, login.Ready | login.Failed)
                if isinstance(action, login.Ready):
                    assert action.parameters["client_encoding"] == "UTF8"
                if isinstance(action, login.Failed):
                    assert len(action.message) < 120
                    assert action.message.isascii()


def scram(data: bytes) -> None:
    """No server without the password is believed."""
    first, _, final = data.partition(b"\n")
    for server_first in (first, b"r=nonce" + first):
        client = ScramClient("pencil", [b"SCRAM-SHA-256"], nonce="nonce", maximum_iterations=4096)
        client.first()
        try:
            client.final(server_first)
            client.verify(final)
        except RemoteProtocolError:
            continue
        raise AssertionError("a forged signature was accepted")


REDACTED = ColumnMask("SSN", Method.REDACT, 25)
YEAR = ColumnMask("BIRTH", Method.GENERALISE, 1082)
PLANS = (
    MaskPlan((REDACTED,)),
    MaskPlan((None, REDACTED)),
    MaskPlan((REDACTED, None, ColumnMask("X", Method.NULL, 25))),
    MaskPlan((None, YEAR, REDACTED, None)),
)


def rows(data: bytes) -> None:
    """Rows are refused, or come out with their redacted columns constant."""
    choice, run = data[:1] or b"\0", data[1:]
    plan = PLANS[choice[0] % len(PLANS)]
    masker = compile_plan(plan, (choice[0] >> 7,))
    for given in (run, b"D" + (len(run) + 4).to_bytes(4, "big") + run):
        try:
            out = masker.rewrite(given)
        except RemoteProtocolError:
            continue
        position = 0
        while position < len(out):
            end = position + 1 + int.from_bytes(out[position + 1 : position + 5], "big")
            values = wire.data_row_values(out[position:end])
            assert len(values) == len(plan.columns)
            for mask, value in zip(plan.columns, values, strict=True):
                if mask is not None and mask.method is not Method.GENERALISE:
                    assert value == (b"[SSN]" if mask is REDACTED else None)
            position = end


COPIES = (
    ("text", {}),
    ("text", {"delimiter": "|", "null": ""}),
    ("csv", {}),
    ("csv", {"escape": "\\", "quote": "'", "header": "true"}),
    ("binary", {}),
)


def copy(data: bytes) -> None:
    """Cuts change nothing, and a masked column shows nothing but its constant."""
    choice, stream = data[:1] or b"\0", data[1:]
    format_, options = COPIES[choice[0] % len(COPIES)]
    plan = PLANS[choice[0] // len(COPIES) % 3]

    def read(size: int) -> bytes | None:
        masker = CopyMasker(plan, format_, options, row_limit=10_000)
        try:
            out = b"".join(masker.data(wire.copy_data(chunk)) for chunk in cut(stream, size))
            out += masker.finish()
        except RemoteProtocolError:
            return None
        payloads, position = [], 0
        while position < len(out):
            end = position + 1 + int.from_bytes(out[position + 1 : position + 5], "big")
            payloads.append(out[position + 5 : end])
            position = end
        return b"".join(payloads)

    whole = read(len(stream) or 1)
    assert read(1) == read(5) == whole
    if whole and format_ != "binary" and not options.get("header") and len(plan.columns) == 1:
        assert not whole.replace(b"[SSN]", b"").strip(b"\n")


def scrub(data: bytes) -> None:
    """A scrubbed report is one of few texts."""
    for type_ in (b"E", b"N", b"A"):
        try:
            out = errors.scrub(type_ + len(data).to_bytes(4, "big") + data)
        except RemoteProtocolError:
            continue
        if type_ == b"A":
            assert out.endswith(b"\0\0")
        else:
            fields = wire.error_fields(out)
            assert set(fields) == {b"S", b"V", b"C", b"M"}
            assert fields[b"C"].decode() in errors._KNOWN
            assert fields[b"M"].split(b" (")[0].decode() in errors._NAMES.values()


CHECKS: dict[str, Callable[[bytes], None]] = {
    "pg_frontend": frontend,
    "pg_startup": client_startup,
    "pg_oauthbearer": oauthbearer,
    "pg_backend": backend,
    "pg_login": backend_login,
    "pg_scram": scram,
    "pg_rows": rows,
    "pg_copy": copy,
    "pg_scrub": scrub,
}
