"""What an attacker tries at the console: each way is a test, on the running gateway."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import psycopg
import pytest
from playwright.sync_api import Browser, Route
from testbed.console import PEOPLE, ConsoleClinic, Visitor, WebClient
from testbed.holding import held
from testbed.node import changed, events, sessions, until

from hoopgate.console.logins import COOKIE, STATE_COOKIE

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def client(console: ConsoleClinic) -> WebClient:
    return WebClient(console)


@pytest.fixture
def rita(console: ConsoleClinic) -> WebClient:
    found = WebClient(console)
    found.log_in("rita")
    return found


# --- sessions -----------------------------------------------------------------------------------


def test_a_session_cannot_be_fixed(client: WebClient) -> None:
    """A cookie that an attacker has planted is never the one that a log-in makes good."""
    planted = secrets.token_urlsafe(32)
    client.cookies[COOKIE] = planted
    client.log_in("rita")
    assert client.cookies[COOKIE] != planted
    assert client.get("/approvals").status == 200
    other = WebClient.__new__(WebClient)
    other.__dict__ |= client.__dict__ | {"cookies": {COOKIE: planted}}
    assert other.get("/approvals").status == 303


def test_a_new_log_in_ends_the_session_before(client: WebClient) -> None:
    client.log_in("rita")
    before = client.cookies[COOKIE]
    client.log_in("raul")
    client.cookies[COOKIE], now = before, client.cookies[COOKIE]
    assert client.get("/approvals").status == 303
    client.cookies[COOKIE] = now
    assert "raul" in client.get("/approvals").text


def test_cookies_are_hardened(client: WebClient) -> None:
    begun = client.get("/login")
    back = client.get(client.at_issuer(begun.location, "rita"))
    for answer, name in ((begun, STATE_COOKIE), (back, COOKIE)):
        words = {word.strip().lower() for word in answer.cookies[name].split(";")[1:]}
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= words
        assert not [word for word in words if word.startswith("domain")]
        assert name.startswith("__Host-")
    assert len(client.cookies[COOKIE]) >= 43


def test_logging_out_ends_the_session_at_the_gateway(rita: WebClient) -> None:
    value, csrf = rita.cookies[COOKIE], rita.csrf()
    assert rita.get("/logout").status == 405
    assert rita.post("/logout", {"csrf": csrf}).status == 303
    assert COOKIE not in rita.cookies
    rita.cookies[COOKIE] = value
    assert rita.get("/approvals").location == "/login?target=/approvals"


def test_an_idle_session_ends(console: ConsoleClinic, client: WebClient) -> None:
    with changed(console.gateway, lambda one: one["console"].update(idle_time="2s")):
        client.log_in("rita")
        assert client.get("/approvals").status == 200
        # A page that renews itself does not keep it alive.
        until(
            lambda: client.get("/approvals", Hoopgate_Passive="1").status == 303,
            "the session is over",
        )


def test_a_restart_logs_everybody_out_and_keeps_the_requests(
    console: ConsoleClinic, client: WebClient
) -> None:
    client.log_in("rita")
    with held(console.clinic.dsn()) as export:
        csrf = client.csrf()
        console.gateway.kill()
        console.gateway.start()
        assert client.get("/approvals").status == 303
        refused = client.post(
            f"/approvals/{export.request}/approve", {"csrf": csrf, "reason": "too late"}
        )
        assert refused.location == "/login"
        client.log_in("rita")
        page = client.get(f"/approvals/{export.request}").text
        assert "pending" in page
        done = client.post(
            f"/approvals/{export.request}/approve",
            {"csrf": client.csrf(), "reason": "after the restart"},
        )
        assert done.status == 303
        assert "approved" in client.get(f"/approvals/{export.request}").text
    # The agent sends it again, and it passes once.
    with psycopg.connect(console.clinic.dsn(), autocommit=True) as agent:
        assert rows(agent) == 20
    assert "used" in client.get(f"/approvals/{export.request}").text


def rows(agent: psycopg.Connection[tuple[object, ...]]) -> int:
    from testbed.holding import EXPORT

    with agent.cursor().copy(EXPORT.encode()) as found:
        return sum(1 for _ in found)


# --- cross-site ---------------------------------------------------------------------------------


def test_forms_of_other_sites_are_refused(console: ConsoleClinic, rita: WebClient) -> None:
    with held(console.clinic.dsn()) as export:
        place, csrf = f"/approvals/{export.request}/approve", rita.csrf()
        # Without a token nothing helps; with a wrong origin even the right token does not.
        tries: list[tuple[dict[str, str], dict[str, str]]] = [
            ({}, {}),
            ({"csrf": secrets.token_urlsafe(32)}, {}),
            ({"csrf": csrf}, {"Sec_Fetch_Site": "cross-site"}),
            ({"csrf": csrf}, {"Sec_Fetch_Site": "same-site"}),
            ({"csrf": csrf}, {"Origin": "https://evil.example"}),
            ({"csrf": csrf}, {"Origin": "null"}),
        ]
        for fields, headers in tries:
            answer = rita.post(place, {**fields, "reason": "forged"}, **headers)
            assert (answer.status, "console.csrf" in answer.text) == (403, True), headers
        assert "pending" in rita.get(f"/approvals/{export.request}").text


def test_the_token_of_another_session_is_none(console: ConsoleClinic, rita: WebClient) -> None:
    raul = WebClient(console)
    raul.log_in("raul")
    with held(console.clinic.dsn()) as export:
        fields = {"reason": "forged", "csrf": raul.csrf()}
        assert rita.post(f"/approvals/{export.request}/approve", fields).status == 403


def test_json_needs_the_token_too(console: ConsoleClinic, rita: WebClient) -> None:
    with held(console.clinic.dsn()) as export:
        place = f"/api/v1/approvals/{export.request}/approve"
        body = json.dumps({"reason": "by program"})
        kind = {"Content-Type": "application/json"}
        assert rita.ask("POST", place, body, kind).status == 403
        # A form that another site can send without asking is not JSON.
        text = {"Content-Type": "text/plain"}
        assert rita.ask("POST", place, body, text).status in (403, 415)
        csrf = json.loads(rita.get("/api/v1/session").text)["csrf"]
        done = rita.ask("POST", place, body, {**kind, "X-CSRF-Token": csrf})
        assert (done.status, json.loads(done.text)["id"]) == (200, export.request)
        assert export.result() == 20


def test_a_page_of_another_name_gets_no_answer(client: WebClient) -> None:
    for host in ("evil.example", "127.0.0.1:1", "localhost"):
        assert client.ask("GET", "/approvals", None, {"Host": host}).status == 421


@pytest.mark.parametrize(
    "path", ["/", "/approvals", "/login", "/goodbye", "/nothing", "/api/v1/log"]
)
def test_every_answer_keeps_browsers_safe(client: WebClient, rita: WebClient, path: str) -> None:
    for one in (client, rita):
        headers = one.get(path).headers
        policy = dict(part.strip().partition(" ")[::2] for part in
                      headers["content-security-policy"].split(";"))  # fmt: skip
        assert policy["default-src"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "max-age" in headers["strict-transport-security"]
        assert headers["cache-control"] == "no-store"
        assert headers["server"] is None
        assert len(headers.get_all("content-security-policy", [])) == 1


def test_no_frame_shows_it(console: ConsoleClinic, browser: Browser) -> None:
    """Not even a page that needs no log-in."""
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    page.set_default_timeout(60_000)
    address, evil = f"{console.url}/goodbye", "https://127.0.0.1:1/"
    framed = f"<iframe src='{address}'></iframe>"
    page.route(f"{evil}**", lambda route: route.fulfill(content_type="text/html", body=framed))

    def seen() -> bool:
        page.goto(evil)
        page.wait_for_load_state("networkidle")
        return any("You are logged out" in frame.content() for frame in page.frames)

    def bare(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(body=answer.text(), content_type="text/html")

    assert not seen()
    page.route(address, bare)  # what its headers do: without them it is seen
    assert seen()
    context.close()


# --- the log-in ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        *("https://evil.example/", "//evil.example", "/\\evil.example", "/%2f%2fevil.example"),
        *("javascript:alert(1)", "/approvals/../../x", "/approvals?x=y", "/login\r\nX: y", ""),
    ],
)
def test_a_log_in_leads_nowhere_else(client: WebClient, target: str) -> None:
    begun = client.get("/login?" + urlencode({"target": target}))
    back = client.get(client.at_issuer(begun.location, "rita"))
    assert (back.status, back.location) == (303, "/")


def test_a_log_in_leads_to_the_page_that_was_asked_for(client: WebClient) -> None:
    first = client.get("/approvals/apr-00000000")
    assert first.location == "/login?target=/approvals/apr-00000000"
    back = client.get(client.at_issuer(client.get(first.location).location, "rita"))
    assert back.location == "/approvals/apr-00000000"


def test_a_code_is_good_for_the_browser_that_asked_and_once(
    console: ConsoleClinic, client: WebClient
) -> None:
    """An attacker's own log-in cannot be put into somebody else's browser."""
    begun = client.get("/login")
    back = client.at_issuer(begun.location, "rita")
    victim = WebClient(console)
    victim.get("/login")
    answer = victim.get(back)
    assert (answer.status, "console.state" in answer.text) == (400, True)
    # And with that try it is used up.
    assert client.get(back).status == 400
    assert COOKIE not in client.cookies | victim.cookies
    for query in ("", "?code=x", "?state=x&code=y", "?code=x&code=y&state=z"):
        assert client.get(f"/login/callback{query}").status in (400, 403)


def test_no_token_is_ever_in_an_address(console: ConsoleClinic, client: WebClient) -> None:
    begun = client.get("/login").location
    asked = parse_qs(urlsplit(begun).query)
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert set(asked) == {
        *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce"),
        *("code_challenge", "code_challenge_method", "resource"),
    }
    back = client.at_issuer(begun, "rita")
    assert set(parse_qs(urlsplit(back).query)) == {"code", "iss", "state"}
    token = console.clinic.token("rita")
    for place in (f"/approvals?access_token={token}", f"/api/v1/session?access_token={token}"):
        assert client.get(place).status in (303, 401)
    assert token not in console.gateway.log_text()


def test_the_answer_of_another_issuer_is_refused(client: WebClient) -> None:
    back = client.at_issuer(client.get("/login").location, "rita")
    parts = urlsplit(back)
    query = dict(parse_qsl(parts.query)) | {"iss": "https://evil.example"}
    answer = client.get(parts._replace(query=urlencode(query)).geturl())
    assert (answer.status, "identity.issuer" in answer.text) == (401, True)


def test_a_code_without_its_verifier_is_worth_nothing(
    console: ConsoleClinic, client: WebClient
) -> None:
    issuer = console.clinic.issuer.url
    begun = client.get("/login").location
    code = dict(parse_qsl(urlsplit(client.at_issuer(begun, "rita")).query))["code"]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": "hoopgate-console",
        "redirect_uri": f"{console.url}/login/callback",
        "code_verifier": "A" * 43,
    }
    for _ in range(2):
        answer = client.ask("POST", f"{issuer}/token", urlencode(form), cookies=False)
        assert (answer.status, json.loads(answer.text)["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"redirect_uri": "https://evil.example/"}, None),
        ({"client_id": "nobody"}, None),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "openid admin"}, "invalid_scope"),
        ({"resource": "https://other.example"}, "invalid_target"),
    ],
)
def test_the_issuer_refuses_what_was_not_registered(
    console: ConsoleClinic, client: WebClient, change: dict[str, str], told: str | None
) -> None:
    begun = urlsplit(client.get("/login").location)
    query = urlencode(dict(parse_qsl(begun.query)) | change)
    answer = client.ask("GET", begun._replace(query=query).geturl(), cookies=False)
    if told is None:
        assert (answer.status, answer.headers["location"]) == (400, None)
    else:
        assert dict(parse_qsl(urlsplit(answer.location).query))["error"] == told
        assert answer.location.startswith(f"{console.url}/login/callback?")


def test_a_wrong_password_is_slowed_down(client: WebClient) -> None:
    begun = client.get("/login").location
    fields = dict(parse_qsl(urlsplit(begun).query)) | {"name": "mallory"}
    fields["password"] = "wrong-password"
    place = begun.partition("?")[0]
    answers = [client.ask("POST", place, urlencode(fields), cookies=False) for _ in range(7)]
    assert [answer.status for answer in answers[:5]] == [401] * 5
    assert answers[-1].status == 429
    assert "wrong-password" not in answers[0].text


def test_the_issuers_form_is_not_for_other_sites(client: WebClient) -> None:
    begun = client.get("/login").location
    fields = dict(parse_qsl(urlsplit(begun).query)) | {"name": "rita", "password": PEOPLE["rita"]}
    place = begun.partition("?")[0]
    headers = {**FORM, "Origin": "https://evil.example"}
    assert client.ask("POST", place, urlencode(fields), headers, cookies=False).status == 403
    shown = client.ask("GET", begun, cookies=False)
    assert "frame-ancestors 'none'" in shown.headers["content-security-policy"]
    hostile = begun + "&" + urlencode({"extra": "<script>"})
    assert "<script>" not in client.ask("GET", hostile, cookies=False).text


# --- who may what -------------------------------------------------------------------------------


def test_a_person_in_no_group_does_not_get_in(console: ConsoleClinic, client: WebClient) -> None:
    answer = client.log_in("otto")
    assert (answer.status, "console.group" in answer.text) == (403, True)
    assert COOKIE not in client.cookies
    assert events(console.gateway, "console.refused")[-1]["subject"] == "otto"


@pytest.mark.parametrize(
    ("name", "allowed", "refused"),
    [
        ("rita", ["/approvals", "/rules"], ["/live", "/sessions", "/log", "/identities"]),
        ("alma", ["/approvals", "/live", "/sessions", "/log", "/identities", "/rules"], []),
        ("omar", ["/approvals", "/live", "/log", "/identities", "/rules"], ["/sessions"]),
    ],
)
def test_each_sees_what_its_groups_are_for(
    client: WebClient, name: str, allowed: list[str], refused: list[str]
) -> None:
    client.log_in(name)
    assert [client.get(path).status for path in allowed] == [200] * len(allowed)
    assert [client.get(path).status for path in refused] == [403] * len(refused)
    offered = re.findall(r'<a href="(/[a-z]+)"', client.get("/approvals").text.split("</nav>")[0])
    assert offered == allowed


def test_groups_that_were_lost_are_lost_at_once(console: ConsoleClinic, rita: WebClient) -> None:
    def out(settings: dict[str, object]) -> None:
        settings["directory"]["groups"]["privacy-office"].remove("rita")  # type: ignore[index]

    assert rita.get("/approvals").status == 200
    with changed(console.gateway, out):
        rita.cookies.clear()
        assert rita.log_in("rita").status == 403


def test_an_auditor_decides_nothing_and_sees_no_statement(
    console: ConsoleClinic, client: WebClient
) -> None:
    client.log_in("alma")
    with held(console.clinic.dsn()) as export:
        page = client.get(f"/approvals/{export.request}").text
        assert "Only its reviewers see it" in page
        assert "FROM patients" not in page
        assert 'class="decide"' not in page
        fields = {"csrf": client.csrf(), "reason": "as an auditor"}
        answer = client.post(f"/approvals/{export.request}/approve", fields)
        assert (answer.status, "only members" in answer.text) == (403, True)
        shown = json.loads(client.get(f"/api/v1/approvals/{export.request}").text)
        assert "statement" not in shown
        assert client.post(f"/live/{sessions(console.gateway)[-1]['id']}/end", fields).status == 403


def test_nobody_approves_what_it_asked_for_itself(
    console: ConsoleClinic, client: WebClient
) -> None:
    client.log_in("planner")  # in the reviewers' group
    with held(console.clinic.dsn("planner")) as export:
        page = client.get(f"/approvals/{export.request}").text
        assert "nobody decides a request of his own" in page
        fields = {"csrf": client.csrf(), "reason": "it is fine"}
        answer = client.post(f"/approvals/{export.request}/approve", fields)
        assert (answer.status, "request of his own" in answer.text) == (403, True)
        answer = client.ask(
            "POST",
            f"/api/v1/approvals/{export.request}/approve",
            json.dumps({"reason": "it is fine"}),
            {"Content-Type": "application/json", "X-CSRF-Token": client.csrf()},
        )
        assert (answer.status, json.loads(answer.text)["code"]) == (403, "approval.self")


def test_of_two_reviewers_one_decides(console: ConsoleClinic, rita: WebClient) -> None:
    raul = WebClient(console)
    raul.log_in("raul")
    with held(console.clinic.dsn()) as export:
        tries = [
            (rita, "approve", {"csrf": rita.csrf(), "reason": "yes by rita"}),
            (raul, "deny", {"csrf": raul.csrf(), "reason": "no by raul"}),
        ]
        with ThreadPoolExecutor() as pool:
            answers = list(
                pool.map(
                    lambda one: one[0].post(f"/approvals/{export.request}/{one[1]}", one[2]), tries
                )
            )
        assert sorted(answer.status for answer in answers) == [303, 409]
        approved = answers[0].status == 303
        loser = answers[1 if approved else 0]
        assert "Not done: the request is" in loser.text
        outcome = export.result()
        assert outcome == 20 if approved else "denied" in str(outcome)


def test_a_decision_is_not_made_twice(console: ConsoleClinic, rita: WebClient) -> None:
    with held(console.clinic.dsn()) as export:
        fields = {"csrf": rita.csrf(), "reason": "once and no more"}
        place = f"/approvals/{export.request}/approve"
        assert rita.post(place, fields).status == 303
        assert export.result() == 20
        again = rita.post(place, fields)
        assert (again.status, "the request is used" in again.text) == (409, True)
    # The same statement needs another approval.
    with held(console.clinic.dsn()) as again_held:
        assert again_held.request != export.request


def test_what_has_expired_is_not_approved(console: ConsoleClinic, client: WebClient) -> None:
    def soon(settings: dict[str, object]) -> None:
        settings["rules"][0]["expires"] = "3s"  # type: ignore[index]

    with changed(console.gateway, soon):
        client.log_in("rita")
        with held(console.clinic.dsn()) as export:
            csrf = client.csrf()
            assert "nobody approved it in time" in str(export.result())
            fields = {"csrf": csrf, "reason": "a little late"}
            answer = client.post(f"/approvals/{export.request}/approve", fields)
            assert (answer.status, "has expired" in answer.text) == (409, True)


def test_a_decision_needs_a_reason(console: ConsoleClinic, rita: WebClient) -> None:
    with held(console.clinic.dsn()) as export:
        for reason in ("", "  ", "ok", "x" * 501, "a\x00bc", "a\u0007bc"):
            fields = {"csrf": rita.csrf(), "reason": reason}
            answer = rita.post(f"/approvals/{export.request}/approve", fields)
            assert (answer.status, "Not done" in answer.text) == (422, True), reason


# --- what is shown ------------------------------------------------------------------------------

HOSTILE = (
    "</pre><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "\"><svg onload=document.title='owned'>",
    "javascript:document.title='owned'",
    "\x1b]0;owned\x07\x1b[2J",
    "\u202egnissecorp",
)


def test_statements_are_inert(console: ConsoleClinic, visitor: Visitor) -> None:
    literals = ", ".join("'" + hostile.replace("'", "''") + "'" for hostile in HOSTILE)
    statement = f"COPY (SELECT id, {literals} FROM patients LIMIT 1) TO STDOUT -- <b>comment</b>"
    with held(console.clinic.dsn(), statement) as export:
        page = visitor("rita", "/approvals")
        page.wait_for_selector("#pending .card")
        page.goto(f"{console.url}/approvals/{export.request}")
        page.wait_for_selector(".decide")
        assert "owned" not in page.title()
        assert page.locator("main script, main svg, main img").count() == 0
        shown = page.locator("details .sql").text_content() or ""
        assert HOSTILE[1].partition("'")[0] in shown
        assert "<b>comment</b>" in shown
        assert not set(shown) & {"\x1b", "\x07", "\u202e"}


def test_recordings_are_inert(console: ConsoleClinic, visitor: Visitor) -> None:
    with psycopg.connect(
        console.clinic.dsn(application_name="<b>app</b>"), autocommit=True
    ) as agent:
        for hostile in HOSTILE:
            name = hostile.replace('"', '""')[:40]
            literal = hostile.replace("'", "''")
            agent.execute(f"SELECT '{literal}' AS \"{name}\"").fetchall()
        with pytest.raises(psycopg.Error):
            agent.execute("SELECT '</script><script>document.title=1</script>'::int")
    session = until(
        lambda: [one for one in sessions(console.gateway) if one["end"]], "it is signed"
    )[-1]["id"]

    page = visitor("alma", f"/sessions/{session}")
    page.wait_for_selector("body[data-live=open]")
    assert page.locator("#timeline li.request").count() == 8  # with its farewell
    assert "owned" not in page.title()
    assert page.locator("main script, main svg, main img, main b").count() == 0
    text = page.locator("#timeline").text_content() or ""
    assert "<img src=x" in text
    assert not set(text) & {"\x1b", "\x07", "\u202e"}


def test_a_recording_for_a_player_is_a_download(console: ConsoleClinic, rita: WebClient) -> None:
    with psycopg.connect(console.clinic.dsn(), autocommit=True) as agent:
        agent.execute("SELECT '\x1b]0;owned\x07' AS x")
    session = until(
        lambda: [one for one in sessions(console.gateway) if one["end"]], "it is signed"
    )[-1]["id"]
    auditor = WebClient(console)
    auditor.log_in("alma")
    answer = auditor.get(f"/sessions/{session}/cast")
    assert answer.status == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="{session}.cast"'
    assert answer.headers["content-type"] == "application/x-asciicast"
    header, *lines = (json.loads(line) for line in answer.text.splitlines())
    assert header["version"] == 2
    assert any("SELECT" in line[2] for line in lines)
    assert rita.get(f"/sessions/{session}/cast").status == 403
    assert auditor.get("/sessions/ses-nothing/cast").status == 404


def test_json_is_no_page(rita: WebClient) -> None:
    for place in ("/api/v1/approvals?state=all", "/api/v1/<script>", "/api/v1/approvals/<b>"):
        answer = rita.get(place.replace("<", "%3C").replace(">", "%3E"))
        assert answer.headers["content-type"].startswith("application/")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "<script>" not in answer.text


def test_errors_quote_nothing_of_the_request(rita: WebClient) -> None:
    for place in ("/%3Cscript%3E", "/approvals/%3Cb%3E", "/sessions/..%2f..%2fetc%2fpasswd"):
        answer = rita.get(place)
        assert answer.status in (403, 404)
        assert "script>al" not in answer.text
        assert "passwd" not in answer.text
    for query in ("a=1&a=2", "&".join(f"f{n}=x" for n in range(40)), "x=%ff"):
        assert rita.get(f"/rules?{query}").status == 400


def test_large_and_strange_bodies_are_refused(rita: WebClient) -> None:
    csrf = rita.csrf()
    large = urlencode({"csrf": csrf, "reason": "x" * 20_000})
    assert rita.ask("POST", "/approvals/apr-00000000/approve", large, FORM).status == 413
    for body, kind in (("[" * 10_000, "application/json"), ("<x/>", "text/xml")):
        headers = {"Content-Type": kind, "X-CSRF-Token": csrf}
        answer = rita.ask("POST", "/api/v1/approvals/apr-00000000/approve", body, headers)
        assert answer.status in (400, 415)
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE"):
        assert rita.ask(method, "/approvals").status in (403, 405, 501)


# --- the API ------------------------------------------------------------------------------------


def test_programs_use_their_own_token(console: ConsoleClinic, client: WebClient) -> None:
    token = console.clinic.token("rita")
    with held(console.clinic.dsn()) as export:
        listed = client.get("/api/v1/approvals", Authorization=f"Bearer {token}")
        assert export.request in [one["id"] for one in json.loads(listed.text)["approvals"]]
        done = client.ask(
            "POST",
            f"/api/v1/approvals/{export.request}/deny",
            json.dumps({"reason": "by a program"}),
            {"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
        )
        assert (done.status, json.loads(done.text)["state"]) == (200, "denied")
    # A bearer token opens no page: it is for programs.
    assert client.get("/approvals", Authorization=f"Bearer {token}").status == 303
    agent = console.clinic.token("executor")
    assert client.get("/api/v1/approvals", Authorization=f"Bearer {agent}").status == 403
    assert client.get("/api/v1/approvals").status == 401
    assert client.get("/api/v1/approvals", Authorization="Bearer x").status == 401


def test_the_api_is_what_its_document_says(rita: WebClient, console: ConsoleClinic) -> None:
    document = json.loads(rita.get("/api/v1/openapi.json").text)
    auditor = WebClient(console)
    auditor.log_in("alma")
    for path, operations in document["paths"].items():
        if "get" not in operations or "{" in path:
            continue
        answer = auditor.get(path)
        assert answer.status == 200, path
        schema = operations["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        check(json.loads(answer.text), schema, document, path)
    for path in ("/api/v1/live", "/api/v1/sessions", "/api/v1/log"):
        answer = rita.get(path)
        problem = json.loads(answer.text)
        check(problem, {"$ref": "#/components/schemas/Problem"}, document, path)
        assert (answer.status, problem["code"]) == (403, "console.role")


def check(value: object, schema: dict[str, object], document: dict[str, object], at: str) -> None:
    """Enough of JSON Schema for our own document."""
    reference = schema.get("$ref")
    if isinstance(reference, str):
        found: object = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]  # type: ignore[index]
        return check(value, found, document, at)  # type: ignore[arg-type]
    if "anyOf" in schema:
        if value is None:
            return None
        return check(value, schema["anyOf"][0], document, at)  # type: ignore[index]
    kinds = {"string": str, "number": (int, float), "integer": int, "boolean": bool,
             "array": list, "object": dict}  # fmt: skip
    kind = schema.get("type")
    if isinstance(kind, str):
        assert isinstance(value, kinds[kind]), (at, kind, type(value))  # type: ignore[arg-type]
    if isinstance(value, list) and "items" in schema:
        for one in value:
            check(one, schema["items"], document, f"{at}[]")  # type: ignore[arg-type]
    if isinstance(value, dict):
        known: dict[str, dict[str, object]] = schema.get("properties", {})  # type: ignore[assignment]
        assert set(schema.get("required", ())) <= set(value), (at, set(value))  # type: ignore[call-overload]
        if known:
            assert set(value) <= set(known), (at, set(value) - set(known))
        for name, one in value.items():
            if name in known:
                check(one, known[name], document, f"{at}.{name}")
    return None


def test_the_challenge_is_of_the_verifier(client: WebClient) -> None:
    """PKCE's own example (RFC 7636 appendix B), by the issuer's arithmetic."""
    from hoopgate.identity.issuer_code import _challenge

    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert _challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    digest = hashlib.sha256(verifier.encode()).digest()
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == _challenge(verifier)
