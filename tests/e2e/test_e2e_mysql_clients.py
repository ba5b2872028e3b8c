"""Clients of MySQL's protocol at their defaults, through the gateway to MariaDB and MySQL 9."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncmy
import mysql.connector
import pymysql
import pytest
import sqlalchemy
from testbed.certificates import Certificates
from testbed.clinic_mysql import MysqlClinic, running_mysql_clinic
from testbed.mariadb import MariaDB
from testbed.mysql import PLUGINS, program
from testbed.parts import NODE_MODULES, debian, node, node_package

QUERY = "SELECT id, ssn, dob, zip, weight FROM patients WHERE id IN (1, 2) ORDER BY id"
MASKED = [
    (1, "[SSN]", datetime.date(1936, 1, 1), "004", Decimal("49.5")),
    (2, "[SSN]", datetime.date(1936, 1, 1), "009", Decimal("50.5")),
]
REFUSED = "SELECT id FROM patients WHERE ssn = '900-10-0000'"


@pytest.fixture(scope="module", params=["mariadb", "mysql9"])
def clinic(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
) -> Iterator[MysqlClinic]:
    """Both servers, one after the other."""
    server: MariaDB = request.getfixturevalue(request.param)
    with running_mysql_clinic(
        tmp_path_factory.mktemp("mysql-clients"),
        certificates,
        server,
        database="mysql_clients",
    ) as running:
        yield running


# --- Python ------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["executor", "exporter"])
def test_pymysql(clinic: MysqlClinic, who: str) -> None:
    """The exporter's token is longer than 16 KiB."""
    token = clinic.token(who)
    assert (len(token) > 16_384) is (who == "exporter")
    connection = clinic.connect(who, password=token)
    with connection, connection.cursor() as cursor:
        cursor.execute(QUERY)
        assert list(cursor.fetchall()) == MASKED
        with pytest.raises(pymysql.err.OperationalError, match=r"phi\.predicate"):
            cursor.execute(REFUSED)
        cursor.execute("SELECT count(*) FROM patients")
        assert cursor.fetchone() == (200,)
        assert connection.ping() is None


def connector(clinic: MysqlClinic, **more: Any) -> Any:
    return mysql.connector.connect(
        host=clinic.gateway.host,
        port=clinic.gateway.port,
        user="executor",
        password=clinic.token(),
        database="clinic",
        ssl_ca=str(clinic.gateway.certificates.ca),
        ssl_verify_identity=True,
        **more,
    )


@pytest.mark.parametrize("prepared", [False, True])
def test_mysql_connector_python(clinic: MysqlClinic, prepared: bool) -> None:
    connection = connector(clinic)
    try:
        cursor = connection.cursor(prepared=prepared)
        cursor.execute(QUERY.replace("IN (1, 2)", "IN (%s, %s)"), (1, 2))
        assert cursor.fetchall() == MASKED
        with pytest.raises(mysql.connector.Error, match=r"phi\.predicate"):
            cursor.execute(REFUSED)
        connection.reset_session()
        connection.rollback()
    finally:
        connection.close()


def test_mysql_connector_python_with_a_clear_password(clinic: MysqlClinic) -> None:
    connection = connector(clinic, auth_plugin="mysql_clear_password")
    try:
        cursor = connection.cursor()
        cursor.execute(QUERY)
        assert cursor.fetchall() == MASKED
    finally:
        connection.close()


def test_mysql_connector_python_with_an_openid_token_file(
    clinic: MysqlClinic, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(clinic.token())
    connection = connector(
        clinic,
        auth_plugin="authentication_openid_connect_client",
        openid_token_file=str(token),
    )
    try:
        cursor = connection.cursor()
        cursor.execute(QUERY)
        assert cursor.fetchall() == MASKED
    finally:
        connection.close()


def test_asyncmy(clinic: MysqlClinic) -> None:
    async def run() -> None:
        connection = await asyncmy.connect(
            host=clinic.gateway.host,
            port=clinic.gateway.port,
            user="executor",
            password=clinic.token(),
            db="clinic",
            ssl=ssl.create_default_context(cafile=clinic.gateway.certificates.ca),
        )
        async with connection.cursor() as cursor:
            await cursor.execute(QUERY)
            assert list(await cursor.fetchall()) == MASKED
            with pytest.raises(asyncmy.errors.OperationalError, match=r"phi\.predicate"):
                await cursor.execute(REFUSED)
            await cursor.execute("SELECT 1")
        await connection.ensure_closed()

    asyncio.run(run())


def test_sqlalchemy(clinic: MysqlClinic) -> None:
    url = sqlalchemy.URL.create(
        "mysql+pymysql",
        "executor",
        clinic.token(),
        clinic.gateway.host,
        clinic.gateway.port,
        "clinic",
    )
    engine = sqlalchemy.create_engine(
        url, connect_args={"ssl": {"ca": str(clinic.gateway.certificates.ca)}}
    )
    try:
        with engine.begin() as connection:
            table = sqlalchemy.text(QUERY.replace("IN (1, 2)", "IN (:a, :b)"))
            assert [tuple(row) for row in connection.execute(table, {"a": 1, "b": 2})] == MASKED
            names = sqlalchemy.inspect(connection).get_table_names()
            assert {"patients", "encounters", "codes"} <= set(names)
    finally:
        engine.dispose()


_MYSQLDB = """
import json, os, sys, MySQLdb
port, ca, query, refused = sys.argv[1:]
connection = MySQLdb.connect(host="127.0.0.1", port=int(port), user="executor", db="clinic",
    password=os.environ["TOKEN"], ssl={"ca": ca})
cursor = connection.cursor()
cursor.execute(query)
rows = cursor.fetchall()
try:
    cursor.execute(refused)
    why = ""
except MySQLdb.Error as error:
    why = str(error)
print(json.dumps([rows, why], default=str))
"""


def test_mysqlclient(clinic: MysqlClinic) -> None:
    """libmariadb by Debian's own Python."""
    done = subprocess.run(
        [
            *("/usr/bin/python3", "-c", _MYSQLDB, str(clinic.gateway.port)),
            *(str(clinic.gateway.certificates.ca), QUERY, REFUSED),
        ],
        env={"TOKEN": clinic.token(), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows, why = json.loads(done.stdout)
    assert rows == json.loads(json.dumps(MASKED, default=str))
    assert "phi.predicate" in why


# --- Node --------------------------------------------------------------------------------------

_MYSQL2 = """
const mysql = require('mysql2/promise'), fs = require('fs');
(async () => {
  const [port, ca, query, refused] = process.argv.slice(1);
  const c = await mysql.createConnection({host: '127.0.0.1', port: +port, user: 'executor',
    password: process.env.TOKEN, database: 'clinic', dateStrings: true,
    ssl: {ca: fs.readFileSync(ca)}});
  const out = [];
  out.push((await c.query({sql: query, rowsAsArray: true}))[0]);
  out.push((await c.execute({sql: query.replace('IN (1, 2)', 'IN (?, ?)'), rowsAsArray: true},
    [1, 2]))[0]);
  out.push(await c.query(refused).then(() => '', e => e.message));
  await c.end();
  console.log(JSON.stringify(out));
})();
"""

_MARIADB = """
(async () => {
  const mariadb = await import(process.env.NODE_PATH + '/mariadb/promise.js');
  const fs = await import('fs');
  const [port, ca, query, refused] = process.argv.slice(1);
  const c = await mariadb.createConnection({host: '127.0.0.1', port: +port, user: 'executor',
    password: process.env.TOKEN, database: 'clinic', dateStrings: true, rowsAsArray: true,
    ssl: {ca: fs.readFileSync(ca)}});
  const out = [];
  out.push(await c.query(query));
  out.push(await c.execute(query.replace('IN (1, 2)', 'IN (?, ?)'), [1, 2]));
  out.push(await c.query(refused).then(() => '', e => e.message));
  await c.end();
  console.log(JSON.stringify(out));
})();
"""


@pytest.mark.parametrize(("package", "script"), [("mysql2", _MYSQL2), ("mariadb", _MARIADB)])
@pytest.mark.parametrize("who", ["executor", "exporter"])
def test_node(clinic: MysqlClinic, package: str, script: str, who: str) -> None:
    node_package(package)
    done = subprocess.run(
        [
            *(node(), "-e", script, str(clinic.gateway.port)),
            *(str(clinic.gateway.certificates.ca), QUERY, REFUSED),
        ],
        env={**os.environ, "TOKEN": clinic.token(who), "NODE_PATH": str(NODE_MODULES)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    text, binary, why = json.loads(done.stdout)
    wanted = [[row[0], "[SSN]", "1936-01-01", row[3], str(row[4])] for row in MASKED]
    assert [[str(v) if i == 4 else v for i, v in enumerate(row)] for row in text] == wanted
    assert [[str(v) if i == 4 else v for i, v in enumerate(row)] for row in binary] == wanted
    assert "phi.predicate" in why


# --- MariaDB's programs ------------------------------------------------------------------------


def cli(clinic: MysqlClinic, program: str, *more: str, who: str = "executor") -> Any:
    return subprocess.run(
        [
            debian(program, "mariadb-client"),
            *("--no-defaults", f"--host={clinic.gateway.host}", f"--port={clinic.gateway.port}"),
            *("--user=executor", f"--ssl-ca={clinic.gateway.certificates.ca}"),
            *("--ssl-verify-server-cert", *more),
        ],
        env={**os.environ, "MYSQL_PWD": clinic.token(who)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("who", ["executor", "exporter"])
def test_mariadb_cli(clinic: MysqlClinic, who: str) -> None:
    done = cli(
        clinic, "mariadb", "--batch", "--force", "clinic", "-e", f"{QUERY}; {REFUSED}", who=who
    )
    assert done.stdout.splitlines()[1:] == [
        "1\t[SSN]\t1936-01-01\t004\t49.5",
        "2\t[SSN]\t1936-01-01\t009\t50.5",
    ]
    assert "phi.predicate" in done.stderr


def test_mariadb_cli_reads_its_token_from_an_option_file(
    clinic: MysqlClinic, tmp_path: Path
) -> None:
    """Its lines have 4,096 bytes at most: MYSQL_PWD takes what is longer."""
    options = tmp_path / "my.cnf"
    options.touch(mode=0o600)
    options.write_text(
        "[client]\n"
        f"host={clinic.gateway.host}\nport={clinic.gateway.port}\nuser=executor\n"
        f"password={clinic.token()}\nssl-ca={clinic.gateway.certificates.ca}\n"
        "ssl-verify-server-cert\n"
    )
    done = subprocess.run(
        [
            *(debian("mariadb", "mariadb-client"), f"--defaults-file={options}"),
            *("--batch", "clinic", "-e", "SELECT count(*) FROM patients"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["count(*)", "200"], done.stderr


def test_mariadb_cli_with_completion_of_names(clinic: MysqlClinic) -> None:
    """It lists databases, tables and every table's columns before it begins."""
    done = subprocess.run(
        [
            *(debian("mariadb", "mariadb-client"), "--no-defaults", "--auto-rehash", "--force"),
            *(f"--host={clinic.gateway.host}", f"--port={clinic.gateway.port}", "--user=executor"),
            *(f"--ssl-ca={clinic.gateway.certificates.ca}", "--ssl-verify-server-cert", "clinic"),
        ],
        input=f"\\u clinic\n{QUERY};\nstatus\n",
        env={**os.environ, "MYSQL_PWD": clinic.token()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.count("[SSN]") == 2, done.stderr
    assert "900-" not in done.stdout + done.stderr


@pytest.fixture(scope="module")
def mysql9_program() -> list[str]:
    """MySQL's own command line."""
    return [*program("usr/bin/mysql"), "--no-defaults", f"--plugin-dir={PLUGINS}"]


@pytest.mark.parametrize("way", ["default", "clear", "openid"])
def test_mysql_cli(
    clinic: MysqlClinic, mysql9_program: list[str], tmp_path: Path, way: str
) -> None:
    """MySQL 9's own, on both servers: by its default, and the two plugins for tokens."""
    environment = dict(os.environ)
    more: list[str] = []
    if way == "openid":
        file = tmp_path / "token"
        file.touch(mode=0o600)
        file.write_text(clinic.token())
        more = ["--default-auth=authentication_openid_connect_client"]
        more += [f"--authentication-openid-connect-client-id-token-file={file}"]
    else:
        environment["MYSQL_PWD"] = clinic.token()
    if way == "clear":
        more = ["--enable-cleartext-plugin", "--default-auth=mysql_clear_password"]
    done = subprocess.run(
        [
            *mysql9_program,
            *(f"--host={clinic.gateway.host}", f"--port={clinic.gateway.port}", "--user=executor"),
            *(f"--ssl-ca={clinic.gateway.certificates.ca}", "--ssl-mode=VERIFY_IDENTITY", *more),
            *("--batch", "--force", "clinic", "-e", f"{QUERY}; {REFUSED}"),
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines()[1:] == [
        "1\t[SSN]\t1936-01-01\t004\t49.5",
        "2\t[SSN]\t1936-01-01\t009\t50.5",
    ], done.stderr
    assert "phi.predicate" in done.stderr


def test_without_tls_no_client_is_heard(clinic: MysqlClinic) -> None:
    done = subprocess.run(
        [
            *(debian("mariadb", "mariadb-client"), "--no-defaults", "--skip-ssl"),
            *(f"--host={clinic.gateway.host}", f"--port={clinic.gateway.port}", "--user=executor"),
            *("--batch", "clinic", "-e", "SELECT 1"),
        ],
        env={**os.environ, "MYSQL_PWD": clinic.token()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "3159" in done.stderr
    with pytest.raises(pymysql.err.OperationalError) as caught:
        pymysql.connect(
            host=clinic.gateway.host,
            port=clinic.gateway.port,
            user="executor",
            password="x",
            database="clinic",
            ssl_disabled=True,
        )
    assert caught.value.args[0] == 3159
