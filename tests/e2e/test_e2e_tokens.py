"""Tokens through the running gateway: work with patients that nobody sees (docs/tokens.md)."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import pg8000.native
import psycopg
import pytest
from testbed.certificates import Certificates, write_private
from testbed.clinic import LABELS, Clinic, running_clinic
from testbed.parts import debian
from testbed.postgres import Postgres
from testbed.raw import Raw

from hoopgate.postgres import wire

TOKEN = re.compile(r"\[([A-Z]+):1\.[0-9a-f]{20}\]")

TOKEN_LABELS: list[dict[str, Any]] = [
    {
        "column": ["public.patients.id", "public.encounters.patient_id"],
        "kind": "PID",
        "method": "token",
        "joins": True,
    },
    {"column": "public.patients.mrn", "kind": "MRN", "method": "token"},
    {"column": "public.patients.portal_id", "kind": "ACCOUNT", "method": "token"},
    {"column": "public.patients.email", "kind": "EMAIL", "method": "token"},
    {"column": "public.patients.phone", "kind": "PHONE", "level": "public"},
    {
        "column": ["public.patients.dob"],
        "kind": "DOB",
        "level": "quasi",
        "method": "generalise",
        "as_text": True,
    },
]
NAMED = {name for label in TOKEN_LABELS for name in label["column"] if len(name) > 1} | {
    label["column"] for label in TOKEN_LABELS if isinstance(label["column"], str)
}

RULES: list[dict[str, Any]] = [
    {
        "name": "analysts",
        "verdict": "allow",
        "match": {"groups": ["analysts"]},
        "tokens": ["PID", "MRN", "ACCOUNT", "PHONE"],
    },
    {"name": "exporters", "verdict": "allow", "match": {"groups": ["exporters"]}},
]


def labels() -> list[dict[str, Any]]:
    """The clinic's labels, with tokens for what identifies a patient."""
    kept = []
    for label in LABELS:
        columns = label["column"] if isinstance(label["column"], list) else [label["column"]]
        left = [column for column in columns if column not in NAMED]
        if left:
            kept.append({**label, "column": left})
    return [*kept, *TOKEN_LABELS]


@pytest.fixture(scope="module", params=[15, 18])
def tokens(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
) -> Iterator[Clinic]:
    """A clinic whose identifiers come as tokens."""
    postgres: Postgres = request.getfixturevalue(f"postgres{request.param}")
    directory = tmp_path_factory.mktemp(f"tokens{request.param}")
    keys = directory / "tokens.keys"
    write_private(keys, f"1 {bytes(range(32)).hex()}\n".encode())  # what docs/tokens.md shows

    def adjust(settings: dict[str, Any]) -> None:
        settings["resources"][0]["tokens"] = {"keys": {"file": str(keys)}}

    with running_clinic(
        directory,
        certificates,
        postgres,
        database="tokens",
        labels=labels(),
        rules=RULES,
        adjust=adjust,
    ) as running:
        yield running


def rows(clinic: Clinic, sql: str, *values: Any, who: str = "executor", **more: Any) -> list[Any]:
    with psycopg.connect(clinic.dsn(who), autocommit=True) as connection:
        return connection.execute(sql, values or None, **more).fetchall()


def reason(refused: pytest.ExceptionInfo[psycopg.Error]) -> dict[str, str]:
    detail: dict[str, str] = json.loads(refused.value.diag.message_detail or "{}")
    return detail


def test_the_walk_through(tokens: Clinic) -> None:
    """An agent finds a patient's encounters and never sees who it is."""
    with psycopg.connect(tokens.dsn("executor"), autocommit=True) as agent:
        [(patient, mrn, born)] = agent.execute(
            "SELECT id, mrn, dob FROM patients WHERE sex = 'F' AND zip LIKE '9%' LIMIT 1"
        ).fetchall()
        assert TOKEN.fullmatch(patient) and TOKEN.fullmatch(mrn)
        assert re.fullmatch(r"\d{4}( or earlier)?", born)
        found = agent.execute(
            "SELECT patient_id, department, dx FROM encounters WHERE patient_id = %s", [patient]
        ).fetchall()
        assert found
        assert {one[0] for one in found} == {patient}
        literal = agent.execute(
            f"SELECT patient_id, department, dx FROM encounters WHERE patient_id = '{patient}'"
        ).fetchall()
        assert sorted(literal) == sorted(found)
        joined = agent.execute(
            "SELECT p.mrn, count(*) OVER (), e.dx FROM patients p JOIN encounters e"
            " ON e.patient_id = p.id WHERE p.mrn = %s ORDER BY e.id",
            [mrn],
        ).fetchall()
        assert {one[0] for one in joined} == {mrn}
        assert sorted(one[2] for one in joined) == sorted(one[2] for one in found)
    real = tokens.postgres.psql(
        "SELECT p.id, p.mrn FROM patients p WHERE sex = 'F' AND zip LIKE '9%' LIMIT 1",
        tokens.database,
    )
    assert real.strip()


def psql(clinic: Clinic, sql: str) -> str:
    """What psql shows of a script."""
    command = [debian("psql", "postgresql-client", "/usr/lib/postgresql/15/bin"), "-X", "-q"]
    done = subprocess.run(
        [*command, "-v", "ON_ERROR_STOP=1", clinic.dsn("executor")],
        input=sql,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_walk_through_of_the_docs(tokens: Clinic) -> None:
    """docs/tokens.md word for word: its statements, its tokens, what it says they show."""
    page = (Path(__file__).parents[2] / "docs" / "tokens.md").read_text()
    transcript = page.partition("```\nclinic=> ")[2].partition("```")[0]
    statement, _, shown = transcript.partition("\n")
    walk = page.partition("```sql\n")[2].partition("```")[0]
    found = psql(tokens, statement).partition("(2 rows)")[0]
    assert [line.rstrip() for line in found.rstrip().splitlines()] == shown.rstrip().splitlines()
    seen = psql(tokens, f"\\t\n\\pset format unaligned\n{walk}").splitlines()
    (said,) = re.findall(r"(?m)^--  (\[PID.*)$", walk)
    assert seen[0] == said.replace(" | ", "|")
    patients = dict.fromkeys(TOKEN.findall(walk))
    assert patients == {"PID": None}
    steps = [re.split(r"\|", line) for line in seen[1:]]
    encounters = [one for one in steps if TOKEN.fullmatch(one[0]) is None]
    joined = [one for one in steps if TOKEN.fullmatch(one[0])]
    assert len(encounters) == 5 and len(joined) == 10
    assert {one[0] for one in joined} == set(re.findall(r"\[PID:[^]]*\]", walk))
    [token] = set(re.findall(r"\[PID:[^]]*\]", said))
    by_value = rows(
        tokens,
        "SELECT admitted, department, dx FROM encounters WHERE patient_id = %s ORDER BY admitted",
        token,
    )
    assert [[str(value) for value in one] for one in by_value] == encounters
    real = tokens.postgres.psql("SELECT id, mrn FROM patients WHERE zip LIKE '95%'", "tokens")
    for line in real.split():
        assert line.partition("|")[2] not in found + "".join(seen)


def test_a_token_is_the_same_in_every_form(tokens: Clinic) -> None:
    text = rows(tokens, "SELECT id, mrn, portal_id, email FROM patients ORDER BY last_seen")
    binary = rows(
        tokens, "SELECT id, mrn, portal_id, email FROM patients ORDER BY last_seen", binary=True
    )
    assert text == binary
    assert len({one[0] for one in text}) == 200
    assert sum(one[3] is None for one in text) == 18
    with psycopg.connect(tokens.dsn("exporter"), autocommit=True) as connection:
        for options in ("", "(FORMAT csv)", "(FORMAT binary)"):
            sql = f"COPY (SELECT id, mrn FROM patients ORDER BY last_seen) TO STDOUT {options}"
            with connection.cursor().copy(sql) as copy:
                if "binary" in options:
                    copy.set_types(["text", "text"])
                    copied = list(copy.rows())
                else:
                    lines = b"".join(bytes(part) for part in copy).decode().splitlines()
                    copied = [tuple(re.split("[\t,]", line)) for line in lines]
            assert copied == [one[:2] for one in text]


def test_lists_of_tokens(tokens: Clinic) -> None:
    found = rows(tokens, "SELECT mrn, sex, last_seen FROM patients ORDER BY last_seen LIMIT 3")
    mrns = [one[0] for one in found]
    quoted = ", ".join(f"'{one}'" for one in mrns)
    wanted = sorted(found)
    sql = "SELECT mrn, sex, last_seen FROM patients WHERE mrn "
    assert sorted(rows(tokens, f"{sql} IN ({quoted})")) == wanted
    assert sorted(rows(tokens, f"{sql} = ANY (%s)", mrns)) == wanted
    assert sorted(rows(tokens, f"{sql} = ANY (%b)", mrns)) == wanted
    assert sorted(rows(tokens, f"{sql} IN (%s, %s, %b)", *mrns)) == wanted
    assert rows(tokens, f"{sql} = %s", None) == []
    everybody = [one for (one,) in rows(tokens, "SELECT mrn FROM patients")]
    many = ", ".join(f"'{one}'" for one in everybody)
    assert len(many) > 4096  # so large a text is looked through in a child
    assert len(rows(tokens, f"{sql} IN ({many})")) == 200
    # More parameters than a function may have.
    assert len(rows(tokens, f"{sql} IN ({', '.join(['%s'] * 200)})", *everybody)) == 200
    guesses = ["MRN0000001", *everybody[1:]]
    with pytest.raises(psycopg.Error) as refused:
        rows(tokens, f"{sql} IN ({', '.join(['%s'] * 200)})", *guesses)
    assert reason(refused)["reason"] == "token.expected"
    with pytest.raises(psycopg.Error) as refused:
        rows(tokens, f"{sql} IN ({many}, {many}, {many}, {many}, {many}, {quoted})")
    assert reason(refused)["reason"] == "token.many"
    assert "1000 tokens" in str(refused.value)


def test_asyncpg_and_pg8000_use_tokens(tokens: Clinic) -> None:
    async def use() -> None:
        connection = await asyncpg.connect(
            host=tokens.gateway.host,
            port=tokens.gateway.port,
            user="executor",
            password=tokens.token(),
            database="clinic",
            ssl=ssl.create_default_context(cafile=str(tokens.gateway.certificates.ca)),
            timeout=60,
            command_timeout=60,
        )
        try:
            first = await connection.fetchrow("SELECT id, mrn, dob FROM patients LIMIT 1")
            assert first is not None
            again = await connection.fetchrow(
                "SELECT id, mrn, dob FROM patients WHERE mrn = $1", first["mrn"]
            )
            assert again == first
            statement = await connection.prepare("SELECT id, dob FROM patients WHERE mrn = $1")
            assert [one.type.name for one in statement.get_attributes()] == ["text", "text"]
            many = await connection.fetch(
                "SELECT mrn FROM patients WHERE mrn = ANY ($1::text[])", [first["mrn"]]
            )
            assert [one["mrn"] for one in many] == [first["mrn"]]
        finally:
            await connection.close()

    asyncio.run(use())
    with pg8000.native.Connection(
        "executor",
        host=tokens.gateway.host,
        port=tokens.gateway.port,
        password=tokens.token(),
        database="clinic",
        ssl_context=ssl.create_default_context(cafile=str(tokens.gateway.certificates.ca)),
    ) as connection:
        [[token]] = connection.run("SELECT id FROM patients LIMIT 1")
        found = connection.run("SELECT id FROM patients WHERE id = :id", id=token)
        assert found == [[token]]


REFUSED = {
    "a guess": ("SELECT 1 FROM patients WHERE mrn = 'MRN0000001'", "phi.predicate"),
    "a pattern": ("SELECT 1 FROM patients WHERE mrn LIKE {mrn}", "phi.token"),
    "an order": ("SELECT 1 FROM patients WHERE mrn < {mrn}", "phi.token"),
    "not equal": ("SELECT 1 FROM patients WHERE mrn <> {mrn}", "phi.token"),
    "another kind's column": ("SELECT 1 FROM patients WHERE mrn = {pid}", "phi.token"),
    "a column without tokens": ("SELECT 1 FROM patients WHERE ssn = {mrn}", "phi.token"),
    "a public column": ("SELECT 1 FROM encounters WHERE department = {mrn}", "phi.token"),
    "an expression": ("SELECT 1 FROM patients WHERE upper(mrn) = {mrn}", "phi.token"),
    "a cast": ("SELECT 1 FROM patients WHERE mrn = {mrn}::varchar(4)", "phi.token"),
    "output": ("SELECT {mrn}::text FROM patients LIMIT 1", "phi.token"),
    "output beside a comparison": (
        "SELECT {mrn}::text FROM patients WHERE mrn = {mrn}",
        "phi.token",
    ),
    "a guess in a list": ("SELECT 1 FROM patients WHERE mrn IN ({mrn}, 'MRN1')", "phi."),
    "a list of values": (
        "SELECT 1 FROM patients JOIN (VALUES ({mrn})) v(m) ON m = mrn",
        "phi.token",
    ),
    "what is stored": ("UPDATE encounters SET department = {mrn} WHERE id = 1", "phi.token"),
    "a new value": (
        "UPDATE patients SET portal_id = '00000000-0000-4000-8000-000000000001' WHERE sex = 'X'",
        "phi.write",
    ),
    "a join that is not for it": ("SELECT 1 FROM patients p JOIN patients q USING (mrn)", "phi."),
    "a join of kinds": ("SELECT 1 FROM patients p JOIN patients q ON p.mrn = q.email", "phi."),
    "kinds nobody may use": ("SELECT 1 FROM patients WHERE email = {email}", "token.denied"),
    "an unknown one": ("SELECT 1 FROM patients WHERE mrn = '[MRN:1.{zeros}]'", "token.unknown"),
    "another epoch's": ("SELECT 1 FROM patients WHERE mrn = '[MRN:9.{zeros}]'", "token.unknown"),
    "SQL PREPARE": ("PREPARE q AS SELECT 1 FROM patients WHERE mrn = $1", "phi.predicate"),
    "a collation": ('SELECT 1 FROM patients WHERE mrn = {mrn} COLLATE "loose"', "phi.token"),
    "a recursive query": (
        "WITH RECURSIVE t(x) AS (SELECT 'MRN0000001' UNION ALL SELECT x FROM t WHERE x = {mrn})"
        " SELECT * FROM t",
        "phi.token",
    ),
}


def test_tokens_are_for_equality_alone(tokens: Clinic) -> None:
    tokens.postgres.psql(
        "CREATE COLLATION IF NOT EXISTS loose"
        " (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        tokens.database,
    )
    [(pid, mrn, email)] = rows(
        tokens, "SELECT id, mrn, email FROM patients ORDER BY last_seen LIMIT 1"
    )
    words = {"pid": f"'{pid}'", "mrn": f"'{mrn}'", "email": f"'{email}'", "zeros": "0" * 20}
    with psycopg.connect(tokens.dsn("executor"), autocommit=True) as connection:
        for name, (sql, expected) in REFUSED.items():
            try:
                connection.execute(sql.format(**words))
            except psycopg.Error as refused:
                detail = json.loads(refused.diag.message_detail or "{}")
                assert detail.get("reason", "").startswith(expected), name
            else:
                raise AssertionError(f"{name} was let through")
        assert connection.execute("SELECT 1").fetchall() == [(1,)]


BOUND = {
    "a guess": ("SELECT 1 FROM patients WHERE mrn = $1", "MRN0000001", "token.expected"),
    "a guess in a list": (
        "SELECT 1 FROM patients WHERE mrn = ANY ($1)",
        ["{mrn}", "MRN0000001"],
        "token.expected",
    ),
    "another kind": ("SELECT 1 FROM patients WHERE mrn = $1", "{pid}", "token.expected"),
    "an echo": ("SELECT $1::text FROM patients WHERE mrn = $1", "{mrn}", "phi.predicate"),
    "an echo in order": (
        "SELECT sex FROM patients WHERE mrn = $1 ORDER BY $1 || sex",
        "{mrn}",
        "phi.predicate",
    ),
    "a public comparison": (
        "SELECT department FROM encounters, patients WHERE mrn = $1 AND department = $1",
        "{mrn}",
        "phi.predicate",
    ),
    "two kinds": ("SELECT 1 FROM patients WHERE mrn = $1 OR email = $1", "{mrn}", "phi."),
}


def test_bound_tokens_are_for_equality_alone(tokens: Clinic) -> None:
    [(pid, mrn)] = rows(tokens, "SELECT id, mrn FROM patients ORDER BY last_seen LIMIT 1")
    with psycopg.connect(
        tokens.dsn("executor"), autocommit=True, cursor_factory=psycopg.RawCursor
    ) as connection:
        for name, (sql, value, expected) in BOUND.items():
            given = json.loads(json.dumps(value).replace("{mrn}", mrn).replace("{pid}", pid))
            for binary in (False, True):
                with pytest.raises(psycopg.Error) as refused:
                    connection.execute(sql, [given], binary=binary)
                assert reason(refused)["reason"].startswith(expected), name
        assert connection.execute("SELECT 1").fetchall() == [(1,)]


def test_who_may_not_use_tokens_may_read_them(tokens: Clinic) -> None:
    [(mrn,)] = rows(tokens, "SELECT mrn FROM patients LIMIT 1", who="exporter")
    assert TOKEN.fullmatch(mrn)
    with pytest.raises(psycopg.Error) as refused:
        rows(tokens, "SELECT sex FROM patients WHERE mrn = %s", mrn, who="exporter")
    assert reason(refused) | {"request": ""} == {
        "rule": "rules/tokens",
        "reason": "token.denied",
        "subject": "MRN",
        "request": "",
        "retry": "no",
    }


def test_every_message_may_carry_tokens(tokens: Clinic) -> None:
    """Several statements, cursors, COPY, prepared statements bound again and again."""
    found = rows(tokens, "SELECT id, mrn, last_seen FROM patients ORDER BY last_seen LIMIT 4")
    first, second = found[0][1], found[1][1]
    with psycopg.connect(tokens.dsn("executor")) as connection:
        cursor = connection.execute(
            f"SELECT '[x]'; SELECT id FROM patients WHERE mrn = '{first}';"
            f"SELECT id FROM patients WHERE mrn = '{second}'",
        )
        several = [cursor.fetchall()]
        while cursor.nextset():
            several.append(cursor.fetchall())
        assert several == [[("[x]",)], [(found[0][0],)], [(found[1][0],)]]
        with connection.cursor("named") as named:
            named.execute("SELECT id FROM patients WHERE mrn = %s", [first])
            assert named.fetchall() == [(found[0][0],)]
        connection.execute(
            f"PREPARE p (text) AS SELECT id, sex FROM patients WHERE mrn = '{first}' AND zip <> $1"
        )
        assert connection.execute("EXECUTE p ('x')").fetchall()[0][0] == found[0][0]
        for pid, mrn, seen in found * 3:
            again = connection.execute(
                "SELECT id, last_seen FROM patients WHERE mrn = %s", [mrn], prepare=True
            )
            assert again.fetchall() == [(pid, seen)]
        with connection.pipeline():
            both = [
                connection.execute("SELECT id FROM patients WHERE mrn = %s", [mrn])
                for _, mrn, _ in found
            ]
            assert [one.fetchall() for one in both] == [[(pid,)] for pid, _, _ in found]


HOOPGATE = Path(sys.executable).with_name("hoopgate")


def told(clinic: Clinic, *arguments: str) -> str:
    """What a command of ``hoopgate`` prints."""
    done = subprocess.run(
        [HOOPGATE, *arguments, "--config", clinic.gateway.config],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def sessions(clinic: Clinic) -> dict[str, bool]:
    """Every session in the log, and whether it has ended."""
    lines = told(clinic, "sessions", "--json").splitlines()
    return {one["id"]: bool(one.get("end")) for one in map(json.loads, lines)}


def test_what_is_kept_is_the_token(tokens: Clinic) -> None:
    """Neither the log nor the state holds what a token stands for."""
    first = "SELECT mrn, portal_id FROM patients ORDER BY last_seen LIMIT 1"
    [(mrn, account)] = rows(tokens, first)
    real = tokens.postgres.psql(first, tokens.database).strip().split("|")
    assert len(real) == 2
    before = set(sessions(tokens))
    with psycopg.connect(tokens.dsn(), autocommit=True) as connection:
        for sql, value in (
            (f"SELECT sex AS by_literal FROM patients WHERE mrn = '{mrn}'", None),
            ("SELECT sex AS by_value FROM patients WHERE portal_id = %s", [account]),
            ("SELECT sex AS refused FROM patients WHERE ssn = %s", [mrn]),
        ):
            if "refused" in sql:
                with pytest.raises(psycopg.Error):
                    connection.execute(sql, value)
            else:
                assert connection.execute(sql, value).fetchall() == [("M",)]
    deadline = time.monotonic() + 60
    ended: set[str] = set()
    while not ended and time.monotonic() < deadline:
        ended = {id for id, end in sessions(tokens).items() if end and id not in before}
    replayed = told(tokens, "replay", ended.pop())
    assert replayed.count(mrn) == 2
    assert account in replayed
    assert not any(one in replayed for one in real)
    count = 0
    deadline = time.monotonic() + 60
    state = tokens.gateway.state_dir / "state.sqlite"
    while count < 2 and time.monotonic() < deadline:
        with closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True)) as database, database:
            [(count,)] = database.execute("SELECT count(*) FROM tokens").fetchall()
        time.sleep(0.05)
    assert count >= 2
    for file in tokens.gateway.state_dir.rglob("*"):
        if file.is_file():
            assert not any(one.encode() in file.read_bytes() for one in real), file


def test_what_was_bound_before_tokens_were_asked_for_does_not_run(tokens: Clinic) -> None:
    """Labels change while values that may be guesses are with the server."""
    by_phone = "SELECT sex FROM patients WHERE phone = $1"
    guess = b"555-010-0001"
    with (
        psycopg.connect(tokens.dsn("executor"), autocommit=True) as connection,
        Raw(tokens) as raw,
    ):
        cursor = psycopg.RawCursor(connection)
        assert cursor.execute(by_phone, [guess.decode()], prepare=True).fetchall() == [("M",)]
        connection.execute("PREPARE by_phone AS SELECT sex FROM patients WHERE phone = $1")
        assert connection.execute("EXECUTE by_phone ('x')").fetchall() == []
        raw.login()
        raw.send(wire.query(b"BEGIN")).until_ready()
        raw.send(wire.parse(b"s", by_phone.encode()) + wire.bind(b"p", b"s", (), (guess,), ()))
        raw.send(wire.flush())
        assert [raw.message()[:1] for _ in range(2)] == [b"1", b"2"]
        label = next(
            one
            for one in tokens.gateway.settings["labels"]
            if one["column"] == "public.patients.phone"
        )
        label |= {"level": "secret", "kind": "PHONE", "method": "token"}
        tokens.gateway.reload()
        with pytest.raises(psycopg.Error) as refused:
            cursor.execute(by_phone, [guess.decode()], prepare=True)
        assert reason(refused)["reason"] in ("token.expected", "portal.stale")
        with pytest.raises(psycopg.Error) as refused:
            cursor.execute(by_phone, [guess.decode()], prepare=True)
        assert reason(refused)["reason"] == "token.expected"
        with pytest.raises(psycopg.Error) as refused:
            connection.execute("EXECUTE by_phone ('555-010-0001')")
        assert reason(refused)["reason"] in ("portal.stale", "phi.predicate")
        raw.send(wire.execute(b"p") + wire.sync())
        error = next(message for message in raw.until_ready() if message[:1] == b"E")
        assert b"portal.stale" in error
        [(token,)] = connection.execute("SELECT phone FROM patients ORDER BY last_seen LIMIT 1")
        assert TOKEN.fullmatch(token)
        assert len(cursor.execute(by_phone, [token], prepare=True).fetchall()) == 1


def test_keys_change_and_old_tokens_serve_until_they_are_retired(tokens: Clinic) -> None:
    keys = tokens.gateway.directory / "tokens.keys"
    sql = "SELECT mrn FROM patients ORDER BY last_seen LIMIT 1"

    def read(wanted: str) -> str:
        """A token once it is of the epoch that is wanted."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            [(token,)] = rows(tokens, sql)
            if token.startswith(wanted):
                return str(token)
            time.sleep(0.1)
        raise AssertionError("the keys were not read again")

    old = read("[MRN:1.")
    write_private(keys, keys.read_bytes() + f"2 {secrets.token_hex(32)}\n".encode())
    tokens.gateway.reload()
    new = read("[MRN:2.")
    for token in (old, new):
        assert rows(tokens, "SELECT mrn FROM patients WHERE mrn = %s", token) == [(new,)]
    write_private(keys, keys.read_bytes().splitlines(keepends=True)[1])
    tokens.gateway.reload()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            rows(tokens, "SELECT 1 FROM patients WHERE mrn = %s", old)
        except psycopg.Error as refused:
            detail = json.loads(refused.diag.message_detail or "{}")
            assert detail["reason"] == "token.unknown"
            break
        time.sleep(0.1)
    else:
        raise AssertionError("a retired token is still known")
    tokens.gateway.stop()
    tokens.gateway.start()
    assert rows(tokens, "SELECT mrn FROM patients WHERE mrn = %s", new) == [(new,)]
