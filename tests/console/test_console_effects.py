"""Pages of a clinic where two persons approve what a write did, and auditors have the keys."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from testbed.certificates import Certificates
from testbed.console import ConsoleClinic, Visitor, running_console
from testbed.node import sessions, until
from testbed.postgres import Postgres

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
    public = X25519PrivateKey.generate().public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (directory / "auditor.pub").write_bytes(pem)

    def adjust(settings: dict[str, Any]) -> None:
        settings.setdefault("recording", {})["auditors"] = [str(directory / "auditor.pub")]

    with running_console(
        directory, certificates, postgres15, database="console_effects", rules=RULES, adjust=adjust
    ) as running:
        yield running


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
    page.reload()
    page.get_by_text("2 times").wait_for()
    page.get_by_label("Reason").fill("Enough of it")
    page.get_by_role("button", name="Take it back").click()
    page.locator(".heading .verdict.revoked").wait_for()
    shot(page, "window")


def test_what_is_sealed_to_auditors_says_how_to_open_it(
    console: ConsoleClinic, visitor: Visitor
) -> None:
    with psycopg.connect(console.clinic.dsn(), autocommit=True) as agent:
        agent.execute("SELECT 'sealed'")
    until(lambda: sessions(console.gateway), "the session is under a checkpoint")
    page = visitor("alma", "/sessions")
    page.locator("tbody tr a").first.click()
    page.get_by_text("sealed to the auditors' keys").wait_for()
    assert page.get_by_text("hoopgate replay").is_visible()
    shot(page, "sealed")


def test_rules_say_how_many_and_of_what(console: ConsoleClinic, visitor: Visitor) -> None:
    page = visitor("rita", "/rules")
    assert page.get_by_text("of its effect, by 2 of privacy-office").is_visible()
    assert page.get_by_text("good for 10m").is_visible()
