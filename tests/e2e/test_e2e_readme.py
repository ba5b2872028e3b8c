"""The README's first five minutes, as they stand there: its files, its commands, real servers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from testbed.certificates import write_private
from testbed.parts import CHECKOUT
from testbed.ports import free_port
from testbed.postgres import Postgres
from testbed.process import Server

from hoopgate.identity.client_secrets import hash_secret

README = (CHECKOUT / "README.md").read_text()
PROGRAMS = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """The lines behind a prompt, without their remarks."""
    lines = "".join(blocks("console")).splitlines()
    return [re.sub(r"\s{2,}#.*", "", line[2:]) for line in lines if line.startswith("$ ")]


def test_links_lead_somewhere() -> None:
    for page in [CHECKOUT / "README.md", *(CHECKOUT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_two_commands_are_targets() -> None:
    made = re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    assert commands()[:2] == ["make demo", "make test"]
    assert {"demo", "test"} <= set(made)


@pytest.fixture
def place(tmp_path: Path, postgres15: Postgres) -> Path:
    """The directory as the README has it after its steps; only ports and secrets are of today."""
    (account,) = blocks("sql")
    postgres15.create_database("clinic_readme", "CREATE TABLE patients (ssn text);")
    postgres15.psql(
        account + "INSERT INTO patients VALUES ('900-10-0001')",
        "clinic_readme",
    )
    issuer, node = blocks("toml")
    for secret in ("agent-1", "rita"):
        text = f"secret of {secret}, long enough"
        write_private(tmp_path / f"{secret}.secret", text.encode())
        issuer = issuer.replace('"scrypt:…"', f'"{hash_secret(text)}"', 1)
    (tmp_path / "issuer.toml").write_text(of_today(issuer, postgres15))
    (tmp_path / "hoopgate.toml").write_text(of_today(node, postgres15))
    (password,) = (line for line in commands() if "clinic.password" in line)
    run(password, tmp_path, postgres15)
    return tmp_path


PORTS = {8443: free_port(), 6432: free_port()}


def of_today(text: str, postgres: Postgres) -> str:
    """Ports that are free, and the test's database."""
    text = text.replace(":5432", f":{postgres.port}")
    text = text.replace('database = "clinic"', 'database = "clinic_readme"')
    for port, free in PORTS.items():
        text = re.sub(rf"\b{port}\b", str(free), text)
    if text.startswith("issuer ="):  # the default port is another test's, too
        text = f'listen = "tcp:{PORTS[8443]}:interface=127.0.0.1"\n' + text
    return text


def run(line: str, directory: Path, postgres: Postgres, text: str = "") -> str:
    """What a command of the README prints."""
    done = subprocess.run(
        ["sh", "-c", of_today(line, postgres)],
        cwd=directory,
        env=environment(directory),
        input=text,
        text=True,
        capture_output=True,
        timeout=30,
    )
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    return done.stdout


def environment(directory: Path) -> dict[str, str]:
    """A shell's after ``. venv/bin/activate`` and the exports."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    config = directory / "hoopgate.toml"
    return {**kept, "PATH": f"{PROGRAMS}:{kept['PATH']}", "HOOPGATE_CONFIG": str(config)}


def test_the_first_five_minutes(place: Path, postgres15: Postgres) -> None:
    lines = commands()
    assert "is valid" in run("hoopgate check", place, postgres15)
    started = [line.removesuffix(" &").split() for line in lines if line.endswith(" &")]
    servers = [
        Server([PROGRAMS / program, *rest], log=place / f"{program}.log", directory=place)
        for program, *rest in started
    ]
    try:
        servers[0].wait_until(lambda: "is ready" in servers[0].log_text(), 20)
        servers[1].wait_until(lambda: "node.ready" in servers[1].log_text(), 20)
        token = next(line for line in lines if "hoopgate token" in line)
        psql = next(line for line in lines if line.startswith("psql"))
        shown = run(f"{token}; {psql}", place, postgres15, "SELECT * FROM patients;\n")
        assert "[SSN]" in shown
        assert "900-10" not in shown
        deadline = time.monotonic() + 10
        while "client.terminate" not in run("hoopgate sessions", place, postgres15):
            assert time.monotonic() < deadline
        assert run("hoopgate audit verify", place, postgres15).startswith("good")
    finally:
        for server in reversed(servers):
            server.stop()
    known = {"hoopgate sessions", "hoopgate audit verify", "hoopgate check", token, psql}
    known |= {line for line in lines if line.startswith(("make ", "python3 -m venv", "export "))}
    known |= {line for line in lines if line.endswith(" &") or "clinic.password" in line}
    assert set(lines) == known, "a command of the README that this test does not run"
