"""A node that has recorded a lot: everything is found, however far back, a part at a time.

``HOOPGATE_SESSIONS`` is how many.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testbed.certificates import Certificates
from testbed.console import ConsoleClinic, Visitor, WebClient, running_console
from testbed.node import hoopgate, until
from testbed.postgres import Postgres
from testbed.recorded import RARE_REQUEST, fill

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

SESSIONS = int(os.environ.get("HOOPGATE_SESSIONS", "400"))
SHOTS = os.environ.get("HOOPGATE_SCREENSHOTS")


@pytest.fixture(scope="module")
def console(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, postgres15: Postgres
) -> Iterator[ConsoleClinic]:
    def recorded(settings: dict[str, Any]) -> None:
        node = settings["node"]
        fill(Path(node["state_dir"]), node["name"], SESSIONS)

    with running_console(
        tmp_path_factory.mktemp("thousands"),
        certificates,
        postgres15,
        database="thousands",
        adjust=recorded,
    ) as running:
        yield running


@pytest.fixture
def alma(console: ConsoleClinic) -> WebClient:
    found = WebClient(console)
    found.log_in("alma")
    return found


def every(alma: WebClient, query: str = "") -> list[dict[str, Any]]:
    """All pages of a search, one after the other."""
    found: list[dict[str, Any]] = []
    before = ""
    for _ in range(10_000):
        answer = json.loads(alma.get(f"/api/v1/sessions?{query}{before}").text)
        found += answer["sessions"]
        assert answer["truncated"] == (answer["older"] is not None)
        if not answer["truncated"]:
            return found
        before = f"&before={answer['older']}"
    raise AssertionError("it has no end")


def test_the_newest_come_first_and_all_of_them_follow(alma: WebClient) -> None:
    found = [one["id"] for one in every(alma) if one["id"].startswith("old-")]
    # Those of one moment are in the order of their first leaves.
    assert found == sorted(found, key=lambda id: int(id[4:]) // 50, reverse=True)
    assert len(set(found)) == len(found) == SESSIONS


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("who=AGENT-7", lambda number: number % 40 == 7),
        ("resource=warehouse&verdict=block", lambda number: number % 3 == 1 and number % 7 == 0),
        ("text=AN_unmistakable", lambda number: number == 0),
        ("text=patients+where+id+%3D+27%00", lambda number: number == 27),
        ("text=an_unmistakable&who=agent-1", lambda number: False),
        (f"request={RARE_REQUEST}", lambda number: number == 0),
        (f"request={RARE_REQUEST}&who=agent-1", lambda number: False),
        ("request=req-ffffffffffff", lambda number: False),
        ("to=2001-01-01", lambda number: False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_field_finds_what_is_far_back(alma: WebClient, query: str, found: Any) -> None:
    wanted = {f"old-{number:06}" for number in range(SESSIONS) if found(number)}
    assert {one["id"] for one in every(alma, query)} == wanted


@pytest.mark.parametrize("before", ["0", "-1", "x", "9" * 30, "1e3", "+1", "%00"])
def test_any_place_to_go_on_from_is_one(alma: WebClient, before: str) -> None:
    assert alma.get(f"/sessions?before={before}").status == 200


def test_a_browser_goes_on_until_there_is_a_page_of_it(
    console: ConsoleClinic, visitor: Visitor
) -> None:
    page = visitor("alma", "/sessions")
    rows = page.locator("#found tbody tr")
    assert rows.count() == 50
    page.get_by_role("link", name="Older →").click()
    page.get_by_role("link", name="Newest").wait_for()
    assert rows.count() == 50
    page.goto(f"{console.url}/sessions?text=an_unmistakable")
    page.locator("#pages [data-more]").wait_for(state="detached")
    assert rows.count() == 1
    assert page.locator("#number").inner_text() == "1"
    assert "old-000000" in rows.inner_text()
    page.goto(f"{console.url}/sessions?text=nothing_that_was_sent")
    page.get_by_text("No session matches.").wait_for()
    page.goto(f"{console.url}/identities")
    page.get_by_text("agent-39").first.wait_for()
    page.goto(f"{console.url}/sessions/old-000000")
    page.get_by_text("an_unmistakable_column").first.wait_for()


def test_the_command_line_reads_no_further_than_it_shows(console: ConsoleClinic) -> None:
    until(lambda: hoopgate(console.gateway, "sessions").stdout, "it is there")
    done = hoopgate(console.gateway, "sessions")
    lines = done.stdout.splitlines()
    assert len(lines) == 51
    assert "There are older ones: --before old-" in done.stderr
    older = hoopgate(console.gateway, "sessions", "--before", lines[1].split()[0], "-n", "3")
    assert len(older.stdout.splitlines()) == 4
    assert lines[1].split()[0] not in older.stdout
    rare = hoopgate(console.gateway, "sessions", "--who", "agent-0", "--json").stdout
    assert json.loads(rare.splitlines()[0])["id"] == "old-000000"
