"""A database to scan, with its settings; no gateway runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import tomli_w
from testbed.certificates import Certificates
from testbed.clinic import AGENT_PASSWORD, GROUPS, LABELS, RULES, SCHEMA
from testbed.gateway import settings_for
from testbed.postgres import Postgres

HOOPGATE = Path(sys.executable).with_name("hoopgate")

#: Synthetic: valid by their checksums, nobody's. What names do not tell, values have to.
HIDDEN = """
CREATE SCHEMA intake;
CREATE TYPE intake.state AS ENUM ('new', 'done');
CREATE TABLE intake.forms (
    form_id integer PRIMARY KEY,
    f1 text, f2 text, f3 text, f4 text, f5 text, f6 text, f7 inet, f8 bytea,
    "birthDate" date,
    ward text,
    state intake.state,
    urgent boolean,
    score real,
    f9 text,
    "odd]]
name" text,
    reversed text GENERATED ALWAYS AS (reverse(f1)) STORED
);
COMMENT ON COLUMN intake.forms.f9 IS 'Social security number, encoded';
COMMENT ON TABLE intake.forms IS 'Filled in by the patient';
INSERT INTO intake.forms
SELECT i,
    (100 + i % 500) || '-' || (10 + i % 89) || '-' || lpad((i * 37 % 9999 + 1)::text, 4, '0'),
    'user' || i || '@mail.example',
    CASE WHEN i % 9 = 0 THEN 'called +1 202-555-0' || lpad((i % 999)::text, 3, '0')
         ELSE 'nothing to report today, will come again' END,
    (ARRAY['4111111111111111', '5500005555555559', '340000000000009'])[i % 3 + 1],
    (ARRAY['1234567893', '1245319599', '1003000126'])[i % 3 + 1],
    (i * 7919)::text || 'zq',
    ('10.0.0.' || i % 250)::inet,
    '\\x00'::bytea,
    date '1950-01-01' + i * 100,
    (ARRAY['North', 'South', 'East'])[i % 3 + 1],
    (ARRAY['new', 'done'])[i % 2 + 1]::intake.state,
    i % 2 = 0,
    i / 7.0,
    md5(i::text),
    'x'
FROM generate_series(1, 300) AS i;
CREATE VIEW intake.v AS SELECT f1 FROM intake.forms;
CREATE TABLE intake.visits (at timestamptz, who text, pin text) PARTITION BY RANGE (at);
CREATE TABLE intake.visits_2026 PARTITION OF intake.visits DEFAULT;
INSERT INTO intake.visits SELECT now(), 'Mary Testcase' FROM generate_series(1, 60);
CREATE TABLE intake.large AS
    SELECT i AS n, 'patient' || i || '@mail.example' AS m FROM generate_series(1, 40000) AS i;
ANALYZE intake.large;
CREATE TABLE intake.locked (f1 text);
INSERT INTO intake.locked VALUES ('x');
GRANT USAGE ON SCHEMA intake TO agent;
GRANT SELECT ON ALL TABLES IN SCHEMA intake TO agent;
REVOKE SELECT ON intake.visits FROM agent;
GRANT SELECT (at, who) ON intake.visits TO agent;
CREATE TABLE intake.closed (ssn text);
CREATE SCHEMA vault;
CREATE TABLE vault.codes (pin text);
"""

#: A column of synthetic identifiers that the test's settings call public, as somebody may.
WRONGLY_PUBLIC = {"column": "intake.large.m", "level": "public"}


def write_settings(
    directory: Path, certificates: Certificates, postgres: Postgres, **more: Any
) -> Path:
    """``hoopgate.toml`` of the clinic's resource with its labels and rules."""
    postgres.create_database("scanned", SCHEMA.read_text() + HIDDEN)
    postgres.psql(f"ALTER ROLE agent PASSWORD '{AGENT_PASSWORD}'", "scanned")
    settings = settings_for(
        directory,
        certificates,
        postgres,
        issuers=[{"name": "idp", "url": "https://idp.example", "audiences": ["hoopgate"]}],
        groups=GROUPS,
        rules=RULES,
        labels=[*LABELS, WRONGLY_PUBLIC],
        database="scanned",
        user="agent",
        password=AGENT_PASSWORD,
        **more,
    )
    path = directory / "hoopgate.toml"
    path.write_text(tomli_w.dumps(settings))
    return path


def hoopgate(config: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command on these settings."""
    return subprocess.run(
        [HOOPGATE, *arguments, "--config", config], capture_output=True, text=True, timeout=120
    )
