"""What drivers and mappers ask of the catalogues, by the drivers and mappers themselves: through
the gateway they learn what they learn without it, of every kind of object, where half is PHI."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import subprocess
from typing import Any

import asyncpg
import psycopg
import pytest
import sqlalchemy
from psycopg.types import TypeInfo
from psycopg.types.composite import CompositeInfo
from psycopg.types.enum import EnumInfo
from psycopg.types.multirange import MultirangeInfo
from psycopg.types.range import RangeInfo
from sqlalchemy.orm import DeclarativeBase, Session
from testbed import jdbc
from testbed.parts import debian
from twin_world import PASSWORD, World


def dsn(world: World) -> str:
    return (
        f"host={world.gateway.host} port={world.gateway.port} user=agent dbname=twin_one"
        f" password={world.token()} sslmode=verify-full"
        f" sslrootcert={world.gateway.certificates.ca}"
    )


def direct_dsn(world: World) -> str:
    return (
        f"host={world.postgres.socket_directory} port={world.postgres.port} user=agent"
        " dbname=twin_one"
    )


# Types that SQLAlchemy itself does not know.
pytestmark = pytest.mark.filterwarnings("ignore:Did not recognize type:sqlalchemy.exc.SAWarning")


def engine(text: str) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(text),
        poolclass=sqlalchemy.NullPool,
    )


@pytest.fixture
def through(world: World) -> sqlalchemy.Engine:
    return engine(dsn(world))


# --- SQLAlchemy -----------------------------------------------------------------------------------


def inspected(source: sqlalchemy.Engine) -> dict[str, Any]:
    """All that an inspector can tell."""
    inspector = sqlalchemy.inspect(source)
    found: dict[str, Any] = {
        "schemas": inspector.get_schema_names(),
        "sequences": inspector.get_sequence_names(),
        "views": inspector.get_view_names(),
        "materialised": inspector.get_materialized_view_names(),  # type: ignore[attr-defined]
        "enums": inspector.get_enums(),  # type: ignore[attr-defined]
        "domains": inspector.get_domains(),  # type: ignore[attr-defined]
        "definition": inspector.get_view_definition("v_deep"),
    }
    for schema in ("public", "other", "We.ird"):
        found[f"tables of {schema}"] = inspector.get_table_names(schema)
        for what in (
            *("columns", "pk_constraint", "foreign_keys", "indexes", "unique_constraints"),
            *("check_constraints", "table_comment", "table_options"),
        ):
            found[f"{what} of {schema}"] = str(getattr(inspector, f"get_multi_{what}")(schema))
    return found


def test_an_inspector_sees_what_it_sees_without_a_gateway(
    world: World, through: sqlalchemy.Engine
) -> None:
    found = inspected(through)
    assert found == inspected(engine(direct_dsn(world)))
    assert "patients" in found["tables of public"] and "v_pat" in found["views"]


def test_reflected_tables_are_queried_masked(through: sqlalchemy.Engine) -> None:
    metadata = sqlalchemy.MetaData()
    metadata.reflect(through, only=["patients", "encounters", "kinds"])
    patients, encounters = metadata.tables["patients"], metadata.tables["encounters"]
    assert {key.column.table.name for key in encounters.foreign_keys} == {"patients"}
    query = (
        sqlalchemy.select(patients.c.id, patients.c.name, sqlalchemy.func.count())
        .join(encounters)
        .where(patients.c.id.in_([1, 2, 3]), encounters.c.dept != "GP")
        .group_by(patients.c.id)
        .order_by(patients.c.id)
    )
    with through.connect() as connection:
        assert [(i, n) for i, n, _ in connection.execute(query)] == [
            (i, "[NAME]") for i in (1, 2, 3)
        ]
        row = connection.execute(sqlalchemy.select(metadata.tables["kinds"])).first()
        assert row is not None and row.s_int4 == 0 and row.s_text == "[KIND]"


class Base(DeclarativeBase):
    pass


class Code(Base):
    __tablename__ = "codes"
    dx: sqlalchemy.orm.Mapped[str] = sqlalchemy.orm.mapped_column(primary_key=True)
    descr: sqlalchemy.orm.Mapped[str]


class Visit(Base):
    __tablename__ = "visits"
    id: sqlalchemy.orm.Mapped[int] = sqlalchemy.orm.mapped_column(
        sqlalchemy.Identity(always=True), primary_key=True
    )
    what: sqlalchemy.orm.Mapped[str]


class Patient(Base):
    __tablename__ = "patients"
    id: sqlalchemy.orm.Mapped[int] = sqlalchemy.orm.mapped_column(primary_key=True)
    name: sqlalchemy.orm.Mapped[str]
    weight: sqlalchemy.orm.Mapped[float]


def test_a_mapper_reads_and_writes(through: sqlalchemy.Engine) -> None:
    with Session(through) as session:
        session.add_all([Visit(what=f"visit {n}") for n in range(50)])
        session.add(Code(dx="ORM", descr="mapped"))
        session.flush()
        patient = session.get(Patient, 3)
        assert patient is not None and patient.name == "[NAME]"
        patient.weight = 71.5
        session.flush()
        session.refresh(patient)
        assert (patient.weight, patient.name) == (71.5, "[NAME]")
        assert session.scalars(sqlalchemy.select(Code).filter_by(dx="ORM")).one().descr == "mapped"
        with (
            pytest.raises(sqlalchemy.exc.DBAPIError, match="phi/predicate"),
            session.begin_nested(),
        ):
            session.scalars(sqlalchemy.select(Patient).filter_by(name="Name3")).all()
        assert session.scalar(sqlalchemy.select(sqlalchemy.func.count(Patient.id))) == 200
        session.rollback()


# --- psycopg, asyncpg -----------------------------------------------------------------------------


def told(info: TypeInfo | None) -> dict[str, Any] | None:
    return info and {key: value for key, value in vars(info).items() if key != "typemod"}


def test_psycopg_learns_types(world: World) -> None:
    with psycopg.connect(dsn(world)) as connection, psycopg.connect(direct_dsn(world)) as direct:
        for kind, name in (
            *((EnumInfo, "mood"), (CompositeInfo, "contact"), (RangeInfo, "int4range")),
            *((MultirangeInfo, "int4multirange"), (TypeInfo, "tag"), (TypeInfo, "no_such_type")),
        ):
            found, expected = kind.fetch(connection, name), kind.fetch(direct, name)
            assert told(found) == told(expected)
        info = CompositeInfo.fetch(connection, "contact")
        assert info is not None
        info.register(connection)
        for binary in (False, True):
            with connection.cursor(binary=binary) as cursor:
                row = cursor.execute("SELECT c, id FROM members WHERE id = 1").fetchone()
                assert row == (None, 1)


def test_asyncpg_learns_types(world: World) -> None:
    async def run() -> None:
        trust = ssl.create_default_context(cafile=str(world.gateway.certificates.ca))
        connection = await asyncpg.connect(
            host=world.gateway.host, port=world.gateway.port, user="agent", database="twin_one",
            password=world.token(), ssl=trust, timeout=60, command_timeout=60,
        )  # fmt: skip
        try:
            assert await connection.fetchval("SELECT 'happy'::mood") == "happy"
            assert await connection.fetchval("SELECT ROW('1', 'a@b')::contact") == ("1", "a@b")
            tags = "SELECT ARRAY['a', 'b']::tag[], ARRAY[ROW('1', NULL)::contact]"
            assert list(await connection.fetchrow(tags)) == [["a", "b"], [("1", None)]]
            assert len(await connection.fetch("SELECT * FROM kinds")) == 9
            async with connection.transaction():
                await connection.set_type_codec("mood", encoder=str, decoder=str.upper)
                assert await connection.fetchval("SELECT 'ok'::mood") == "OK"
        finally:
            await connection.close()

    asyncio.run(run())


# --- psql, pgjdbc ---------------------------------------------------------------------------------


def psql(text: str, script: str) -> str:
    done = subprocess.run(
        [debian("psql", "postgresql-client"), "-X", text],
        input=script, text=True, capture_output=True, timeout=120, check=False,
        env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert not done.stderr, done.stderr
    return done.stdout


def test_psql_describes_everything(world: World) -> None:
    relations = "kinds wards events members v_deep m_deep derived checked ledger twig counter"
    script = "".join(
        f"{command}\n"
        for command in (
            *(
                "\\d",
                "\\d+",
                "\\dt",
                "\\df",
                "\\df+",
                "\\l",
                "\\dn",
                "\\dn+",
                "\\dT+",
                "\\dD",
                "\\do",
            ),
            *(
                "\\dC",
                "\\da",
                "\\dv+",
                "\\dm",
                "\\ds",
                "\\di",
                "\\dp",
                "\\dO",
                "\\dP",
                "\\dX",
                "\\dy",
            ),
            *(f"\\d+ {name}" for name in relations.split()),
            *("\\d other.*", '\\d "We.ird".*', "\\sf peek", "\\sv v_deep", "\\dt *.patients"),
        )
    )
    found, expected = psql(dsn(world), script), psql(direct_dsn(world), script)
    assert len(found) > 20_000
    # Sizes are lengths added up: they are masked.
    assert " kB " in expected and " kB " not in found
    assert rows(found) == rows(expected)


def rows(text: str) -> list[list[str]]:
    """The words of each line, but for sizes and for the lines between headings and rows."""
    text = re.sub(r"\b\d+ (bytes|kB|MB)\b", "", text)
    return [line.split() for line in text.splitlines() if line.strip(" -+")]


def test_pgjdbc_reads_its_metadata(world: World) -> None:
    gateway = world.gateway
    through = jdbc.url(gateway.host, gateway.port, "twin_one", gateway.certificates.ca)
    direct = jdbc.url("127.0.0.1", world.postgres.port, "twin_one")
    found = jdbc.metadata(through, "agent", world.token())
    expected = jdbc.metadata(direct, "agent", PASSWORD)
    assert found.keys() == expected.keys()
    for what in expected:
        assert found[what] == expected[what], what
    assert len(expected["columns"]) > 200 and expected["encounters imported"]
