"""A browser as a client: pages loaded and fetched through the gateway, by the system's Chromium."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from testbed.certificates import Certificates
from testbed.console import browsing
from testbed.webclinic import Web, running_web

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
    lines = fetch(page, "/odda/large/ndjson/40000")  # more than a browser takes in at once
    assert lines["pieces"] > 1
    assert lines["text"].count('"[NAME]"') == 40000
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


@pytest.fixture(scope="module")
def elsewhere(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[tuple[Web, str, str]]:
    """A gateway that lets pages of one origin in; that origin, and another one."""
    with serving() as one, serving() as other:

        def adjust(settings: dict[str, Any]) -> None:
            settings["listeners"][0]["origins"] = [one]

        with running_web(tmp_path_factory.mktemp("cors"), certificates, adjust=adjust) as web:
            yield web, one, other


@contextmanager
def serving() -> Iterator[str]:
    """A server of empty pages, and its origin."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>app</title>")

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


ASK = """async ([url, token]) => {
    const found = [];
    for (const [path, method] of [["/web/things", "POST"], ["/odda/odd/json", "GET"],
                                  ["/web/secret/plan", "GET"], ["/nowhere/", "DELETE"]]) {
        try {
            const answer = await fetch(url + path, {method,
                headers: {Authorization: `Bearer ${token}`, "X-Own": "1",
                          "Content-Type": "application/json"},
                body: method == "POST" ? "{}" : undefined});
            found.push([answer.status, answer.headers.get("hoopgate-request") !== null,
                        await answer.text()]);
        } catch (error) { found.push([0, false, String(error)]); }
    }
    return found;
}"""


def test_a_page_of_an_allowed_origin_asks_with_a_token_of_its_own(
    elsewhere: tuple[Web, str, str], browser: Browser
) -> None:
    web, one, other = elsewhere
    context = browser.new_context(ignore_https_errors=True)
    found = context.new_page()
    found.set_default_timeout(60_000)
    found.goto(one + "/")
    seen = found.evaluate(ASK, [web.url(""), web.token()])
    assert [answer[0] for answer in seen] == [200, 200, 403, 404]
    assert [answer[1] for answer in seen[:3]] == [True, True, True]
    assert json.loads(seen[1][2]) == SHOWN
    assert json.loads(seen[2][2])["reason"] == "path.secret"
    found.goto(other + "/")
    seen = found.evaluate(ASK, [web.url(""), web.token()])
    assert [answer[0] for answer in seen] == [0] * 4
    context.close()


def test_who_is_not_allowed_is_told_nothing(elsewhere: tuple[Web, str, str]) -> None:
    web, one, other = elsewhere
    asking = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-own"}
    verify = ssl.create_default_context(cafile=str(web.certificates.ca))
    with httpx.Client(verify=verify) as client:
        good = client.options(web.url(), headers={"Origin": one, **asking})
        assert good.status_code == 204
        assert good.headers["access-control-allow-origin"] == one
        assert good.headers["access-control-allow-headers"] == "x-own"
        assert "access-control-allow-credentials" not in good.headers
        for origin in (other, "null", one + ".evil.example", one.upper()):
            bad = client.options(web.url(), headers={"Origin": origin, **asking})
            assert bad.status_code == 403
            assert bad.json()["reason"] == "origin.refused"
            assert "access-control-allow-origin" not in bad.headers
        odd = {**asking, "Access-Control-Request-Headers": "x-own, a b"}
        assert client.options(web.url(), headers={"Origin": one, **odd}).status_code == 403
        # A page's preflight, between requests of a client on the same connection.
        headers = {"Authorization": f"Bearer {web.token()}"}
        for origin, shown in ((one, one), (other, None)):
            assert client.get(web.url(), headers=headers).status_code == 200
            client.options(web.url(), headers={"Origin": one, **asking})
            answer = client.get(web.url(), headers={**headers, "Origin": origin})
            assert answer.status_code == 200
            assert answer.headers.get("access-control-allow-origin") == shown
