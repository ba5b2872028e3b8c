"""The clinic with its console, and a real browser to look at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hoopgate.identity.client_secrets import hash_secret
from testbed.certificates import Certificates
from testbed.clinic import GROUPS, Clinic, clients, running_clinic
from testbed.issuer import client
from testbed.parts import debian
from testbed.ports import free_port
from testbed.postgres import Postgres

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: People with a password at the issuer. Planner is an agent's name, and a reviewer's group is its.
PEOPLE = {
    "rita": "rita-the-reviewer",
    "raul": "raul-the-reviewer",
    "alma": "alma-the-auditor",
    "omar": "omar-the-operator",
    "otto": "otto-in-no-group",
    "planner": "planner-asks-itself",
}
CONSOLE_GROUPS: dict[str, list[str]] = {
    **GROUPS,
    "privacy-office": ["rita", "raul", "planner"],
    "auditors": ["alma"],
    "operators": ["omar"],
}


def console_settings(url: str, port: int, certificates: Certificates) -> dict[str, Any]:
    """The table ``[console]``."""
    return {
        "endpoint": f"tcp:{port}:interface=127.0.0.1",
        "url": url,
        "tls": {
            "certificate": str(certificates.server.certificate),
            "key": str(certificates.server.key),
        },
        "auditors": ["auditors"],
        "operators": ["operators"],
    }


#: ``visitor(name, path, **options)``: a page of a browser of its own.
Visitor = Callable[..., "Page"]


class ConsoleClinic:
    """A clinic whose gateway has a console at ``url``."""

    def __init__(self, clinic: Clinic, url: str) -> None:
        self.clinic = clinic
        self.url = url
        self.gateway = clinic.gateway


@contextmanager
def running_console(
    directory: Path, certificates: Certificates, postgres: Postgres, **more: Any
) -> Iterator[ConsoleClinic]:
    """Make the database, start issuer and gateway."""
    port = free_port()
    url = f"https://127.0.0.1:{port}"
    login = client(scopes=["openid", "hoopgate:approve"], redirect_uris=[f"{url}/login/callback"])
    users = {
        name: {"password_hash": hash_secret(password), "scopes": ["hoopgate:approve"]}
        for name, password in PEOPLE.items()
    }
    with running_clinic(
        directory,
        certificates,
        postgres,
        groups=CONSOLE_GROUPS,
        console=console_settings(url, port, certificates),
        issuer_clients={**clients(), "hoopgate-console": login},
        issuer_settings={"users": users},
        **more,
    ) as clinic:
        yield ConsoleClinic(clinic, url)


@contextmanager
def browsing() -> Iterator[Browser]:
    """Chromium, as Debian has it."""
    from playwright.sync_api import sync_playwright

    chromium = debian("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(chromium), args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            yield browser
        finally:
            browser.close()


def log_in(page: Page, url: str, name: str, passwords: Mapping[str, str] = PEOPLE) -> None:
    """Go to ``url`` and through the issuer's form."""
    page.goto(url)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(passwords[name])
    page.get_by_role("button", name="Log in").click()
