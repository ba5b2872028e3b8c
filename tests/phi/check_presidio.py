"""``hoopgate phi scan --presidio`` with Presidio itself (``make presidio``)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from phi_world import hoopgate, write_settings
from testbed.certificates import Certificates
from testbed.postgres import Postgres

#: Synthetic, valid by their checksums, nobody's. Columns whose names tell nothing.
ABROAD = """
CREATE SCHEMA abroad;
CREATE TABLE abroad.x(id int PRIMARY KEY, c1 text, c2 text, c3 text, c4 text, passport text);
INSERT INTO abroad.x SELECT i, (ARRAY['9434765919', '4010232137', '9990000018'])[i % 3 + 1],
    (ARRAY['44051401359', '02070803628'])[i % 2 + 1], (ARRAY['12345678Z', '87654321X'])[i % 2 + 1],
    'word ' || i, (ARRAY['A1234567', 'B7654321'])[i % 2 + 1] FROM generate_series(1, 60) i;
GRANT USAGE ON SCHEMA abroad TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA abroad TO PUBLIC;
"""


@pytest.fixture(scope="module")
def config(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, postgres18: Postgres
) -> Path:
    made = write_settings(tmp_path_factory.mktemp("presidio"), certificates, postgres18, limits={})
    postgres18.psql(ABROAD, "scanned")
    return made


def test_identifiers_of_other_countries_are_found(config: Path) -> None:
    kinds = {}
    for options in ([], ["--presidio"]):
        done = hoopgate(config, "phi", "scan", "clinic", "--only", "abroad.*", "--json", *options)
        assert done.returncode == 0, done.stderr
        assert "scan of clinic: 1 relations, 6 columns" in done.stderr
        assert "943" not in done.stdout and "44051401359" not in done.stdout
        kinds[bool(options)] = {
            one["column"].rpartition(".")[2]: one["kind"]
            for one in json.loads(done.stdout)["columns"]
        }
    assert "UK_NHS" not in kinds[False].values()
    found = kinds[True]
    assert (found["c1"], found["c2"], found["c3"]) == ("UK_NHS", "PL_PESEL", "ES_NIF")
    assert found["c4"] not in ("UK_NHS", "PL_PESEL", "ES_NIF")
