"""Pages of a clinic where two persons approve what a write did, and auditors have the keys."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from testbed.certificates import Certificates
from testbed.console import ConsoleClinic, Visitor, running_console
from testbed.node import sessions, until
from testbed.postgres import Postgres

from hoopgate.cli.main import main
from hoopgate.recorder.sealing import ReplayKey

SHOTS = os.environ.get("HOOPGATE_SCREENSHOTS", "")
RULES: list[dict[str, Any]] = [
    {
        "name": "corrections",
        "verdict": "approve",
        "approve": "effect",
        "approvers": 2,
        "match": {"groups": ["analysts"], "classes": ["update"]},
        "reviewers": ["privacy-office"],
        "expires": "5m",
        "message": "A correction of clinical data.",
    },
    {
        "name": "exports",
        "verdict": "approve",
        "window": "10m",
        "match": {"groups": ["analysts"], "classes": ["copy.to"]},
        "reviewers": ["privacy-office"],
    },
    {"name": "analysts", "verdict": "allow", "match": {"groups": ["analysts", "exporters"]}},
]
AGENTS: list[psycopg.Connection[Any]] = []
WRITE = "UPDATE encounters SET department = 'ER' WHERE id <= 5"


@pytest.fixture(scope="module")
def console(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, postgres15: Postgres
) -> Iterator[ConsoleClinic]:
    directory = tmp_path_factory.mktemp("console-effects")
    key = ReplayKey.create(directory / "auditor.key")
    (directory / "auditor.pub").write_bytes(key.recipient.pem())

    def adjust(settings: dict[str, Any]) -> None:
        settings.setdefault("recording", {})["auditors"] = [str(directory / "auditor.pub")]

    with running_console(
        directory, certificates, postgres15, database="console_effects", rules=RULES, adjust=adjust
    ) as running:
        yield running


@pytest.fixture
def auditor(console: ConsoleClinic) -> Path:
    """The auditor's private key."""
    (public,) = console.gateway.settings["recording"]["auditors"]
    return Path(public).with_suffix(".key")


def opened(console: ConsoleClinic) -> tuple[psycopg.Connection[Any], list[str]]:
    """An agent's connection, and what it is told."""
    agent = psycopg.connect(console.clinic.dsn(), autocommit=True)
    noticed: list[str] = []
    agent.add_notice_handler(lambda notice: noticed.append(str(notice.message_primary)))
    AGENTS.append(agent)
    return agent, noticed


@pytest.fixture(autouse=True)
def agents() -> Iterator[None]:
    yield
    while AGENTS:
        agent = AGENTS.pop()
        agent.pgconn.finish()  # also where a thread waits for it
        agent.close()


def shot(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


def test_two_reviewers_approve_what_it_did(console: ConsoleClinic, visitor: Visitor) -> None:
    outcome: list[object] = []

    agent, noticed = opened(console)

    def write() -> None:
        try:
            outcome.append(agent.execute(WRITE).rowcount)
        except psycopg.Error as error:
            outcome.append(str(error))

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    until(lambda: noticed or outcome, "it is held", 60)
    assert not outcome, outcome
    rita = visitor("rita")
    assert not outcome, outcome
    rita.locator(".card").first.wait_for()
    assert "0 of 2 approvals" in rita.locator(".card").first.inner_text()
    assert "effect" in rita.locator(".card").first.inner_text()
    rita.locator(".card a").first.click()
    rita.get_by_text("5 rows changed").wait_for()
    shot(rita, "effect")
    raul = visitor("raul", rita.url.removeprefix(console.url), color_scheme="dark",
                   viewport={"width": 390, "height": 844})  # fmt: skip
    raul.get_by_text("5 rows changed").wait_for()
    rita.get_by_label("Reason").fill("Agreed with the ward")
    rita.get_by_role("button", name="Approve").click()
    rita.get_by_text("it takes another person").wait_for()
    assert not outcome
    raul.get_by_text("Agreed with the ward").wait_for()  # it has renewed itself
    shot(raul, "effect-dark-phone")
    width = raul.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
    raul.get_by_label("Reason").fill("Seen, too")
    raul.get_by_role("button", name="Approve").click()
    thread.join(60)
    assert outcome == [5]
    raul.get_by_text("It was committed.").wait_for()
    shot(raul, "effect-done")


def test_an_effect_is_denied(console: ConsoleClinic, visitor: Visitor) -> None:
    outcome: list[object] = []

    agent, noticed = opened(console)

    def write() -> None:
        try:
            outcome.append(agent.execute(WRITE).rowcount)
        except psycopg.Error as error:
            outcome.append(str(error))

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    until(lambda: noticed or outcome, "it is held", 60)
    assert not outcome, outcome
    page = visitor("rita")
    page.locator("#pending .card a").first.click()
    page.get_by_label("Reason").fill("Not today")
    page.get_by_role("button", name="Deny").click()
    page.get_by_text("It was rolled back.").wait_for()
    thread.join(60)
    assert "rolled back" in str(outcome[0])


def test_a_window_is_shown_and_taken_back(console: ConsoleClinic, visitor: Visitor) -> None:
    text = "COPY (SELECT id FROM patients) TO STDOUT"
    rows: list[int] = []

    dsn = console.clinic.dsn()

    def export() -> None:
        with (
            psycopg.connect(dsn, autocommit=True) as agent,
            agent.cursor().copy(text.encode()) as copy,
        ):
            rows.append(sum(1 for _ in copy))

    thread = threading.Thread(target=export, daemon=True)
    thread.start()
    page = visitor("rita")
    page.locator("#pending .card a").first.click()
    page.get_by_text("10m once approved").wait_for()
    page.get_by_text("by the database's statistics").wait_for()
    page.get_by_label("Reason").fill("For the morning")
    page.get_by_role("button", name="Approve").click()
    thread.join(60)
    export()
    assert rows == [200, 200]
    page.get_by_text("2 times").wait_for()
    page.get_by_label("Reason").fill("Enough of it")
    page.get_by_role("button", name="Take it back").click()
    page.locator(".heading .verdict.revoked").wait_for()
    shot(page, "window")


def sealed_session(console: ConsoleClinic, page: Any, statement: str) -> str:
    """A session in which an agent sent this: its page does not show it."""
    before = {one["id"] for one in sessions(console.gateway)}

    def new() -> set[str]:
        return {one["id"] for one in sessions(console.gateway)} - before

    with psycopg.connect(console.clinic.dsn(), autocommit=True) as agent:
        agent.execute(statement)
    until(new, "the session is under a checkpoint")
    (name,) = new()
    page.goto(f"{console.url}/sessions/{name}")
    page.get_by_text("sealed to the auditors' keys").wait_for()
    assert page.get_by_text("hoopgate replay").is_visible()
    assert page.get_by_text(statement).count() == 0
    return name


def test_what_is_sealed_is_opened_by_the_key_of_one_session(
    console: ConsoleClinic,
    visitor: Visitor,
    auditor: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The auditor's key stays with the auditor: the node is given that session's."""
    page = visitor("alma", "/sessions")
    name = sealed_session(console, page, "SELECT 'one of them'")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the sealed key").click()
    wrap = tmp_path / download.value.suggested_filename
    download.value.save_as(wrap)
    assert main(["audit", "unseal", str(wrap), "--key", str(auditor)]) == 0
    key = capsys.readouterr().out
    page.get_by_label("Key of this session").fill(key)
    shot(page, "sealed")
    page.get_by_role("button", name="Open").click()
    page.get_by_text("SELECT 'one of them'").first.wait_for()
    # No other session, and for nobody else.
    sealed_session(console, page, "SELECT 'another one'")
    page.get_by_label("Key of this session").fill(key)
    page.get_by_role("button", name="Open").click()
    page.get_by_text("Not opened: the key is of another session").wait_for()
    other = visitor("alma", f"/sessions/{name}")
    other.get_by_text("sealed to the auditors' keys").wait_for()
    # Nothing of it was written down.
    secret = key.strip().rpartition(":")[2].encode()
    for path in console.gateway.state_dir.rglob("*"):
        if path.is_file():
            assert secret not in path.read_bytes(), path


def test_what_is_sealed_is_opened_by_an_auditors_key(
    console: ConsoleClinic, visitor: Visitor, auditor: Path
) -> None:
    page = visitor("alma", "/sessions")
    name = sealed_session(console, page, "SELECT 'with the key itself'")
    for wrong in ("x", "-----BEGIN PRIVATE KEY-----"):
        page.get_by_label("Key of this session").fill(wrong)
        page.get_by_role("button", name="Open").click()
        page.get_by_text("Not opened: ").wait_for()
    page.get_by_label("Key of this session").fill(auditor.read_text())
    page.get_by_role("button", name="Open").click()
    page.get_by_text("SELECT 'with the key itself'").first.wait_for()
    page.get_by_role("link", name="Play as a terminal").click()
    page.locator("#terminal .ap-player").wait_for()
    # It is one session that was opened, not all that are sealed to the key.
    sealed_session(console, page, "SELECT 'still closed'")
    assert page.request.get(f"{console.url}/sessions/{name}/cast").ok


def test_rules_say_how_many_and_of_what(console: ConsoleClinic, visitor: Visitor) -> None:
    page = visitor("rita", "/rules")
    assert page.get_by_text("of its effect, by 2 of privacy-office").is_visible()
    assert page.get_by_text("good for 10m").is_visible()
