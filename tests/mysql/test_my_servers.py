"""Sessions between real clients and a real MariaDB, with verdicts of the tests' own."""

from __future__ import annotations

import datetime
import decimal
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import mysql.connector
import pymysql
import pytest
from testbed.certificates import Certificates
from testbed.mariadb import MariaDB
from testbed.mysql_bridge import Bridge

from hoopgate.actions import Ask, Decision, Forward, Reply
from hoopgate.events import Side, Statement, StatementFacts
from hoopgate.mysql import wire_commands as commands
from hoopgate.mysql.prepared import MOST_PREPARED, MOST_PREPARED_SIZE, Prepared
from hoopgate.mysql.session import MysqlSession
from hoopgate.mysql.wire import MOST_PAYLOAD, PacketReader, Payload, Reader, Status, packets
from hoopgate.mysql.wire_handshake import Capability
from hoopgate.plans import ColumnMask, MaskPlan, Method
from hoopgate.verdicts import Allow, Block, Hold, Mask, Verdict

COLUMNS = {
    "id": "int PRIMARY KEY",
    "t": "tinyint",
    "s": "smallint unsigned",
    "m": "mediumint",
    "b": "bigint unsigned",
    "f": "float",
    "d": "double",
    "n": "decimal(12,3)",
    "bi": "bit(10)",
    "y": "year",
    "da": "date",
    "dt": "datetime(3)",
    "ts": "timestamp(6) NULL",
    "ti": "time(2)",
    "vc": "varchar(30)",
    "ch": "char(5)",
    "tx": "text",
    "bl": "blob",
    "en": "enum('a','b')",
    "se": "set('x','y')",
    "js": "json",
    "uu": "uuid",
    "i6": "inet6",
    "g": "point",
}
SCHEMA = f"""
CREATE TABLE every ({", ".join(f"{name} {type}" for name, type in COLUMNS.items())});
INSERT INTO every VALUES (1, -5, 60000, -70000, 18446744073709551615, 1.5, 2.25, 12345.678,
 b'1010101010', 1999, '1950-03-04', '1950-03-04 05:06:07.123', '2001-02-03 04:05:06.123456',
 '-10:11:12.13', 'vär', 'ch', 'text', 'bl\\0b', 'a', 'x,y', '{{"a":1}}',
 '123e4567-e89b-12d3-a456-426655440000', '::1', POINT(1,2));
INSERT INTO every (id) VALUES (2);
CREATE TABLE secrets (
 id int PRIMARY KEY, ssn varchar(11) NOT NULL UNIQUE, dob date DEFAULT '1951-01-01');
INSERT INTO secrets VALUES (1, '900-11-2222', '1950-03-04'), (2, '900-33-4444', NULL);
CREATE TABLE large (id int PRIMARY KEY, body longblob);
CREATE PROCEDURE several(IN a int, OUT o int) BEGIN SET o = a + 1; SELECT 1; SELECT 2, 3; END;
CREATE PROCEDURE gossip() SIGNAL SQLSTATE '45000'
 SET MESSAGE_TEXT = '900-11-2222', MYSQL_ERRNO = 31337;
"""


FIRST = datetime.datetime(1000, 1, 1)  # noqa: DTZ001 - DATETIME has no zone
BORN = datetime.datetime(1950, 3, 4, 5, 6, 7, 123000)  # noqa: DTZ001


def mask(method: Method = Method.REDACT, label: str = "X") -> ColumnMask:
    return ColumnMask(label, method, -1)


def plan(*columns: ColumnMask | None, names: tuple[str, ...] = ()) -> Mask:
    return Mask("test/labels", (MaskPlan(columns, names),))


def decide(event: Statement) -> Verdict:
    """By words in comments of the statement."""
    if "/*all*/" in event.text:
        return plan(None, *(mask() for _ in range(len(COLUMNS) - 1)))
    if "/*nulls*/" in event.text:
        return plan(None, *(mask(Method.NULL) for _ in range(len(COLUMNS) - 1)))
    if "/*ssn*/" in event.text:
        return plan(None, mask(label="SSN"))
    if "/*hold*/" in event.text and not event.executes:
        return Hold("test/hold", "held", "Held.", frozenset({"r"}), 60.0)
    if "/*no*/" in event.text:
        return Block("test/no", "statement.no", "No.", "Do not.")
    return Allow("test/yes")


@pytest.fixture(scope="module")
def database(mariadb: MariaDB) -> str:
    mariadb.create_database("mysql_servers", SCHEMA)
    return "mysql_servers"


@contextmanager
def bridged(
    mariadb: MariaDB, certificates: Certificates, database: str, **more: Any
) -> Iterator[Bridge]:
    with Bridge(mariadb, certificates, decide, database=database, **more) as bridge:
        yield bridge
    assert bridge.seen.errors == []


@pytest.fixture
def bridge(mariadb: MariaDB, certificates: Certificates, database: str) -> Iterator[Bridge]:
    with bridged(mariadb, certificates, database) as bridge:
        yield bridge


def connect(bridge: Bridge, **more: Any) -> Any:
    return pymysql.connect(
        host="127.0.0.1",
        port=bridge.port,
        user="agent",
        password="token",
        database="resource",
        autocommit=True,
        ssl={"ca": str(bridge.server.certificates.ca)},
        **more,
    )


def connector(bridge: Bridge) -> Any:
    return mysql.connector.connect(
        host="127.0.0.1",
        port=bridge.port,
        user="agent",
        password="token",
        database="resource",
        autocommit=True,
        ssl_ca=str(bridge.server.certificates.ca),
        use_pure=True,
    )


def rows(connection: Any, text: str, *values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(text, values or None)
        return cursor.fetchall()


# --- text --------------------------------------------------------------------------------------


def test_every_type_in_text(bridge: Bridge, mariadb: MariaDB, database: str) -> None:
    with connect(bridge) as connection:
        direct = mariadb.sql("SELECT * FROM every", database=database)
        assert list(rows(connection, "SELECT * FROM every")) == direct
        masked, empty = rows(connection, "SELECT /*all*/ * FROM every")
        assert masked[1:] == empty[1:]
        values = dict(zip(COLUMNS, masked, strict=True))
        assert values["da"] == datetime.date(1000, 1, 1)
        assert values["dt"] == FIRST
        assert values["ti"] == datetime.timedelta(0)
        assert (values["t"], values["d"], values["n"]) == (0, 0.0, decimal.Decimal("0.000"))
        assert (values["vc"], values["bl"], values["js"]) == ("[X]", b"[X]", "[X]")
        for row in rows(connection, "SELECT /*nulls*/ * FROM every"):
            assert set(row[1:]) == {None}


def test_a_masked_column_names_no_column_of_a_table(bridge: Bridge) -> None:
    with connect(bridge) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id, ssn /*ssn*/ FROM secrets")
        assert cursor.fetchall() == ((1, "[SSN]"), (2, "[SSN]"))
        identifier, ssn = cursor._result.fields
        assert (identifier.org_table, identifier.org_name) == ("secrets", "id")
        assert (ssn.org_table, ssn.org_name, ssn.name, ssn.table_name) == ("", "", "ssn", "secrets")


def test_a_refusal_is_an_answer(bridge: Bridge) -> None:
    with connect(bridge) as connection:
        for _ in range(2):
            with pytest.raises(pymysql.err.MySQLError) as caught:
                rows(connection, "DELETE /*no*/ FROM secrets")
            code, message = caught.value.args
            assert code == 1142
            assert '"rule":"test/no","reason":"statement.no","request":"req-' in message
        assert rows(connection, "SELECT count(*) FROM secrets") == ((2,),)
    refused = [one for one in bridge.seen.forwards if not one.data]
    assert [one.received for one in refused] == [packets(b"\x03DELETE /*no*/ FROM secrets", 0)] * 2


def test_a_result_that_is_not_the_plans_ends_the_session(
    mariadb: MariaDB, certificates: Certificates, database: str
) -> None:
    """A row of it would have been shown unmasked."""
    with Bridge(mariadb, certificates, decide, database=database) as bridge:
        for text in (
            "SELECT id, ssn, dob /*ssn*/ FROM secrets",
            "SELECT ssn /*ssn*/ FROM secrets",
        ):
            with connect(bridge) as connection, pytest.raises(pymysql.err.MySQLError) as caught:
                rows(connection, text)
            assert "900-" not in str(caught.value)
        bridge.decide = lambda _: plan(mask(), names=("other",))
        with connect(bridge) as connection, pytest.raises(pymysql.err.MySQLError):
            rows(connection, "SELECT ssn FROM secrets")
    assert len(bridge.seen.errors) == 3


def test_errors_say_their_number_only(bridge: Bridge) -> None:
    with connect(bridge) as connection:
        for text, code in (
            ("INSERT INTO secrets VALUES (3, '900-11-2222', NULL)", 1062),
            ("SELECT extractvalue('<a/>', concat('~', ssn)) FROM secrets", 1105),
            ("SELECT * FROM nothing_900_11", 1146),
            ("CALL gossip()", 1105),
        ):
            with pytest.raises(pymysql.err.MySQLError) as caught:
                rows(connection, text)
            assert caught.value.args[0] == code
            assert "900" not in caught.value.args[1]


def test_answers_to_changes_say_how_many_and_no_more(bridge: Bridge) -> None:
    """What was changed to what it was before counts as well: else it could be asked by guessing."""
    with connect(bridge) as connection, connection.cursor() as cursor:
        assert cursor.execute("UPDATE secrets SET ssn = '900-11-2222' WHERE id = 1") == 1
        cursor.execute("UPDATE secrets SET dob = concat('1950-01-01 12:13:14') WHERE id = 2")
        assert (connection._result.message, connection._result.warning_count) == (b"", 0)
        cursor.execute("UPDATE secrets SET dob = NULL WHERE id = 2")


def test_on_a_resource_without_phi_nothing_is_withheld(
    mariadb: MariaDB, certificates: Certificates, database: str
) -> None:
    with (
        bridged(mariadb, certificates, database, phi=False) as bridge,
        connect(bridge) as connection,
        connection.cursor() as cursor,
    ):
        with pytest.raises(pymysql.err.ProgrammingError, match="nothing_900"):
            cursor.execute("SELECT * FROM nothing_900")
        assert cursor.execute("UPDATE secrets SET ssn = '900-11-2222' WHERE id = 1") == 0
        assert connection._result.message.startswith(b"Rows matched: 1")


# --- prepared statements -----------------------------------------------------------------------


def test_every_type_in_binary(bridge: Bridge) -> None:
    """But for BIT and YEAR, whose binary values this client does not read right."""
    names = [name for name in COLUMNS if name not in ("bi", "y")]
    query = f"SELECT {', '.join(names)} FROM every WHERE id >= ?"

    def verdict(event: Statement) -> Verdict:
        if "/*all*/" in event.text:
            return plan(None, *(mask() for _ in names[1:]))
        return decide(event)

    bridge.decide = verdict
    connection = connector(bridge)
    try:
        cursor = connection.cursor(prepared=True)
        cursor.execute(query, (1,))
        shown = cursor.fetchall()
        assert shown[0][names.index("b")] == 2**64 - 1
        assert shown[0][names.index("dt")] == BORN
        assert set(shown[1][1:]) == {None}
        cursor.execute(query + " /*all*/", (1,))
        masked, empty = cursor.fetchall()
        assert masked[1:] == empty[1:]
        values = dict(zip(names, masked, strict=True))
        assert (values["b"], values["f"], values["n"]) == (0, 0.0, decimal.Decimal("0.000"))
        assert (values["da"], values["ti"]) == (
            datetime.date(1000, 1, 1),
            datetime.timedelta(0),
        )
        assert (values["vc"], values["bl"]) == ("[X]", b"[X]")
    finally:
        connection.close()


def test_every_execution_is_masked_and_new_rules_are_asked(bridge: Bridge) -> None:
    connection = connector(bridge)
    try:
        cursor = connection.cursor(prepared=True)
        for value in (1, 2):
            cursor.execute("SELECT id, ssn /*ssn*/ FROM secrets WHERE id = ?", (value,))
            assert cursor.fetchall() == [(value, "[SSN]")]
        asked = [event for event in bridge.seen.events if "/*ssn*/" in event.text]
        assert [event.executes for event in asked] == [False]
        bridge.generation += 1
        bridge.decide = lambda event: Block("test/new", "rule.new", "No more.")
        with pytest.raises(mysql.connector.Error, match="No more"):
            cursor.execute("SELECT id, ssn /*ssn*/ FROM secrets WHERE id = ?", (1,))
        last = bridge.seen.events[-1]
        assert last.executes
        assert last.parameters == ((0x8001, b"\x01"),)
    finally:
        connection.close()


def test_what_needs_an_approval_is_asked_at_every_execution(bridge: Bridge) -> None:
    connection = connector(bridge)
    try:
        cursor = connection.cursor(prepared=True)
        for value in (1, 2):
            cursor.execute("SELECT id FROM secrets WHERE id = ? /*hold*/", (value,))
            assert cursor.fetchall() == [(value,)]
        asked = [one for one in bridge.seen.events if "/*hold*/" in one.text]
        assert [(one.executes, one.parameters) for one in asked] == [
            (False, None),
            (True, ((0x8001, b"\x01"),)),
            (True, ((0x8001, b"\x02"),)),
        ]
    finally:
        connection.close()


def test_procedures_answer_with_several_results(bridge: Bridge) -> None:
    connection = connector(bridge)
    try:
        cursor = connection.cursor()
        assert cursor.callproc("several", (41, 0)) == (41, 42)
        with pytest.warns(DeprecationWarning, match="stored_results"):
            found = [one.fetchall() for one in cursor.stored_results()]
        assert found == [[(1,)], [(2, 3)]]
    finally:
        connection.close()


def test_a_connection_that_is_reset_begins_anew(bridge: Bridge) -> None:
    connection = connector(bridge)
    try:
        cursor = connection.cursor()
        cursor.execute("SET SESSION sql_mode = ''")
        connection.reset_session()
        cursor = connection.cursor()
        cursor.execute("SELECT @@sql_mode LIKE 'STRICT_TRANS_TABLES%', DATABASE()")
        assert cursor.fetchall() == [(1, "mysql_servers")]
    finally:
        connection.close()


# --- messages of the tests' own ----------------------------------------------------------------


class Raw:
    """A client that says whatever it is told, after a login by PyMySQL."""

    def __init__(self, bridge: Bridge, *, eof: bool = False, flags: int = 0) -> None:
        flags = flags or (0 if eof else Capability.DEPRECATE_EOF)
        self._connection = connect(bridge, client_flag=flags)
        self.socket: socket.socket = self._connection._sock
        self.socket.settimeout(60)
        self._reader = PacketReader(2**26)

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *payloads: bytes) -> None:
        self.socket.sendall(b"".join(packets(one, 0) for one in payloads))

    def payload(self) -> bytes:
        while (found := self._reader.next()) is None:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self._reader.feed(data)
        assert isinstance(found, Payload)
        return found.data

    def ask(self, payload: bytes) -> bytes:
        self.send(payload)
        return self.payload()

    def until(self, last: int = 0xFE) -> list[bytes]:
        """Payloads up to an EOF, an OK with its header, or an error."""
        found = []
        while True:
            found.append(self.payload())
            if found[-1][0] in (last, 0xFF):
                return found

    def prepare(self, text: bytes) -> tuple[int, int]:
        """The statement's id and the number of its columns (with DEPRECATE_EOF)."""
        reader = Reader(self.ask(commands.prepare(text)), 1)
        statement, columns, parameters = reader.integer(4), reader.integer(2), reader.integer(2)
        for _ in range(columns + parameters):
            self.payload()
        return statement, columns


def execute(statement: int, values: bytes = b"", cursor: int = 0) -> bytes:
    return struct.pack("<BIBI", commands.STMT_EXECUTE, statement, cursor, 1) + values


def fetch(statement: int, count: int) -> bytes:
    return struct.pack("<BII", commands.STMT_FETCH, statement, count)


@pytest.mark.parametrize("eof", [False, True])
def test_rows_of_a_cursor_are_masked(bridge: Bridge, eof: bool) -> None:
    with Raw(bridge, eof=eof) as raw:
        if eof:
            raw.send(commands.prepare(b"SELECT id, ssn /*ssn*/ FROM secrets ORDER BY id"))
            statement = int.from_bytes(raw.payload()[1:5], "little")
            raw.until()
        else:
            statement, _ = raw.prepare(b"SELECT id, ssn /*ssn*/ FROM secrets ORDER BY id")
        first, *described, end = raw_answer = [raw.ask(execute(statement, cursor=1)), *raw.until()]
        assert first == b"\x02" and len(described) == 2, raw_answer
        status = int.from_bytes(end[3:5], "little")
        assert status & 0x40
        for number in (1, 2):
            row, end = [raw.ask(fetch(statement, 1)), *raw.until()]
            assert row == b"\0\0" + struct.pack("<i", number) + b"\x05[SSN]"
        (end,) = [raw.ask(fetch(statement, 1))]
        assert end[0] == 0xFE
        assert raw.ask(struct.pack("<BI", commands.STMT_RESET, statement))[0] == 0
        assert b"no open cursor" in raw.ask(fetch(statement, 1))


def test_out_parameters_come_as_a_result_of_their_own(bridge: Bridge) -> None:
    """PROTOCOLS B14: behind the procedure's results, marked by SERVER_PS_OUT_PARAMS."""
    flags = Capability.DEPRECATE_EOF | Capability.MULTI_RESULTS | Capability.PS_MULTI_RESULTS
    with Raw(bridge, flags=flags) as raw:
        statement, _ = raw.prepare(b"CALL several(?, ?)")
        raw.send(execute(statement, b"\0\x01\x03\0\x03\0\x29\0\0\0\0\0\0\0"))
        values, statuses = [], []
        for columns in (1, 2, 1):
            assert raw.payload() == bytes((columns,))
            *described, row, end = raw.until()
            assert len(described) == columns
            values.append(row[2:])
            statuses.append(int.from_bytes(end[3:5], "little"))
        (done,) = raw.until(0)
        assert values == [b"\x01\0\0\0", b"\x02\0\0\0\x03\0\0\0", b"\x2a\0\0\0"]
        assert [bool(one & Status.PS_OUT_PARAMS) for one in statuses] == [False, False, True]
        assert all(one & Status.MORE_RESULTS for one in statuses)
        assert not int.from_bytes(done[3:5], "little") & Status.MORE_RESULTS
        assert raw.ask(b"\x0e")[0] == 0


def test_long_data_is_part_of_what_is_judged(bridge: Bridge) -> None:
    with Raw(bridge) as raw:
        statement, _ = raw.prepare(b"SELECT length(?), ? /*hold*/")
        for piece in (b"abc", b"def"):
            raw.send(struct.pack("<BIH", commands.STMT_SEND_LONG_DATA, statement, 0) + piece)
        values = b"\0\x01\xfc\x00\xfd\x00\x01z"
        assert raw.ask(execute(statement, values)) == b"\x02"
        *_, row, _ = raw.until()
        assert row[2:6] == b"\x06\0\0\0"
        event = bridge.seen.events[-1]
        assert event.parameters is not None
        (code, long), other = event.parameters
        assert code == 0xFC and long is not None and long.startswith(b"sha256:")
        assert other == (0xFD, b"z")
        assert raw.ask(execute(statement, b"\0\x00\x01a\x01b")) == b"\x02"  # types as before
        raw.until()


def test_statements_that_are_not_there(bridge: Bridge) -> None:
    with Raw(bridge) as raw:
        assert b"statement.not_prepared" in raw.ask(execute(77))
        assert b"statement.not_prepared" in raw.ask(execute(commands.LAST_PREPARED))
        assert b"statement.not_prepared" in raw.ask(fetch(77, 1))
        raw.send(struct.pack("<BI", commands.STMT_CLOSE, 77), b"\x0e")
        assert raw.payload()[0] == 0
        raw.send(struct.pack("<BIH", commands.STMT_SEND_LONG_DATA, 77, 0) + b"x", b"\x0e")
        assert raw.payload()[0] == 0
        raw.send(commands.prepare(b"SELECT /*no*/ 1"), execute(commands.LAST_PREPARED))
        assert b"statement.no" in raw.payload()
        assert b"statement.not_prepared" in raw.payload()


def test_prepare_and_execute_may_come_together(bridge: Bridge) -> None:
    with Raw(bridge) as raw:
        for _ in range(2):
            raw.send(
                commands.prepare(b"SELECT id, ssn /*ssn*/ FROM secrets WHERE id = 1"),
                execute(commands.LAST_PREPARED),
                struct.pack("<BI", commands.STMT_CLOSE, commands.LAST_PREPARED),
                b"\x0e",
            )
            assert raw.payload()[0] == 0
            for _ in range(2):
                raw.payload()
            assert raw.payload() == b"\x02"
            *_, row, _ = raw.until()
            assert row == b"\0\0\x01\0\0\0\x05[SSN]"
            assert raw.payload()[0] == 0


REFUSED = [
    *(0x00, 0x05, 0x06, 0x07, 0x08, 0x0A, 0x0B, 0x0D, 0x0F, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15),
    *(0x1D, 0x1E, 0x20, 0x21, 0x7F, 0xFA, 0xFB, 0xFE, 0xFF),
]


def test_commands_that_reach_no_server(bridge: Bridge) -> None:
    with Raw(bridge) as raw:
        before = len([one for one in bridge.seen.forwards if one.data])
        for code in REFUSED:
            answer = raw.ask(bytes((code,)) + b"\x01\0\0\0mysql\0")
            assert answer[0] == 0xFF, hex(code)
        for malformed in (
            b"\x17\0",
            b"\x19\0",
            b"\x1c",
            b"\x1b\0\0\0",
            b"\x0c\0",
            b"\x0ex",
            b"\x04t",
        ):
            raw.send(malformed)
            if malformed[0] not in commands.SILENT:
                assert b"message.malformed" in raw.payload()
        assert b"multi_statements" in raw.ask(b"\x1b\0\0")
        assert raw.ask(b"\x1b\x01\0")[0] == 0xFE
        assert b"message.encoding" in raw.ask(b"\x03SELECT '\xe4'")
        assert len([one for one in bridge.seen.forwards if one.data]) == before
        assert raw.ask(b"\x0e")[0] == 0
        assert raw.ask(b"\x09").startswith(b"Uptime")


def test_the_database_stays(bridge: Bridge) -> None:
    with Raw(bridge) as raw:
        for own in (
            b"\x02resource",
            b"\x02mysql_servers",
            b"\x03USE `resource`",
            b"\x03 use resource ;",
        ):
            assert raw.ask(own)[0] == 0
        for other in (b"\x02mysql", b"\x02", b"\x03USE mysql", b"\x03use `information_schema`;"):
            assert b"database.other" in raw.ask(other)


def test_kill_goes_by_the_gateways_ids(bridge: Bridge) -> None:
    with Raw(bridge) as raw:
        for text in (b"KILL 4711", b"kill query 4711;", b"KILL HARD CONNECTION 4711"):
            assert raw.ask(b"\x03" + text)[0] == 0
        assert raw.ask(b"\x0c" + (4711).to_bytes(4, "little"))[0] == 0
        assert b"thread.unknown" in raw.ask(b"\x03KILL 1")
        assert b"thread.unknown" in raw.ask(b"\x0c\x01\0\0\0")
        assert not any(b"KILL" in one.data.upper() for one in bridge.seen.forwards)


def test_no_kill_goes_by_the_databases_ids(bridge: Bridge) -> None:
    """Though a rule allows it: every session of the gateway's has the same account there."""
    maintenance = (StatementFacts(frozenset({"maintenance"})),)
    bridge.facts = lambda text: maintenance if "kill" in text.lower() else ()
    with Raw(bridge) as raw:
        for text in (b"KILL /* x */ 5", b"# \nkill query 5", b"KILL USER root", b"KILL 1+1"):
            assert b"statement.kill" in raw.ask(b"\x03" + text)
            assert b"statement.kill" in raw.ask(commands.prepare(text))
        bridge.facts = lambda _: (StatementFacts(frozenset({"read"})),)
        assert raw.ask(b"\x03SELECT 'kill'")[0] == 1
    assert not any(b"kill" in one.data.lower() for one in bridge.seen.forwards[:-1])


def test_a_list_of_fields_is_judged_and_says_no_defaults(bridge: Bridge) -> None:
    with Raw(bridge) as raw:
        raw.send(b"\x04secrets\0")
        *fields, end = raw.until()
        assert len(fields) == 3 and end[0] == 0xFE
        assert not any(b"1951" in field for field in fields)
        assert fields[2].endswith(b"\xfb")
        assert bridge.seen.events[-1].text == "SHOW COLUMNS FROM `secrets`"
        bridge.decide = lambda _: Block("test/no", "no", "No.")
        assert raw.ask(b"\x04sec`rets\0i%")[0] == 0xFF
        assert bridge.seen.events[-1].text == "SHOW COLUMNS FROM `sec``rets` LIKE 'i%'"


def test_packets_out_of_order_end_the_session(
    mariadb: MariaDB, certificates: Certificates, database: str
) -> None:
    for data in (packets(b"\x03SELECT 1", 1), packets(b"", 0)):
        with Bridge(mariadb, certificates, decide, database=database) as bridge:
            with Raw(bridge) as raw:
                raw.socket.sendall(data)
                assert raw.payload().startswith(b"\xff\x84\x04#08S01")
                with pytest.raises((EOFError, ConnectionError)):
                    raw.payload()
            assert bridge.seen.closes == ["protocol.client"]


def test_text_is_not_cut_into_statements(bridge: Bridge) -> None:
    """Whatever was judged: the server has no multi-statements."""
    with connect(bridge) as connection:
        with pytest.raises(pymysql.err.ProgrammingError):
            rows(connection, "SELECT 1; SELECT ssn FROM secrets")
        assert rows(connection, "SELECT 1;") == ((1,),)


def test_files_of_the_client_are_never_asked_for(bridge: Bridge) -> None:
    with connect(bridge, local_infile=True) as connection:
        with pytest.raises(pymysql.err.MySQLError):
            rows(connection, "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE secrets")
        assert rows(connection, "SELECT 2") == ((2,),)


def test_a_pinned_variable_ends_the_session(
    mariadb: MariaDB, certificates: Certificates, database: str
) -> None:
    with Bridge(mariadb, certificates, decide, database=database) as bridge:
        for text in (
            "SET sql_mode = 'ANSI_QUOTES'",
            "SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
            "SET NAMES gbk",
            "SET character_set_results = utf16",
        ):
            with connect(bridge) as connection, pytest.raises(pymysql.err.MySQLError):
                rows(connection, text)
        with connect(bridge) as connection:
            rows(connection, "SET sql_mode = ''")
            rows(connection, "SET NAMES utf8mb4 COLLATE utf8mb4_bin")
            rows(connection, "SET character_set_results = NULL")
            assert rows(connection, "SELECT 'ä'") == (("ä",),)
    assert len(bridge.seen.errors) == 4


def test_changes_of_the_schema_are_told(bridge: Bridge) -> None:
    ddl = (StatementFacts(frozenset({"ddl"})),)
    bridge.facts = lambda text: ddl if text.startswith(("CREATE", "DROP")) else ()
    with connect(bridge) as connection:
        rows(connection, "CREATE TABLE made (id int)")
        rows(connection, "DROP TABLE made")
    assert bridge.seen.schema_changes == [False, True, False, True]


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_rows_and_statements_of_16_mib(
    mariadb: MariaDB, certificates: Certificates, database: str, extra: int
) -> None:
    with (
        bridged(mariadb, certificates, database) as bridge,
        connect(bridge, max_allowed_packet=2**26) as connection,
    ):
        head, tail = "INSERT INTO large VALUES (1, '", "')"
        body = "x" * (MOST_PAYLOAD - 1 - len(head) - len(tail) + extra)
        rows(connection, "DELETE FROM large")
        rows(connection, head + body + tail)
        size = MOST_PAYLOAD + extra - 2 - 4  # of a row: 1, the length, the body
        assert rows(connection, "SELECT length(body) FROM large") == ((len(body),),)
        query = f"SELECT 1, repeat('y', {size}) AS b"
        ((one, text),) = rows(connection, query)
        assert (one, len(text)) == (1, size)
        ((one, text),) = rows(connection, query.replace("AS b", "AS b /*ssn*/"))
        assert (one, text) == (1, "[SSN]")
        assert rows(connection, "SELECT 3") == ((3,),)


def test_how_long_a_masked_value_is_ends_no_session(
    mariadb: MariaDB, certificates: Certificates, database: str
) -> None:
    """A limit that counted what is masked would tell whether it is above it."""
    masked = "SELECT 1 AS a, repeat('y', 20000000) AS b /*ssn*/"
    shown = "SELECT repeat('y', 20000000) AS a, 1 AS b /*ssn*/"
    limit = 17 * 2**20
    with Bridge(mariadb, certificates, decide, database=database, response_limit=limit) as bridge:
        with closing(connector(bridge)) as connection:
            for prepared in (False, True):
                cursor = connection.cursor(prepared=prepared)
                cursor.execute(masked)
                assert cursor.fetchall() == [(1, "[SSN]")]
                cursor.close()
        with connect(bridge) as connection, pytest.raises(pymysql.MySQLError, match="limit"):
            rows(connection, shown)
    assert len(bridge.seen.errors) == 1


def test_a_command_above_the_limit_is_refused_and_the_session_goes_on(
    mariadb: MariaDB, certificates: Certificates, database: str
) -> None:
    with (
        bridged(mariadb, certificates, database, message_limit=1000) as bridge,
        Raw(bridge) as raw,
    ):
        assert b"message.size" in raw.ask(b"\x03" + b"x" * 2000)
        assert b"message.size" in raw.ask(b"\x03" + b"x" * 2**25)
        assert raw.ask(b"\x0e")[0] == 0
        statement, _ = raw.prepare(b"SELECT ?")
        raw.send(struct.pack("<BIH", commands.STMT_SEND_LONG_DATA, statement, 0) + b"x" * 2000)
        assert b"message.size" in raw.ask(execute(statement, b"\0\x01\xfc\0"))
        assert raw.ask(execute(statement, b"\0\x01\xfd\0\x01z")) == b"\x01"


@pytest.mark.parametrize("count", [255, 256, 1000])
def test_packets_are_numbered_round_and_round(bridge: Bridge, count: int) -> None:
    with connect(bridge) as connection:
        for comment, shown in (("", "900-11-2222"), (" /*ssn*/", "[SSN]")):
            text = f"SELECT seq, '900-11-2222'{comment} FROM seq_1_to_{count}"
            found = rows(connection, text)
            assert [row[0] for row in found] == list(range(1, count + 1))
            assert {row[1] for row in found} == {shown}


def test_prepared_statements_are_bounded(bridge: Bridge) -> None:
    """In the characters of their texts, as the client sent them and as the server has them."""
    large = b"SELECT 1 -- " + b"x" * (MOST_PREPARED_SIZE // 4)
    with Raw(bridge) as raw:
        first, _ = raw.prepare(large)
        raw.prepare(b"SELECT 2")
        assert b"statement.too_many" in raw.ask(commands.prepare(large * 2))
        assert raw.ask(b"\x0e")[0] == 0  # the session goes on
        raw.send(struct.pack("<BI", commands.STMT_CLOSE, first))
        raw.prepare(large)
        assert b"statement.too_many" in raw.ask(commands.prepare(large * 2))
        assert raw.ask(b"\x1f")[0] == 0
        raw.prepare(large)


def test_prepared_statements_are_counted() -> None:
    session = MysqlSession(
        protocol="mariadb",
        phi=True,
        settings={"database": "d"},
        capabilities=0,
        resource="d",
        kill=lambda thread, statement: False,
        generation=lambda: 0,
        mint=lambda: "req-1",
        message_limit=1000,
        response_limit=1000,
    )
    one = Prepared(1, "", "", Decision("req-2", Allow("all")), 0, 0)
    session.answers.statements.update(dict.fromkeys(range(MOST_PREPARED), one))
    actions = session.received(Side.CLIENT, packets(commands.prepare(b"SELECT 1"), 0))
    forward, reply = actions
    assert isinstance(forward, Forward) and not forward.data
    assert isinstance(reply, Reply) and b"statement.too_many" in reply.data
    del session.answers.statements[7]
    (ask,) = session.received(Side.CLIENT, packets(commands.prepare(b"SELECT 1"), 0))
    assert isinstance(ask, Ask)


def test_many_clients_at_once(bridge: Bridge) -> None:
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            with connect(bridge) as connection:
                for _ in range(5):
                    found = rows(connection, f"SELECT {number}, ssn /*ssn*/ FROM secrets LIMIT 1")
                    assert found == ((number, "[SSN]"),)
        except BaseException as error:  # noqa: BLE001 - looked at below
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
