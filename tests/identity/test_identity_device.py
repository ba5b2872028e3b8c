"""The embedded issuer's device flow and refresh tokens: who allows what, and for how long."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode, urlsplit

import jwt
import pytest
from identity_issuer import HASH, SECRET, Running, agent, basic, config
from testbed.console import browsing
from testbed.reactor import on_reactor

from hoopgate.errors import SettingsError
from hoopgate.identity.issuer_device import DEVICE_GRANT, DEVICE_SECONDS, INTERVAL
from hoopgate.identity.issuer_settings import load_issuer_settings

if TYPE_CHECKING:
    from playwright.sync_api import ViewportSize

_CLIENTS = {
    "cli": {
        "device": True,
        "refresh": 3600,
        "scopes": ["pg:clinic", "pg:other", "hoopgate:approve"],
        "resources": ["hoopgate", "other"],
    },
    "ward": {"device": True, "secret_hash": HASH, "scopes": ["pg:clinic"], "resources": ["x"]},
    "agent": agent(),
}
_USERS = {
    "rita": {
        "password_hash": HASH,
        "subject": "rita.jones",
        "scopes": ["pg:clinic"],
        "claims": {"department": "privacy"},
    },
    "nina": {"password_hash": HASH, "scopes": ["none:of-it"]},
}


class Issuer(Running):
    """What a program and a person do."""

    def form(
        self, path: str, fields: Mapping[str, Any], **headers: str
    ) -> tuple[int, dict[str, Any]]:
        more = {"Content_Type": "application/x-www-form-urlencoded", **headers}
        status, document, _ = self.request(path, urlencode(fields, doseq=True), **more)
        return status, document

    def begin(self, **fields: Any) -> dict[str, Any]:
        status, document = self.form("/device_authorization", {"client_id": "cli", **fields})
        assert status == 200, document
        return document

    def poll(self, begun: Mapping[str, Any], **fields: Any) -> tuple[int, dict[str, Any]]:
        asked = {"grant_type": DEVICE_GRANT, "client_id": "cli"}
        return self.form("/token", {**asked, "device_code": begun["device_code"], **fields})

    def page(
        self, fields: Mapping[str, str] | None = None, query: str = "", **headers: str
    ) -> tuple[int, str]:
        """What the person sees."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            kind = {"Content-Type": "application/x-www-form-urlencoded", **headers}
            body = None if fields is None else urlencode(fields)
            connection.request("GET" if body is None else "POST", f"/device{query}", body, kind)
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.headers["Content-Type"].startswith("text/html"):
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
                assert "<script" not in text
            return answer.status, text
        finally:
            connection.close()

    def decide(self, user_code: str, decision: str = "allow", **fields: str) -> tuple[int, str]:
        given = {"user_code": user_code, "name": "rita", "password": SECRET}
        return self.page({**given, "decision": decision, **fields})

    def error(self, answer: tuple[int, dict[str, Any]]) -> tuple[int, str]:
        return answer[0], answer[1].get("error", "")


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    running = Issuer(config(tmp_path, _CLIENTS, users=_USERS))
    yield running
    on_reactor(running.issuer.stop)


def test_the_whole_way(issuer: Issuer) -> None:
    metadata = issuer.request("/.well-known/openid-configuration")[1]
    assert metadata["device_authorization_endpoint"] == issuer.url + "/device_authorization"
    assert DEVICE_GRANT in metadata["grant_types_supported"]
    assert "none" in metadata["token_endpoint_auth_methods_supported"]
    begun = issuer.begin()
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", begun["user_code"])
    assert begun["verification_uri"] == issuer.url + "/device"
    assert (begun["expires_in"], begun["interval"]) == (DEVICE_SECONDS, INTERVAL)
    assert issuer.error(issuer.poll(begun)) == (400, "authorization_pending")
    query = urlsplit(begun["verification_uri_complete"]).query
    status, page = issuer.page(query="?" + query)
    assert status == 200
    assert f'value="{begun["user_code"]}"' in page
    # However it is typed: in small letters, without the dash
    status, page = issuer.page({"user_code": begun["user_code"].lower().replace("-", " ")})
    assert status == 200
    assert all(told in page for told in ("Allow cli?", begun["user_code"], "127.0.0.1", "hoopgate"))
    status, page = issuer.decide(begun["user_code"])
    assert (status, "Allowed" in page) == (200, True)
    status, document = issuer.poll(begun)
    claims = jwt.decode(document["access_token"], options={"verify_signature": False})
    assert (claims["sub"], claims["client_id"], claims["aud"]) == ("rita.jones", "cli", "hoopgate")
    # What the program asked for and the person may have
    assert (claims["scope"], claims["department"]) == ("pg:clinic", "privacy")
    assert issuer.error(issuer.poll(begun)) == (400, "invalid_grant")
    assert issuer.page({"user_code": begun["user_code"]})[0] == 404


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(scheme: Literal["light", "dark"], issuer: Issuer) -> None:
    """At a phone's width, by keyboard; a wrong password first."""
    begun = issuer.begin()
    with browsing() as browser:
        size: ViewportSize = {"width": 390, "height": 844}
        page = browser.new_context(color_scheme=scheme, viewport=size).new_page()
        page.set_default_timeout(60_000)
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text))
        page.goto(begun["verification_uri_complete"])
        page.locator("[name=user_code]:focus").wait_for()  # the code is there
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Allow cli?").wait_for()
        assert page.get_by_text(begun["user_code"]).is_visible()
        page.get_by_label("Name").fill("rita")
        page.get_by_label("Password").fill("wrong")
        page.keyboard.press("Enter")
        page.get_by_role("alert").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_label("Password").fill(SECRET)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Allowed").wait_for()
    assert not [one for one in errors if "401" not in one]
    assert issuer.poll(begun)[0] == 200


def test_a_person_refuses(issuer: Issuer) -> None:
    begun = issuer.begin()
    assert "Refused" in issuer.page({"user_code": begun["user_code"], "decision": "deny"})[1]
    assert issuer.decide(begun["user_code"])[0] == 404
    assert issuer.error(issuer.poll(begun)) == (400, "access_denied")
    assert issuer.error(issuer.poll(begun)) == (400, "invalid_grant")


def test_nobody_answers(issuer: Issuer) -> None:
    begun, other = issuer.begin(), issuer.begin()
    issuer.clock.offset += DEVICE_SECONDS
    assert issuer.decide(begun["user_code"])[0] == 404
    assert issuer.error(issuer.poll(begun)) == (400, "expired_token")
    issuer.clock.offset += DEVICE_SECONDS
    issuer.begin()  # which tidies up
    assert issuer.error(issuer.poll(other)) == (400, "invalid_grant")


def test_who_asks_too_often_is_slowed_down(issuer: Issuer) -> None:
    begun = issuer.begin()
    assert issuer.error(issuer.poll(begun)) == (400, "authorization_pending")
    assert issuer.error(issuer.poll(begun)) == (400, "slow_down")
    issuer.clock.offset += INTERVAL + 1
    assert issuer.error(issuer.poll(begun)) == (400, "slow_down")
    issuer.clock.offset += 3 * INTERVAL + 1
    assert issuer.error(issuer.poll(begun)) == (400, "authorization_pending")
    # An answer is told at once
    issuer.decide(begun["user_code"])
    assert issuer.poll(begun)[0] == 200


def test_a_password_is_asked_for(issuer: Issuer) -> None:
    begun = issuer.begin()
    for wrong in ({"password": "x"}, {"name": "nobody"}, {"password": ""}):
        status, page = issuer.decide(begun["user_code"], **wrong)
        assert status == 401
        assert "do not match" in page
    # Who may have nothing of it allows nothing
    status, page = issuer.decide(begun["user_code"], name="nina")
    assert (status, "You may have nothing" in page) == (403, True)
    status, page = issuer.decide(begun["user_code"], name='"><script>alert(1)</script>')
    assert "&lt;script&gt;" in page
    assert issuer.error(issuer.poll(begun)) == (400, "authorization_pending")


def test_another_site_allows_nothing(issuer: Issuer) -> None:
    begun = issuer.begin()
    given = {"user_code": begun["user_code"], "name": "rita", "password": SECRET}
    allow = {**given, "decision": "allow"}
    assert issuer.page(allow, Origin="https://evil.example")[0] == 403
    assert issuer.error(issuer.poll(begun)) == (400, "authorization_pending")
    assert issuer.page(allow, Origin=issuer.url)[0] == 200


def test_codes_cannot_be_guessed(issuer: Issuer) -> None:
    begun = issuer.begin()
    for guess in ("BBBB-BBBB", "", "x", "BCDF-GHJK", "ZZZZ-ZZZZ"):
        assert issuer.page({"user_code": guess})[0] == 404
    assert issuer.page({"user_code": begun["user_code"]})[0] == 429
    issuer.clock.offset += 61
    assert issuer.page({"user_code": begun["user_code"]})[0] == 200
    device_code = begun["device_code"]
    assert len(device_code) >= 43
    assert issuer.error(issuer.poll({"device_code": device_code[:-1]})) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"scope": "root"}, 400, "invalid_scope"),
        ({"resource": "elsewhere"}, 400, "invalid_target"),
        ({"resource": ["hoopgate", "other"]}, 400, "invalid_target"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_id": "ward"}, 401, "invalid_client"),
        ({"client_id": "agent", "client_secret": SECRET}, 400, "unauthorized_client"),
    ],
    ids=str,
)
def test_what_a_program_may_not_ask_for(
    fields: Any, status: int, error: str, issuer: Issuer
) -> None:
    answer = issuer.form("/device_authorization", {"client_id": "cli", **fields})
    assert issuer.error(answer) == (status, error)


def test_a_code_is_its_clients(issuer: Issuer) -> None:
    begun = issuer.begin()
    issuer.decide(begun["user_code"])
    other = issuer.poll(begun, client_id="ward", client_secret=SECRET)
    assert issuer.error(other) == (400, "invalid_grant")
    assert issuer.poll(begun)[0] == 200


def test_a_client_with_a_secret_proves_it(issuer: Issuer) -> None:
    status, begun = issuer.form(
        "/device_authorization", {"scope": "pg:clinic"}, Authorization=basic("ward")
    )
    assert status == 200
    issuer.decide(begun["user_code"])
    fields = {"grant_type": DEVICE_GRANT, "device_code": begun["device_code"]}
    assert issuer.form("/token", {**fields, "client_id": "ward"})[0] == 401
    status, document = issuer.form("/token", fields, Authorization=basic("ward"))
    assert status == 200
    assert "refresh_token" not in document


def test_a_public_client_has_no_credentials_of_its_own(issuer: Issuer) -> None:
    answer = issuer.form("/token", {"grant_type": "client_credentials", "client_id": "cli"})
    assert issuer.error(answer) == (400, "unsupported_grant_type")


def test_too_many_wait(issuer: Issuer) -> None:
    for _ in range(100):
        issuer.begin()
    answer = issuer.form("/device_authorization", {"client_id": "cli"})
    assert issuer.error(answer) == (429, "slow_down")
    issuer.clock.offset += 2 * DEVICE_SECONDS
    issuer.begin()


def test_without_people_there_is_no_device_flow(tmp_path: Path) -> None:
    running = Issuer(config(tmp_path, {"agent": agent()}))
    assert "device_authorization_endpoint" not in json.dumps(
        running.request("/.well-known/openid-configuration")[1]
    )
    assert running.request("/device")[0] == 404
    assert running.form("/device_authorization", {"client_id": "agent"})[0] == 404
    on_reactor(running.issuer.stop)


@pytest.mark.parametrize(
    ("client", "problem"),
    [
        ({"device": 1}, "clients.a.device: write true or false"),
        ({"device": True}, r"clients.a.device: nobody can log in"),
        ({"refresh": -1}, "clients.a.refresh: write seconds from 0"),
        ({"refresh": True}, "clients.a.refresh: write seconds from 0"),
        ({"refresh": 31 * 86_400}, "clients.a.refresh: write seconds from 0"),
    ],
    ids=str,
)
def test_mistakes(client: dict[str, Any], problem: str, tmp_path: Path) -> None:
    path = config(tmp_path, {"a": agent(**client)})
    with pytest.raises(SettingsError) as wrong:
        load_issuer_settings(path)
    assert any(problem in line for line in wrong.value.problems)


# --- refresh tokens ----------------------------------------------------------------------------


def logged_in(issuer: Issuer, **fields: str) -> dict[str, Any]:
    begun = issuer.begin(**fields)
    assert issuer.decide(begun["user_code"])[0] == 200
    status, document = issuer.poll(begun)
    assert status == 200
    return document


def renew(issuer: Issuer, token: str, **fields: str) -> tuple[int, dict[str, Any]]:
    asked = {"grant_type": "refresh_token", "client_id": "cli", "refresh_token": token}
    return issuer.form("/token", {**asked, **fields})


def test_tokens_are_renewed(issuer: Issuer) -> None:
    first = logged_in(issuer)
    issuer.clock.offset += 900
    status, second = renew(issuer, first["refresh_token"])
    assert status == 200
    claims = jwt.decode(second["access_token"], options={"verify_signature": False})
    assert (claims["sub"], claims["scope"]) == ("rita.jones", "pg:clinic")
    assert second["refresh_token"] != first["refresh_token"]
    # Renewing does not lengthen it
    issuer.clock.offset += 2701
    answer = renew(issuer, second["refresh_token"])
    assert issuer.error(answer) == (400, "invalid_grant")


def test_a_stolen_refresh_token_ends_the_log_in(issuer: Issuer) -> None:
    first = logged_in(issuer)
    _, second = renew(issuer, first["refresh_token"])
    assert issuer.error(renew(issuer, first["refresh_token"])) == (400, "invalid_grant")
    assert issuer.error(renew(issuer, second["refresh_token"])) == (400, "invalid_grant")


def test_a_refresh_token_is_narrowed_but_not_widened(issuer: Issuer) -> None:
    first = logged_in(issuer)
    answer = renew(issuer, first["refresh_token"], scope="pg:other")
    assert issuer.error(answer) == (400, "invalid_scope")
    assert renew(issuer, first["refresh_token"], scope="pg:clinic")[1]["scope"] == "pg:clinic"


def test_a_refresh_token_is_its_clients(issuer: Issuer) -> None:
    first = logged_in(issuer)
    answer = renew(issuer, first["refresh_token"], client_id="ward", client_secret=SECRET)
    assert issuer.error(answer) == (400, "invalid_grant")
    assert renew(issuer, first["refresh_token"])[0] == 200


def test_a_log_in_is_revoked(issuer: Issuer) -> None:
    first = logged_in(issuer)
    revoking = {"client_id": "cli", "token": "unknown"}
    assert issuer.form("/revoke", revoking)[0] == 200
    other = {"client_id": "ward", "client_secret": SECRET, "token": first["refresh_token"]}
    assert issuer.form("/revoke", other)[0] == 200
    _, second = renew(issuer, first["refresh_token"])
    assert issuer.form("/revoke", {**revoking, "token": second["refresh_token"]})[0] == 200
    assert issuer.error(renew(issuer, second["refresh_token"])) == (400, "invalid_grant")
