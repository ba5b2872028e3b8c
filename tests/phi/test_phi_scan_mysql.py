"""``hoopgate phi scan`` on MariaDB."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
import tomli_w
from phi_world import hoopgate
from testbed.certificates import Certificates
from testbed.clinic import clients
from testbed.clinic_mysql import make_database, settings
from testbed.issuer import TestIssuer
from testbed.mariadb import MariaDB

#: Synthetic, as in phi_world.
HIDDEN = """
CREATE TABLE forms (
    id integer PRIMARY KEY AUTO_INCREMENT,
    f1 varchar(20), f2 varchar(60), f3 text, f4 varchar(30), f5 blob, f6 datetime,
    `odd``name` varchar(20),
    urgent tinyint(1), ward varchar(10),
    f7 varchar(40) COMMENT 'Social security number, encoded',
    backwards varchar(20) GENERATED ALWAYS AS (reverse(f1)) VIRTUAL
);
INSERT INTO forms (f1, f2, f3, f4, f5, f6, `odd``name`, urgent, ward, f7)
WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 150)
SELECT concat(100 + i % 500, '-', 10 + i % 89, '-', lpad(i * 37 % 9999 + 1, 4, '0')),
    concat('user', i, '@mail.example'),
    if(i % 9 = 0, concat('called (202) 555-0', lpad(i, 3, '0')), 'nothing to report for today'),
    elt(i % 2 + 1, '4111111111111111', '5500005555555559'), 'x', now(), concat(i * 7919, 'zq'),
    i % 2, elt(i % 3 + 1, 'N', 'S', 'E'), md5(i)
FROM numbers;
CREATE VIEW seen AS SELECT f1 FROM forms;
"""


@pytest.fixture(scope="module")
def config(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, mariadb: MariaDB
) -> Path:
    directory = tmp_path_factory.mktemp("scan-mariadb")
    make_database(mariadb, "scanned")
    mariadb.sql(*(one for one in HIDDEN.split(";") if one.strip()), database="scanned")
    with TestIssuer(clients(), {}, certificates) as issuer:
        path = directory / "hoopgate.toml"
        path.write_text(
            tomli_w.dumps(settings(directory, certificates, mariadb, issuer, "scanned"))
        )
    return path


def test_names_types_comments_and_values_tell(config: Path, tmp_path: Path) -> None:
    done = hoopgate(config, "phi", "scan", "clinic", "--only", "scanned.*", "--json")
    assert done.returncode in (0, 1), done.stderr
    found = {one["column"]: one for one in json.loads(done.stdout)["columns"]}
    kinds = {name: one["kind"] for name, one in found.items() if ".forms." in name}
    assert kinds == {
        "scanned.forms.id": "PUBLIC",
        "scanned.forms.f1": "SSN",
        "scanned.forms.f2": "EMAIL",
        "scanned.forms.f3": "NOTE",
        "scanned.forms.f4": "CARD",
        "scanned.forms.f5": "BINARY",
        "scanned.forms.f6": "DATE",
        "scanned.forms.odd`name": None,
        "scanned.forms.urgent": "PUBLIC",
        "scanned.forms.ward": "PUBLIC",
        "scanned.forms.f7": "SSN",
    }
    assert found["scanned.patients.ssn"]["finding"] == "labelled"
    assert not [name for name in found if name.startswith(("scanned.seen", "hoopgate_scratch"))]
    labels = tmp_path / "labels.toml"
    hoopgate(config, "phi", "scan", "clinic", "--only", "scanned.*", "-o", labels)
    text = labels.read_text()
    assert "mail.example" not in text
    appended = config.with_name("appended.toml")
    appended.write_text(config.read_text() + text)
    assert len(tomllib.loads(appended.read_text())["labels"]) > 10
    assert hoopgate(appended, "check").returncode == 0


def test_a_server_that_does_not_answer(config: Path) -> None:
    text = config.read_text().replace('database = "scanned"', 'database = "nowhere"')
    broken = config.with_name("broken.toml")
    broken.write_text(text)
    done = hoopgate(broken, "phi", "scan", "clinic")
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("hoopgate phi: ")
