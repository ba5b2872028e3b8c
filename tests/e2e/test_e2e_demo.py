"""``make demo``: the story, told without a person, with each step's outcome."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from testbed.console import WebClient
from testbed.parts import CHECKOUT

DEMO = [sys.executable, str(CHECKOUT / "examples" / "demo")]


def environment(directory: Path, **more: str) -> dict[str, str]:
    """As the Makefile has it; what the demo leaves behind would be in ``directory``."""
    kept = {name: value for name, value in os.environ.items() if name != "DEMO_EXIT"}
    return {**kept, "PYTHONPATH": str(CHECKOUT / "tests"), "TMPDIR": str(directory), **more}


@contextmanager
def place() -> Iterator[Path]:
    """A directory that servers of other users may enter; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory(prefix="hgdm-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


@pytest.fixture(scope="module", params=[15, 18])
def told(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """The steps of a story, from its title on; everything is gone after it."""
    with place() as directory:
        yield tell(directory, request.param)


def tell(directory: Path, version: int) -> list[str]:
    done = subprocess.run(
        [*DEMO, "--postgres", str(version)],
        env=environment(directory, DEMO_EXIT="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    assert "\x1b" not in done.stdout
    assert not list(directory.iterdir())
    return re.split(r"\n\n(?=\d+  )", done.stdout)


def test_everything_is_started(told: list[str]) -> None:
    assert len(told) == 15
    assert [line.split()[1] for line in told[0].splitlines() if "✓" in line] == [
        "PostgreSQL",
        "MariaDB",
        "OpenSSH",
        "FHIR",
        "MCP",
        "OpenLDAP",
        "hoopgate",
        "twistd",
    ]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (1, r'as user "atlas".*atlas, for olga; groups: analysts, research-agents; scopes: '),
        (2, r"id \|  name  \|  ssn .* 1 \| \[NAME\] \| \[SSN\] \| 19\d\d-01-01 \| 004 \| M"),
        (3, r"colour \| hello.*\[SSN\]  \| \[NAME\]"),
        (4, r"ERROR:  hoopgate: public\.patients\.ssn is secret.*phi\.predicate.*HINT"),
        (5, r"DROP TABLE.*ERROR:  hoopgate: .*hipaa-baseline/ddl.*still_there.* 1000\n"),
        (6, r"NOTICE:  hoopgate: .* (apr-\w+) .*be atlas hoopgate approvals approve \1.*"
            r"approval\.self.*be olga hoopgate approvals approve \1.*approval\.self.*"
            r"be rita hoopgate approvals list.*\n +\1.*be rita hoopgate approvals approve \1.*"
            r"\1 is approved.*\n   COPY 200\n.*1 +\[NAME\] +\[SSN\] +19\d\d-01-01 +M"),
        (7, r"(ses-\w+)  atlas  .*2 block.*hoopgate replay \1.*→ DROP TABLE encounters;\n"
            r".*block hipaa-baseline/ddl"),
        (8, r"audit verify\n   good .*is changed\n.*BAD  copy-of-log: leaf \d+, "),
        (9, r"1 \| \[NAME\] \| \[SSN\] \| 19\d\d-01-01 \| M .*ERROR 1105 .* (apr-\w+)\. .*"
            r"approval\.pending.*be rita hoopgate approvals approve \1.*\1 is approved.*\(done\)"),
        (10, r"hoopgate ssh-cert .*cert\.pub: for files.* received, 2 pages, re \[SSN\]\n"
            r".*rm -rf.*hoopgate: refused: .*\"reason\": \"command\.unlisted\".*status 126"),
        (11, r"sftp -q .*\[NAME\],\[SSN\],HbA1c,5\.4\n.*waiting for approval: .*\"(apr-\w+)\".*"
            r"be rita hoopgate approvals approve \1.*\1 is approved.* 1\.txt .* 5\.txt"),
        (12, r'"name":.*"family":"\[NAME\]".*"birthDate":"1936"\n.*family=Hessel.*'
             r'"reason": "phi\.predicate"'),
        (13, r'"status": 403.*"reason": "approval\.pending".*"approval": "(apr-\w+)".*'
             r"be rita hoopgate approvals approve \1.*\1 is approved.*\n   HTTP/1.1 202 Accepted\n"
             r"   content-location: https://127.0.0.1:\d+/ehr/bulkstatus/1\n.*once only"),
        (14, r'tools/list .*\n   "name":"echo"\n   "name":"get-sum"\n   \$ mcp .*'
             r'The sum of 2 and 3 is 5.*"get-env".*"isError": true.*"reason": "rule\.none"'),
    ],
)  # fmt: skip
def test_each_step_turns_out_as_told(told: list[str], step: int, expected: str) -> None:
    assert told[step].startswith(f"{step}  ")
    assert re.search(expected, told[step], re.DOTALL), told[step]


def test_it_is_short_enough_to_read(told: list[str]) -> None:
    lines = "\n\n".join(told).splitlines()
    assert len(lines) <= 215
    assert max(map(len, lines)) <= 280


@pytest.fixture
def staying(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path, Path]]:
    """A demo that told its story and stays up: the process, its directory, what it printed."""
    printed = tmp_path / "printed"
    with place() as directory, printed.open("w") as output:
        demo = subprocess.Popen(
            DEMO,
            env=environment(directory),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            deadline = time.monotonic() + 300
            while "stays up" not in printed.read_text():
                assert demo.poll() is None, printed.read_text()
                assert time.monotonic() < deadline, printed.read_text()
                time.sleep(0.1)
            yield demo, directory, printed
        finally:
            demo.kill()
            demo.wait(60)


def test_it_stays_up_and_what_it_prints_works(
    staying: tuple[subprocess.Popen[str], Path, Path],
) -> None:
    demo, directory, printed = staying
    text = printed.read_text().partition("In another terminal:")[2]
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    source = next(line for line in lines if line.startswith(". "))
    wanted = {
        "be atlas psql": "connected to database",
        "be atlas psql -c 'TABLE patients' | head": "[SSN]",
        "be atlas mariadb -te 'SELECT * FROM department_load'": "| ICU",
        'be atlas hoopgate ssh-cert files "$(dirname "$SSH_CONFIG")"/id_ed25519.pub': "files",
        'ssh -F "$SSH_CONFIG" files cat $FILES/public/fax.log': "[SSN]",
        "be rita hoopgate approvals list": "Nothing waits.",
        "hoopgate check": "hoopgate.toml is valid.",
        "hoopgate sessions": "atlas",
        "kill -HUP $HOOPGATE_PID": "",
    }
    assert wanted.keys() < set(lines)
    for line, expected in wanted.items():
        done = subprocess.run(
            ["sh", "-c", f"{source}; {line}"],
            input="\\conninfo\n",
            text=True,
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 0, (line, done.stderr)
        assert expected in done.stdout, (line, done.stdout, done.stderr)
    reviewer_logs_in(text, directory)
    (log,) = directory.glob("hoopgate-demo-*/twistd.log")
    deadline = time.monotonic() + 60
    while "node.reloaded" not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    demo.send_signal(signal.SIGINT)
    assert demo.wait(60) == 0
    assert not list(directory.iterdir())


def reviewer_logs_in(text: str, directory: Path) -> None:
    """At the console whose address the demo printed, with the password beside it."""
    found = re.search(r"(https://\S+) +log in as (\w+), password (\S+)", text)
    assert found, text
    (ca,) = directory.glob("hoopgate-demo-*/certificates/ca.pem")
    browser = WebClient(SimpleNamespace(url=found[1], ca=ca))
    begun = browser.get("/login").location
    assert browser.get(browser.at_issuer(begun, found[2], found[3])).status == 303
    page = browser.get("/approvals").text
    assert found[2] in page
    assert "Nothing waits for you." in page
    assert browser.get("/sessions").status == browser.get("/log").status == 200


def test_a_terminal_that_is_closed_in_the_middle_leaves_nothing() -> None:
    with place() as directory:
        demo = subprocess.Popen(
            DEMO,
            env=environment(directory),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert demo.stdout is not None
        while not demo.stdout.readline().startswith("2  "):
            assert demo.poll() is None
        demo.send_signal(signal.SIGHUP)
        demo.communicate(timeout=60)
        assert demo.returncode == 130
        assert not list(directory.iterdir())
