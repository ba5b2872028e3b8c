"""Parts of the console that need no gateway: escaping, statements in lines, sessions, search."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.console import recordings
from hoopgate.console.html import Markup, join, shown, tag
from hoopgate.console.layout import ASSETS, span
from hoopgate.console.logins import Logins
from hoopgate.console.statements import marks, pretty
from hoopgate.events import Principal
from hoopgate.recorder.replay import Summary
from hoopgate.settings.model import Label, LabelClass
from hoopgate.sql.digest import canonical

NOTHING = marks((), "clinic", ())
LABELS = (
    Label("clinic", "public.patients.ssn", "SSN"),
    Label("clinic", "public.patients.name", "NAME"),
    Label("clinic", "public.patients.id", "PUBLIC", LabelClass.PUBLIC),
    Label("clinic", "intake.*.*", "PHI"),
    Label("other", "public.patients.sex", "SEX"),
)


class Text(HTMLParser):
    """What a browser would show, and which elements it would make."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.text = ""
        self.elements: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.elements.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(), st.text())
def test_no_text_becomes_markup(text: str, value: str) -> None:
    made = Text(tag("p", text, title=value, data_x=value))
    assert made.elements == ["p"]
    assert made.text == shown(text)


@given(st.text())
def test_what_is_shown_does_nothing_to_a_screen(text: str) -> None:
    assert all(one.isprintable() or one == "\n" for one in shown(text))
    assert shown("a\nb") == "a\nb"


def test_attributes() -> None:
    assert tag("input", name="x", required=True, hidden=False, value=None) == (
        '<input name="x" required>'
    )
    assert tag("label", "a", for_="b", class_="c", aria_current="page") == (
        '<label for="b" class="c" aria-current="page">a</label>'
    )
    assert join("<", Markup("<b>"), [1, None, ["&"]]) == "&lt;<b>1&amp;"


_SQL = (
    "SELECT FROM WHERE ( ) , patients p ssn name 'a <b> ''c''' \"Odd <i>\" $1 1.5 AND OR"
    " BETWEEN JOIN LEFT ON = < <= -- /* GROUP BY ORDER LIMIT 10 UNION ; E'\\n' $$x$$ ::text TO"
)
WORDS = st.lists(st.sampled_from(_SQL.split()), max_size=40)


@given(WORDS)
def test_only_white_space_is_changed(words: list[str]) -> None:
    """And what is marked is there besides: the kinds of labels, in small."""
    text = " ".join(words)
    marked = marks(LABELS, "clinic", ("patients",))
    made = re.sub(r"<small>[A-Z]+</small>", "", pretty(text, marked))
    assert set(Text(made).elements) <= {"mark", "b", "span"}
    got, wanted = canonical(Text(made).text), canonical(text)
    assert got == wanted or Text(made).text == shown(text)


def test_clauses_stand_on_lines_of_their_own() -> None:
    text = (
        "SELECT a, (SELECT max(x) FROM t WHERE y BETWEEN 1 AND 2) FROM patients p left join e"
        " ON p.id = e.id WHERE a = 'FROM' AND (b OR c) ORDER BY a LIMIT 3"
    )
    assert Text(pretty(text, NOTHING)).text.split("\n") == [
        "SELECT a, (",
        "  SELECT max(x)",
        "  FROM t",
        "  WHERE y BETWEEN 1 AND 2",
        ")",
        "FROM patients p",
        "left join e ON p.id = e.id",
        "WHERE a = 'FROM'",
        "  AND (b OR c)",
        "ORDER BY a",
        "LIMIT 3",
    ]


def test_labels_are_marked_where_their_relation_is_read() -> None:
    marked = marks(LABELS, "clinic", ("patients", "intake.forms"))
    made = pretty('SELECT id, p."ssn", NAME, sex FROM patients p, intake.forms', marked)
    assert re.findall(r"<mark[^>]*>([^<]+)<small>(\w+)", made) == [
        ("&quot;ssn&quot;", "SSN"),
        ("NAME", "NAME"),
    ]
    assert re.findall(r'<mark class="relation"[^>]*>([^<]+)<', made) == ["patients", "forms"]
    assert "<mark" not in pretty("SELECT ssn FROM codes", marks(LABELS, "clinic", ("codes",)))


@pytest.mark.parametrize("text", ["SELECT 'open", "a\0b", "x" * 30_000, "\ud800", ""])
def test_what_cannot_be_scanned_is_shown_as_it_was_sent(text: str) -> None:
    assert html.unescape(pretty(text, NOTHING)) == shown(text)


# --- sessions of browsers -----------------------------------------------------------------------


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def principal(name: str = "rita") -> Principal:
    return Principal("https://idp", name, frozenset({"hoopgate:approve"}), 2000.0)


def test_a_session_ends_by_time_and_by_idleness() -> None:
    clock = Clock()
    logins = Logins(3600.0, 600.0, clock)
    value = logins.open(principal())
    clock.now += 599
    assert logins.find(value) is not None
    clock.now += 599
    assert logins.find(value, active=False) is not None
    clock.now += 2
    assert logins.find(value) is None
    value = logins.open(principal())
    for _ in range(7):
        clock.now += 500
        assert logins.find(value) is not None
    clock.now += 500
    assert logins.find(value) is None


def test_sessions_are_bounded_per_person_and_nobody_puts_others_out() -> None:
    logins = Logins(3600.0, 600.0, Clock())
    other = logins.open(principal("raul"))
    values = [logins.open(principal()) for _ in range(50)]
    alive = [value for value in values if logins.find(value)]
    assert 1 <= len(alive) < 20
    assert values[-1] in alive
    assert logins.find(other) is not None


def test_a_log_in_is_taken_once_in_time_and_in_its_browser() -> None:
    clock = Clock()
    logins = Logins(3600.0, 600.0, clock)
    state, browser, pending = logins.begin("/rules")
    assert logins.take(state, "another") is None
    assert logins.take(state, browser) is None  # that was the one try
    state, browser, pending = logins.begin("/rules")
    assert logins.take(state, browser) is pending
    assert logins.take(state, browser) is None
    state, browser, _ = logins.begin("/rules")
    clock.now += 601
    assert logins.take(state, browser) is None


@given(st.text())
def test_no_cookie_is_a_session_by_chance(value: str) -> None:
    assert Logins(3600.0, 600.0, Clock()).find(value) is None


def test_secrets_are_not_in_reprs() -> None:
    logins = Logins(3600.0, 600.0, Clock())
    value = logins.open(principal())
    login = logins.find(value)
    assert login is not None
    assert login.csrf not in repr(login)
    _, browser, pending = logins.begin("/")
    assert pending.verifier not in repr(pending)
    assert browser not in repr(pending)


# --- search -------------------------------------------------------------------------------------


def summary(number: int, subject: str = "agent", **more: object) -> Summary:
    return Summary(f"ses-{number}", subject, "clinic", "postgres", "", number, **more)  # type: ignore[arg-type]


def wanted(**given_: str) -> dict[str, str]:
    return {name: given_.get(name, "") for name in recordings.FILTERS}


def test_filters() -> None:
    day = 86_400_000_000
    first = summary(day, "Planner", verdicts={"block": 1})
    second = summary(2 * day, "executor", verdicts={"allow": 3})
    for fields, found in (
        ({}, [first, second]),
        ({"who": "PLAN"}, [first]),
        ({"verdict": "allow"}, [second]),
        ({"from": "1970-01-03"}, [second]),
        ({"to": "1970-01-02"}, [first]),
        ({"from": "1970-01-02", "to": "1970-01-03", "resource": "CLI"}, [first, second]),
        ({"resource": "x"}, []),
        ({"from": "yesterday"}, [first, second]),
    ):
        assert [one for one in (first, second) if recordings.matching(wanted(**fields))(one)] == (
            found
        ), fields


@given(st.integers(0, 10**6))
def test_spans(seconds: int) -> None:
    parts = [int(part) for part in span(seconds).split(":")]
    assert sum(part * 60**place for place, part in enumerate(reversed(parts))) == seconds


def test_assets_are_named_by_their_content() -> None:
    assert len(ASSETS) == 6
    for path, asset in ASSETS.items():
        assert re.fullmatch(r"/static/[\w-]+\.[0-9a-f]{16}\.(css|js|svg)", path)
        named = asset.content.replace(b"http://www.w3.org/2000/svg", b"")
        # The player resolves relative addresses by a base that it never asks.
        assert b"http:" not in named.replace(b"http://localhost/", b"")
