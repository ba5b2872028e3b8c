"""docs/getting-started.md, typed from top to bottom as it stands, on a PostgreSQL of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from testbed.parts import CHECKOUT
from testbed.ports import free_port
from testbed.postgres import Postgres

PAGE = (CHECKOUT / "docs" / "getting-started.md").read_text()
PROGRAMS = Path(sys.executable).parent

SCHEMA = """
CREATE TABLE patients (id integer PRIMARY KEY, name text, ssn text, dob date, sex text);
INSERT INTO patients
SELECT n, 'Canary Name' || n, '900-10-' || lpad(n::text, 4, '0'), date '1961-03-04' + 300 * n,
    CASE n % 2 WHEN 0 THEN 'M' ELSE 'F' END
FROM generate_series(1, 30) n;
"""


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language; "" has what programs print."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return [text for named, text in found if named == language]


@pytest.fixture
def typed(tmp_path: Path, postgres15: Postgres) -> list[str]:
    """What each block printed; ports, the name of the database, the installation are of today."""
    (account,) = blocks("sql")
    postgres15.psql("DROP ROLE IF EXISTS hoopgate")
    postgres15.create_database("clinic_begun", SCHEMA)
    postgres15.psql(account, "clinic_begun")
    install, *others = blocks("sh")
    assert [line.split()[0] for line in install.splitlines()] == [
        "python3",
        "~/hoopgate-try/venv/bin/pip",
        "cd",
    ]
    place = tmp_path / "hoopgate-try"
    place.mkdir()
    ports = {"5432": str(postgres15.port), "6432": str(free_port()), "8443": str(free_port())}
    script = "\n".join(f"echo '### {number}'\n{text}" for number, text in enumerate(others))
    script = re.sub(r"\b(5432|6432|8443)\b", lambda found: ports[found[0]], script)
    script = script.replace('database = "clinic"', 'database = "clinic_begun"')
    script = script.replace(
        'issuer = "http:',
        f'listen = "tcp:{ports["8443"]}:interface=127.0.0.1"\nissuer = "http:',
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    shell = subprocess.Popen(
        ["bash", "-e"],
        cwd=place,
        env={**kept, "PATH": f"{PROGRAMS}:{kept['PATH']}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        shown, _ = shell.communicate(f"{script}\nkill %1 %2; wait", timeout=240)
    except subprocess.TimeoutExpired as late:
        shown = (late.output or b"").decode()
    finally:
        with contextlib.suppress(ProcessLookupError):  # what a failed line has left
            os.killpg(shell.pid, signal.SIGTERM)
    log = "".join(one.read_text() for one in sorted(tmp_path.glob("hoopgate-try/*.log")))
    assert shell.poll() == 0, shown + log
    assert "900-10-" not in shown.replace("'900-10-0001'", "")
    assert "Canary" not in shown + log
    assert "Canary" not in (place / "patients.tsv").read_text()
    return re.split(r"^### \d+\n", shown, flags=re.MULTILINE)[1:]


def table(text: str) -> list[list[str]]:
    """Cells of a table that psql prints."""
    return [[cell.strip() for cell in line.split("|")] for line in text.splitlines() if "|" in line]


def test_the_page_is_true(typed: list[str]) -> None:
    _, _, node, _, all_hidden, _, labelled, masked, refused, held, after = typed
    assert "is valid" in node
    hidden, shown, *_ = (one for one in blocks("") if "|" in one)
    assert table(all_hidden) == table(hidden)
    assert "node.reloaded" in labelled
    assert re.search(r"patients\.dob +DOB \(quasi\) → generalise\n", labelled)
    assert [row[:3] for row in table(masked)] == [row[:3] for row in table(shown)]
    assert [row[4] for row in table(masked)[1:]] == ["F", "M"]
    for line in next(one for one in blocks("") if "phi/predicate" in one).splitlines():
        for part in re.split("…|req-", line)[:2]:
            assert part.strip(" (") in refused
    assert re.search(r"waits for approval as apr-\w+", held)
    assert "is approved" in held
    assert held.splitlines()[-1].split("\t")[1:3] == ["[NAME]", "[SSN]"]
    assert "agent-1" in after
    assert "\ngood" in f"\n{after}"
