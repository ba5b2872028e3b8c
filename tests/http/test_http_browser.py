"""A browser as a client: pages loaded and fetched through the gateway, by the system's Chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from testbed.console import browsing
from testbed.webclinic import Web

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: What a page does with fetch(): status, headers and text; also what comes piece by piece.
FETCH = """async ([url, options]) => {
    const answer = await fetch(url, options);
    const reader = answer.body.getReader();
    let text = "", pieces = 0;
    for (const decoder = new TextDecoder();;) {
        const {done, value} = await reader.read();
        if (done) break;
        text += decoder.decode(value, {stream: true});
        pieces += 1;
    }
    return {status: answer.status, type: answer.headers.get("content-type"), text, pieces,
            etag: answer.headers.get("etag"), cache: answer.headers.get("cache-control")};
}"""
SHOWN = {"id": 7, "name": "[NAME]", "ssn": "[SSN]"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as running:
        yield running


@pytest.fixture
def page(web: Web, browser: Browser) -> Iterator[Page]:
    """A page at the gateway's own origin, whose requests carry a token."""
    context = browser.new_context(
        ignore_https_errors=True,
        extra_http_headers={"Authorization": f"Bearer {web.token()}"},
    )
    found = context.new_page()
    found.set_default_timeout(60_000)
    found.goto(web.url("/web/"))
    yield found
    context.close()


def fetch(page: Page, url: str, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(FETCH, [url, options])
    return found


def test_a_page_is_loaded(web: Web, page: Page) -> None:
    answer = page.goto(web.url("/web/some/page?q=1"))
    assert answer is not None and answer.status == 200
    seen = json.loads(page.inner_text("body"))
    assert seen["path"] == "/base/some/page?q=1"
    assert not any(name == "authorization" and "Bearer" in value for name, value in seen["headers"])


@pytest.mark.parametrize("coding", ["json", "gzip", "br", "zstd", "deflate"])
def test_what_a_page_shows_is_masked(web: Web, page: Page, coding: str) -> None:
    answer = page.goto(web.url(f"/odda/odd/{coding}"))
    assert answer is not None and answer.status == 200
    assert json.loads(page.inner_text("body")) == SHOWN
    assert "Canary" not in page.content()


def test_fetch(page: Page) -> None:
    seen = fetch(page, "/odda/odd/json")
    assert (seen["status"], json.loads(seen["text"])) == (200, SHOWN)
    assert (seen["etag"], seen["cache"]) == (None, "private, no-store")
    posted = fetch(
        page,
        "/web/things",
        method="POST",
        body='{"a": 1}',
        headers={"Content-Type": "application/json"},
    )
    assert json.loads(json.loads(posted["text"])["body"]) == {"a": 1}
    refused = fetch(page, "/web/secret/plan")
    assert (refused["status"], refused["type"]) == (403, "application/problem+json")
    hidden = fetch(page, "/odda/odd/html")
    assert hidden["status"] == 502
    assert "Canary" not in hidden["text"]


def test_fetch_reads_what_streams(page: Page) -> None:
    lines = fetch(page, "/odda/large/ndjson/5000")
    assert lines["pieces"] > 1
    assert lines["text"].count('"[NAME]"') == 5000
    assert "Canary" not in lines["text"]


def test_many_at_once(page: Page) -> None:
    asked = "Promise.all([...Array(30).keys()].map(n => fetch(`/web/n/${n}`).then(r => r.json())))"
    seen = page.evaluate(asked)
    assert [one["path"] for one in seen] == [f"/base/n/{n}" for n in range(30)]


def test_without_a_token_a_page_is_told(web: Web, browser: Browser) -> None:
    context = browser.new_context(ignore_https_errors=True)
    found = context.new_page()
    answer = found.goto(web.url("/web/"))
    assert answer is not None and answer.status == 401
    assert "resource_metadata" in answer.headers["www-authenticate"]
    context.close()
