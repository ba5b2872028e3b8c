"""The console in a real browser: what reviewers, auditors and operators do."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import psycopg
import pytest
from testbed.console import ConsoleClinic, Visitor
from testbed.holding import EXPORT, held
from testbed.node import sessions, until
from testbed.parts import CHECKOUT

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

#: Where pictures are kept: nowhere, unless asked for.
SHOTS = os.environ.get("HOOPGATE_SCREENSHOTS")

SIZES = {"desk": (1280, 860), "phone": (390, 844)}


def shot(page: object, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)  # type: ignore[attr-defined]


def test_a_reviewer_approves_and_the_agent_goes_on(
    console: ConsoleClinic, visitor: Visitor
) -> None:
    page = visitor("rita")
    assert page.get_by_text("Nothing waits for you.").is_visible()
    with held(console.clinic.dsn()) as export:
        # It appears by itself, in the page and in its title.
        card = page.locator("#pending .card")
        card.wait_for()
        page.wait_for_function("document.title.startsWith('(1)')")
        assert card.locator("mark").all_text_contents()[:2] == ["nameNAME", "ssnSSN"]
        card.get_by_role("link").click()
        page.wait_for_selector(".decide")
        assert page.locator("h1").text_content() == "executor → clinic"
        assert page.locator(".sql").first.text_content() != EXPORT
        assert "\n  FROM patients\n" in (page.locator(".sql").first.text_content() or "")
        page.get_by_text("As it was sent").click()
        assert page.locator("details .sql").text_content() == EXPORT
        left = page.locator(".heading .left").text_content() or ""
        assert re.fullmatch(r"[01]:\d\d", left)
        page.get_by_label("Reason").fill("Agreed with the study team")
        page.get_by_role("button", name="Approve").click()
        assert export.result() == 20
        page.wait_for_selector(".heading .verdict.used")  # the page follows by itself
        assert page.get_by_text("Agreed with the study team").is_visible()
        page.goto(f"{console.url}/approvals")
        assert page.locator("#recent tbody tr").first.text_content().startswith("used")


def test_a_reviewer_denies_with_the_keyboard_alone(
    console: ConsoleClinic, visitor: Visitor
) -> None:
    with held(console.clinic.dsn()) as export:
        page = visitor("rita")
        page.wait_for_selector("body[data-live=open]")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_selector(".decide")
        page.wait_for_selector("body[data-live=open]")
        page.keyboard.press("d")
        page.keyboard.type("Too many patients")
        page.keyboard.press("Escape")
        page.keyboard.press("d")
        page.keyboard.press("Enter")
        page.wait_for_selector(".heading .verdict.denied")
        assert "denied" in str(export.result())
        page.keyboard.press("?")
        assert page.get_by_role("dialog").is_visible()


def test_the_page_of_another_reviewer_follows(console: ConsoleClinic, visitor: Visitor) -> None:
    with held(console.clinic.dsn()) as export:
        one, other = (visitor(name, f"/approvals/{export.request}") for name in ("rita", "raul"))
        other.wait_for_selector("body[data-live=open]")
        one.get_by_label("Reason").fill("Seen with raul")
        one.get_by_role("button", name="Approve").click()
        other.wait_for_selector(".heading .verdict:is(.used, .approved)")
        assert export.result() == 20


def test_an_operator_ends_a_session(console: ConsoleClinic, visitor: Visitor) -> None:
    page = visitor("omar", "/live")
    page.wait_for_selector("body[data-live=open]")
    with psycopg.connect(console.clinic.dsn("exporter"), autocommit=True) as running:
        running.execute("SELECT 1")
        row = page.locator("#live tr", has_text="exporter")
        row.wait_for()
        row.get_by_text("End…").click()
        row.get_by_label("Reason").fill("Runs for too long")
        row.get_by_role("button", name="End this session").click()
        page.wait_for_function("!document.querySelector('#live').textContent.includes('exporter')")
        with pytest.raises(psycopg.OperationalError, match="operator"):
            running.execute("SELECT 2")
    ended = [one for one in sessions(console.gateway) if one["subject"] == "exporter"]
    assert ended[-1]["reason"] == "operator.end"


def test_an_auditor_finds_and_replays_a_session(console: ConsoleClinic, visitor: Visitor) -> None:
    with psycopg.connect(console.clinic.dsn(), autocommit=True) as agent:
        agent.execute("SELECT id, name AS unmistakable FROM patients LIMIT 2").fetchall()
        with pytest.raises(psycopg.Error, match="phi/predicate") as refused:
            agent.execute("SELECT count(*) FROM patients WHERE ssn LIKE '9%'")
        until(
            lambda: any(one["verdicts"].get("block") for one in sessions(console.gateway)),
            "the session is under a checkpoint",
        )
        page = visitor("alma", "/sessions")
        page.wait_for_selector("body[data-live=open]")
        page.keyboard.press("/")
        page.keyboard.type("UNMISTAKABLE")
        page.keyboard.press("Enter")
        page.wait_for_url("**/sessions?text=UNMISTAKABLE**")
        rows = page.locator("tbody tr")
        assert rows.count() == 1
        request = re.search(r"req-[0-9a-f]+", str(refused.value))
        assert request
        page.goto(f"{console.url}/sessions?request={request[0]}")
        assert rows.count() == 1
        page.goto(f"{console.url}/sessions?verdict=hold&who=nobody")
        assert page.get_by_text("No session matches.").is_visible()
        page.goto(f"{console.url}/sessions?request={request[0]}")
        rows.get_by_role("link").first.click()
        page.wait_for_selector("#timeline")
        assert page.get_by_text("✓ verified").is_visible()
        lines = page.locator("#timeline li.response").all_text_contents()
        assert any("[NAME]" in line for line in lines)
        # It is followed while it runs.
        page.wait_for_selector("body[data-live=open]")
        agent.execute("SELECT 'followed by the auditor'")
        page.locator("#timeline", has_text="followed by the auditor").wait_for()
        page.get_by_label("Find in this session").fill("ssn like")
        assert page.locator("#timeline li:visible").count() == 1
        shot(page, "replay")


def test_a_session_is_played_as_a_terminal(console: ConsoleClinic, visitor: Visitor) -> None:
    """By the player's own code, under a policy that allows no other."""
    with psycopg.connect(console.clinic.dsn(), autocommit=True) as agent:
        agent.execute("SELECT 'played back', '\x1b[31m<b>red</b>'")
    until(
        lambda: any(one["requests"] for one in sessions(console.gateway)),
        "the session is under a checkpoint",
    )
    page = visitor("alma", "/sessions")
    page.locator("tbody tr a").first.click()
    page.get_by_role("link", name="Play as a terminal").click()
    page.wait_for_selector("#terminal[data-ready] .ap-player")
    page.locator(".ap-player").click()
    page.keyboard.press("End")
    page.wait_for_function(
        "document.querySelector('.ap-player').textContent.length > 0"
        " || document.querySelector('.ap-player canvas') !== null"
    )
    assert page.locator("#terminal b").count() == 0
    shot(page, "terminal")


def test_the_log_is_verified(console: ConsoleClinic, visitor: Visitor) -> None:
    page = visitor("alma", "/log")
    page.wait_for_selector("body[data-live=open]")
    page.get_by_role("button", name="Verify every byte now").click()
    page.locator("#verification .verdict.good").wait_for()
    assert re.search(r"good [\d,]+ leaves", page.locator("#verification").text_content() or "")


def test_what_is_looked_at_is_recorded(console: ConsoleClinic, visitor: Visitor) -> None:
    """Reading a recording is an event of the log, too; a page that renews itself is none."""
    with psycopg.connect(console.clinic.dsn(), autocommit=True) as agent:
        agent.execute("SELECT 1")
    found = until(lambda: [one for one in sessions(console.gateway) if one["end"]], "it is over")
    leaves = Path(console.gateway.settings["node"]["state_dir"]) / "log"
    session = found[-1]["id"]
    page = visitor("alma", f"/sessions/{session}")
    page.wait_for_selector("#timeline")

    def views() -> int:
        wanted = f'"session":"{session}","subject":"alma"'.encode()
        return sum(path.read_bytes().count(wanted) for path in leaves.rglob("seg/*"))

    until(lambda: views() == 1, "the look is recorded")


@pytest.mark.parametrize(
    ("scheme", "size"),
    [("light", "phone"), ("dark", "desk")]
    + ([("light", "desk"), ("dark", "phone")] if SHOTS else []),
)
def test_every_page_fits_and_has_no_mistake(
    console: ConsoleClinic, visitor: Visitor, scheme: str, size: str
) -> None:
    width, height = SIZES[size]
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": height}}
    with held(console.clinic.dsn()) as export:
        people = {
            "rita": ["/approvals", f"/approvals/{export.request}", "/rules"],
            "alma": ["/live", "/sessions", "/log", "/identities"],
        }
        for name, paths in people.items():
            page = visitor(name, **options)
            for path in paths:
                page.goto(console.url + path)
                page.wait_for_selector("body[data-live=open]")
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, path
                named = page.evaluate(
                    "[...document.querySelectorAll('input:not([type=hidden]), textarea, select,"
                    " button')].filter(one => !(one.labels?.length || one.textContent)).length"
                )
                assert named == 0, path
                contrast = page.evaluate(CONTRAST)
                assert not contrast, (path, contrast)
                shot(page, f"{path.strip('/').partition('/')[0]}-{scheme}-{size}")


#: Texts whose contrast is below that of WCAG 2.2, 1.4.3 (AA).
CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((one) => {
    one /= 255;
    return one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4;
  }).reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(node).backgroundColor);
      if (a > 0.99) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
    if (!own || !node.checkVisibility()) continue;
    const style = getComputedStyle(node);
    const [a, b] = [light(parse(style.color)), light(ground(node))].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66
      && Number(style.fontWeight) >= 700);
    if ((a + 0.05) / (b + 0.05) < (large ? 3 : 4.5)) bad.push(node.outerHTML.slice(0, 120));
  }
  return bad;
}"""


def test_a_long_statement_and_long_names_stay_within_the_page(
    console: ConsoleClinic, visitor: Visitor
) -> None:
    names = ", ".join(f"id AS n{'a' * 50}{number}" for number in range(40))
    statement = f"COPY (SELECT {names}, '{'x' * 2000}' FROM patients) TO STDOUT"
    with held(console.clinic.dsn(), statement) as export:
        viewport = {"width": 390, "height": 844}
        page = visitor("rita", f"/approvals/{export.request}", viewport=viewport)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.locator("details .sql").text_content() == statement


def test_without_a_connection_the_page_says_so(console: ConsoleClinic, visitor: Visitor) -> None:
    page = visitor("rita")
    page.wait_for_selector("body[data-live=open]")
    page.context.set_offline(True)
    time.sleep(0.1)
    page.evaluate("dispatchEvent(new Event('offline'))")
    console.gateway.stop()
    try:
        page.get_by_text("No connection").wait_for()
    finally:
        page.context.set_offline(False)
        console.gateway.start()


def test_the_picture_of_the_readme(
    console: ConsoleClinic, visitor: Visitor, tmp_path: Path
) -> None:
    """``make screenshots`` keeps it."""
    statement = (
        "COPY (SELECT p.id, p.name, p.ssn, p.dob, e.department, e.note FROM patients p"
        " LEFT JOIN encounters e ON e.patient_id = p.id WHERE e.admitted >= '2025-01-02'"
        " AND p.sex = 'F' ORDER BY p.id LIMIT 50) TO STDOUT"
    )
    with held(console.clinic.dsn(), statement) as export:
        viewport = {"width": 1200, "height": 800}
        page = visitor("rita", f"/approvals/{export.request}", viewport=viewport)
        page.wait_for_selector("body[data-live=open]")
        page.get_by_label("Reason").fill("Agreed with the study team, protocol 17")
        path = Path(SHOTS) / "console.png" if SHOTS else tmp_path / "console.png"
        page.screenshot(path=path)
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert path.stat().st_size > 20_000
    kept = CHECKOUT / "docs" / "images" / "console.png"
    assert kept.exists(), "run make screenshots"
    assert "docs/images/console.png" in (CHECKOUT / "README.md").read_text()
