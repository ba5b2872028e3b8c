"""The clinic with its console, and a real browser to look at it."""

from __future__ import annotations

import http.client
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

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
    "otto": "otto-of-the-staff",
    "planner": "planner-asks-itself",
}
#: A program with a token of its own, for the JSON API.
PROGRAM, PROGRAM_SECRET = "inspector", "inspector-program-secret"
CONSOLE_GROUPS: dict[str, list[str]] = {
    **GROUPS,
    "privacy-office": ["rita", "raul", "planner"],
    "auditors": ["alma", PROGRAM],
    "operators": ["omar", PROGRAM],
    "staff": ["rita", "otto"],  # which no rule and no role names
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
        self.ca: Path = clinic.gateway.certificates.ca


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
        issuer_clients={
            **clients(),
            "hoopgate-console": login,
            PROGRAM: client(PROGRAM_SECRET, scopes=["hoopgate:approve"]),
        },
        issuer_settings={"users": users},
        **more,
    ) as clinic:
        clinic.issuer.secrets[PROGRAM] = PROGRAM_SECRET
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


class Answer:
    """One HTTP answer. ``cookies``: what it sets, name → the whole line."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()
        self.cookies = {
            line.partition("=")[0]: line for line in response.headers.get_all("set-cookie", [])
        }

    @property
    def location(self) -> str:
        """Where it sends a browser."""
        return str(self.headers["location"])


class WebClient:
    """What speaks HTTP to the console and is no browser: it sends what a test wants.

    :param console: what has its ``url``, and the ``ca`` that its certificate is of.
    :ivar cookies: name → value; sent with each request.
    """

    def __init__(self, console: Any) -> None:
        self.url = console.url
        self.cookies: dict[str, str] = {}
        self._tls = ssl.create_default_context(cafile=console.ca)

    def ask(
        self,
        method: str,
        address: str,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        cookies: bool = True,
    ) -> Answer:
        """One request; redirects are not followed.

        :param address: a path of the console, or a whole URL.
        """
        parts = urlsplit(address if "://" in address else self.url + address)
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=60, context=self._tls
        )
        sent = dict(headers or {})
        if cookies and self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if body is not None:
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        try:
            connection.request(method, path, body, sent)
            answer = Answer(connection.getresponse())
        finally:
            connection.close()
        if cookies:
            for name, line in answer.cookies.items():
                value = line.split(";")[0].partition("=")[2]
                self.cookies[name] = value
                if not value:
                    del self.cookies[name]
        return answer

    def get(self, address: str, **headers: str) -> Answer:
        """GET; ``x_name`` for the header ``X-Name``."""
        return self.ask("GET", address, None, _headers(headers))

    def post(self, address: str, fields: Mapping[str, str], **headers: str) -> Answer:
        """POST a form."""
        return self.ask("POST", address, urlencode(fields), _headers(headers))

    def at_issuer(self, address: str, name: str, password: str | None = None) -> str:
        """Give name and password to the issuer; the address that it sends the browser back to."""
        fields = dict(parse_qsl(urlsplit(address).query))
        fields |= {"name": name, "password": PEOPLE[name] if password is None else password}
        place = address.partition("?")[0]
        return self.ask("POST", place, urlencode(fields), cookies=False).location

    def log_in(self, name: str) -> Answer:
        """The whole log-in; the answer of the callback."""
        return self.get(self.at_issuer(self.get("/login").location, name))

    def csrf(self) -> str:
        """The hidden field of this session's forms."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/approvals").text)
        assert found
        return found[1]


def _headers(named: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in named.items()}
