"""One clinic with a console, and one browser, for all tests of this room."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from testbed.certificates import Certificates
from testbed.console import ConsoleClinic, Visitor, browsing, log_in, running_console
from testbed.postgres import Postgres

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="session")
def console(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, postgres15: Postgres
) -> Iterator[ConsoleClinic]:
    directory = tmp_path_factory.mktemp("console")
    with running_console(directory, certificates, postgres15, database="console") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not for the whole run: Playwright keeps an event loop running in this thread, beside which
    nobody else can run one."""
    with browsing() as running:
        yield running


@pytest.fixture
def visitor(console: ConsoleClinic, browser: Browser) -> Iterator[Visitor]:
    """``visitor(name, path, **options)``: a page of a browser of its own, logged in. Any message on
    its console, such as a breach of the content security policy, fails the test."""
    contexts = []
    complaints: list[str] = []

    def visit(name: str = "", path: str = "/approvals", **options: object) -> Page:
        context = browser.new_context(ignore_https_errors=True, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text)
                if "Content Security Policy" in message.text
                else None
            ),
        )
        page.set_default_timeout(60_000)
        if name:
            log_in(page, console.url + path, name)
            page.wait_for_selector("main h1")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not complaints
