"""Two databases that differ in PHI alone, behind one gateway, and beside it for comparison."""

from __future__ import annotations

import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from testbed.certificates import Certificates
from testbed.gateway import Gateway, settings_for
from testbed.issuer import TestIssuer, client
from testbed.postgres import Postgres
from twin_wire import Client, directly, query, through_gateway

HERE = Path(__file__).parent
HBA = ("local all all trust", "host all all 127.0.0.1/32 scram-sha-256")
#: Few buffers, so that a table may be a large one, which is scanned in another way.
SETTINGS = {"shared_buffers": "2MB"}
PASSWORD = "backend-account-of-the-twins"

#: Columns of the twins that are secret, with their kinds.
SECRETS = {
    "public.patients.ssn": "SSN",
    "public.patients.name": "NAME",
    "public.patients.dob": "DATE",
    "public.patients.mrn": "MRN",
    "public.patients.email": "EMAIL",
    "public.patients.zip": "ZIP",
    "public.patients.notes": "NOTES",
    "public.encounters.note": "NOTES",
    "public.staff.name": "NAME",
    "public.derived.pin": "PIN",
    "public.events.who": "NAME",
    "public.wards.ward": "WARD",
    "public.person.name": "NAME",
    "public.guarded.who": "NAME",
    "public.fenced.pin": "PIN",
    "public.dropped.b": "OTHER",
    "public.checked.pin": "PIN",
    "public.booked.during": "DATE",
    "public.partly.code": "CODE",
    "public.lowered.handle": "ACCOUNT",
    "public.account.mrn": "MRN",
    "public.ledger.mrn": "MRN",
    "public.branch.pin": "PIN",
    "public.leaf.pin": "PIN",
    "public.twig.pin": "PIN",
    "public.indexed.name": "NAME",
    "public.long_notes.note": "NOTES",
    "public.fallout.pin": "PIN",
    "public.owned.name": "NAME",
    "public.owned.n": "PIN",
    "public.owned.day": "DATE",
    "public.owned_wards.ward": "WARD",
    "public.owned_rest.ward": "WARD",
    "public.members.c": "CONTACT",
    "public.virtuals.name": "NAME",
    "public.spans.during": "DATE",
    "public.stays.during": "DATE",
    "public.nulled.pin": "PIN",
    "public.blanked.handle": "ACCOUNT",
    "public.barred.during": "DATE",
    "public.tariff.grade": "CODE",
    "public.cover*.grade": "CODE",
    "public.packed.pin": "PIN",
    "public.presets.code": "CODE",
    "public.numbered.no": "PIN",
    "public.wide.c*": "OTHER",
    "public.moving*.who": "NAME",
    "public.moving*.pin": "PIN",
    "public.growing.note": "NOTES",
    "public.owned_made.name": "NAME",
    "public.sized.note": "NOTES",
    "public.kinds.s_*": "KIND",
    "public.summed.note": "NOTES",
    "public.bounded.span": "DATE",
    "public.forked.span": "DATE",
    "public.branching.note": "NOTES",
    "public.words.shut": "NOTES",
    "public.hashed.note": "NOTES",
    "public.days.during": "DATE",
    "public.days.at": "DATE",
    "public.days.name": "NAME",
}
#: Names whose dots a dictionary's line cannot tell from its own are reached by wildcards.
ODD = {"We?ird.T?able.na?ve": "OTHER", "public.Odd?Table.Se cret": "OTHER"}
QUASI = {"public.patients.dob": "DOB", "public.patients.zip": "ZIP"}

#: The pair whose dates and ZIPs are secret too, the pair that generalises them, and the pair with
#: nothing but public columns: masking is switched off there, so what it shows is what there is to
#: protect. Databases have their resources' names, all of one length: where a script says
#: ``twin_one``, it means the database it runs in.
STRICT = ("twin_one", "twin_two")
SOFT = ("soft_one", "soft_two")
BARE = ("bare_one", "bare_two")
#: What the baseline forbids and an operator of a warehouse lets analysts do.
OWN_TABLES = ("ddl", "maintenance", "truncate", "unbounded-write")
#: Never used, only copied from.
_KEPT = {"twin": "keep", "bare": "keep", "soft": "kept", "coin": "mint"}


def labels() -> list[dict[str, Any]]:
    """The data dictionary of all resources; what it does not name is public."""
    found: list[dict[str, Any]] = [
        {"resource": resource, "column": "*.*.*", "kind": "NONE", "level": "public"}
        for resource in BARE
    ]
    for resource in (*STRICT, *SOFT):
        for column, kind in {**SECRETS, **ODD}.items():
            line = {"resource": resource, "column": column, "kind": kind}
            if resource in SOFT and column in QUASI:
                line |= {"kind": QUASI[column], "level": "quasi", "method": "generalise"}
            found.append(line)
        for schema in ("public", "other", "We?ird"):
            column = f"{schema}.*.*"
            found.append(
                {"resource": resource, "column": column, "kind": "NONE", "level": "public"}
            )
    return found


class World:
    """The running pairs.

    :ivar version: PostgreSQL's major version.
    :ivar restored: how often each database was made anew.
    """

    def __init__(self, postgres: Postgres, gateway: Gateway, issuer: TestIssuer) -> None:
        self.version = postgres.version
        self.postgres = postgres
        self.gateway = gateway
        self._issuer = issuer
        self._owners: dict[str, Client] = {}
        self._digests: dict[str, list[bytes]] = {}
        self.restored: Counter[str] = Counter()

    def client(self, resource: str) -> Client:
        """A session through the gateway."""
        address = (self.gateway.host, self.gateway.port)
        ca = self.gateway.certificates.ca
        return through_gateway(address, ca, "agent", resource, self.token())

    def token(self) -> str:
        """What an agent's driver gives as its password."""
        return self._issuer.token("agent", resources=["hoopgate"])

    def direct(self, resource: str) -> Client:
        """A session on the database of ``resource``, nothing in between."""
        return directly(self._socket, "agent", resource)

    @property
    def _socket(self) -> Path:
        return self.postgres.socket_directory / f".s.PGSQL.{self.postgres.port}"

    def settle(self, resource: str, script: bytes) -> None:
        """Undo what a ROLLBACK does not, where ``script`` may have done such a thing."""
        if _COUNTS.search(script):
            self._own(resource, _SEQUENCES)
        if _COMMITS.search(script):
            if resource not in self._digests:
                self._digests[resource] = self._digest(resource.replace(*_kept(resource)))
            if self._digest(resource) != self._digests[resource]:
                self.restore(resource)

    def until_waiting(self, database: str) -> None:
        """Until a session of the database waits for a lock; for a second at most, as one that was
        refused never does."""
        until = time.monotonic() + 1
        while time.monotonic() < until:
            found = self._own("postgres", f"{_WAITING} WHERE datname = '{database}'")
            if any(message[:1] == b"D" and message[-1:] == b"t" for message in found):
                return

    def close(self) -> None:
        for owner in self._owners.values():
            owner.close()

    def _own(self, database: str, text: str) -> list[bytes]:
        """What the superuser is answered."""
        client = self._owners.get(database)
        if client is None or client.ended:
            client = self._owners[database] = directly(self._socket, "postgres", database)
        client.send(query(text).data)
        found = client.answers(1)
        if not found or any(message[:1] in (b"E", b"") for message in found):
            raise AssertionError(f"{text[:200]}: {found[:2]}")
        return found

    def _digest(self, database: str) -> list[bytes]:
        """Every row of every table, and what objects there are."""
        found = self._own(database, _TABLES)
        tables = [message[11:].decode() for message in found if message[:1] == b"D"]
        rows = " UNION ALL ".join(
            f"SELECT '{name}', count(*), sum(hashtextextended(t::text || ctid, 0))"
            f" FROM ONLY {name} t"
            for name in tables
        )
        return self._own(database, rows) + self._own(database, _OBJECTS)

    def restore(self, resource: str) -> None:
        """The database anew; sessions on it end."""
        self.restored[resource] += 1
        kept = resource.replace(*_kept(resource))
        for name in (resource, kept):
            if name in self._owners:
                self._owners.pop(name).close()
            self._own(
                "postgres",
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
            )
        self._own("postgres", f"DROP DATABASE {resource} WITH (FORCE)")
        self._own("postgres", f"CREATE DATABASE {resource} TEMPLATE {kept}")


_COUNTS = re.compile(rb"insert|merge|copy|nextval|setval|create", re.IGNORECASE)
_COMMITS = re.compile(rb"commit|rollback(?! to)|abort|hold|prepare transaction", re.IGNORECASE)
_WAITING = "SELECT coalesce(bool_or(wait_event_type = 'Lock'), false) FROM pg_stat_activity"
_SEQUENCES = "SELECT setval('counter', 1, false), setval('visits_id_seq', 5)"
_TABLES = """
SELECT format('%I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'm') AND nspname !~ '^(pg_|information_schema)' ORDER BY 1"""

#: What DDL changes and no row tells of.
_OBJECTS = " UNION ALL ".join(
    f"SELECT count(*), sum(hashtextextended(({row})::text, 0)) FROM {table} WHERE {oid} >= 16384"
    for table, oid, row in (
        ("pg_attribute", "attrelid", "attrelid, attnum, attgenerated, attinhcount, attnotnull"),
        ("pg_rewrite", "oid", "oid, ev_class, ev_action"),
        ("pg_constraint", "oid", "oid, conrelid"),
        ("pg_trigger", "oid", "oid, tgrelid"),
        ("pg_statistic_ext", "oid", "oid, stxrelid"),
    )
)


def _kept(resource: str) -> tuple[str, str]:
    pair = resource.partition("_")[0]
    return pair, _KEPT[pair]


def make_honest(postgres: Postgres, names: Iterable[str]) -> None:
    """The databases of honest work (benign/)."""
    postgres.create_role("agent", PASSWORD)
    for name in names:
        schema = (HERE / "benign" / f"{name}.schema.sql").read_text()
        postgres.create_database(name, f"BEGIN;\n{schema}\nCOMMIT;")


def make_databases(postgres: Postgres) -> None:
    """One template, cloned, so that the twins' OIDs agree; then each its own rows."""
    postgres.create_role("agent", PASSWORD)
    postgres.psql("ALTER ROLE agent SET statement_timeout = '3s'")
    postgres.create_database("twin_template", (HERE / "twin_schema.sql").read_text())
    fill = (HERE / "twin_fill.sql").read_text()
    settle = (HERE / "twin_settle.sql").read_text()
    # Quasi-identifiers differ in the soft pair within what their generalisation shows, no further.
    soften = """
UPDATE patients SET dob = make_date(CASE WHEN id % 90 < 30 THEN 1900 + id * :side % 30
        ELSE 1900 + id % 90 END, 1 + :side * (id % 6), :side * 7),
    zip = lpad((100 + id * 3)::text, 3, '0') || lpad((id * :side % 100)::text, 2, '0');"""
    for side in (1, 2):
        for pair in ("keep", "kept"):
            name = f"{pair}_{('one', 'two')[side - 1]}"
            postgres.psql(f"CREATE DATABASE {name} TEMPLATE twin_template")
            more = soften if pair == "kept" else ""
            postgres.psql(f"\\set side {side}\n{fill}{more}\n{settle}", name)
    for name in (*STRICT, *SOFT, *BARE):
        postgres.psql(f"CREATE DATABASE {name} TEMPLATE {name.replace(*_kept(name))}")


def settings(
    directory: Path,
    certificates: Certificates,
    postgres: Postgres,
    issuer: TestIssuer,
    names: Sequence[str],
    dictionary: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """hoopgate.toml: one listener, resources named as their databases, all allowed but for PHI."""
    made = settings_for(
        directory,
        certificates,
        postgres,
        issuers=[
            {
                "name": "embedded",
                "url": issuer.url,
                "audiences": ["hoopgate"],
                "ca_file": str(certificates.ca),
            }
        ],
        groups={"agents": ["agent"]},
        rules=[{"name": "all", "verdict": "allow", "match": {"groups": ["agents"]}}],
        user="agent",
        password=PASSWORD,
    )
    (template,) = made["resources"]
    made["resources"] = [
        {**template, "name": name, "database": name, "scope": "hoopgate:twins"} for name in names
    ]
    made["listeners"][0]["resources"] = list(names)
    made["labels"] = [dict(line) for line in dictionary]
    return made


@contextmanager
def running_world(
    version: int,
    honest: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    *,
    packs: Sequence[str] = ("hipaa-baseline",),
    limits: Mapping[str, str] | None = None,
) -> Iterator[World]:
    """PostgreSQL of ``version`` with the twins, an issuer and a gateway; gone afterwards.

    :param honest: labels of databases of honest work: then these are there in the twins' place,
        and an operator lets analysts keep tables of their own.
    :param packs: of rules; without any, labels are all that guards.
    :param limits: other than the usual ones.
    """
    # In memory where there is room: the log's durability is not what is judged here.
    memory = Path("/dev/shm")
    place = str(memory) if memory.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="hoopgate-twin-", dir=place) as scratch:
        directory = Path(scratch)
        certificates = Certificates(directory)
        clients = {"agent": client("agent-secret", scopes=["hoopgate:twins"])}
        with (
            Postgres(version, certificates, hba=HBA, settings=SETTINGS) as postgres,
            TestIssuer(clients, {"agent": "agent-secret"}, certificates) as issuer,
        ):
            if honest is None:
                make_databases(postgres)
                names: tuple[str, ...] = (*STRICT, *SOFT, *BARE)
                dictionary: Sequence[Mapping[str, Any]] = labels()
            else:
                make_honest(postgres, honest)
                names, dictionary = tuple(honest), [one for each in honest.values() for one in each]
            made = settings(directory, certificates, postgres, issuer, names, dictionary)
            made["policy"] = {"packs": list(packs)}
            if honest is not None:
                made["rules"][0]["overrides"] = [f"hipaa-baseline/{one}" for one in OWN_TABLES]
            made["limits"] = {**made.get("limits", {}), **(limits or {})}
            with Gateway(directory, made, certificates) as gateway:
                world = World(postgres, gateway, issuer)
                try:
                    yield world
                finally:
                    world.close()
