"""The console's web server: who asks, may he, which page; and the headers that guard browsers."""

from __future__ import annotations

import hmac
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web import resource
from twisted.web.server import NOT_DONE_YET

from hoopgate.console import api, approvals, logs, opening, people, recordings, running
from hoopgate.console.archive import Archive
from hoopgate.console.fields import cookie, form_of, query_of, set_cookie
from hoopgate.console.html import join, tag
from hoopgate.console.layout import ASSETS, document, empty, heading
from hoopgate.console.live import Streams
from hoopgate.console.logins import COOKIE, STATE_COOKIE, STATE_SECONDS, Login, Logins
from hoopgate.console.oidc import CALLBACK, OIDCLogin
from hoopgate.console.visits import Answer, Data, File, Page, Parts, Redirect, Visit, roles_of
from hoopgate.errors import DirectoryUnavailable, HoopgateError, IdentityRefused, Refused
from hoopgate.gateway.admin import APPROVALS, details, problem
from hoopgate.gateway.logging import log_event
from hoopgate.gateway.web import QuietRequest, QuietSite
from hoopgate.identity.secrets import SecretSource

if TYPE_CHECKING:
    from hoopgate.gateway.service import Running

log = Logger()

Handler = Callable[[Visit, "re.Match[str]"], Awaitable[Answer]]

_ID: Final = r"(?P<id>[A-Za-z0-9][A-Za-z0-9._-]{0,63})"
_BEARER: Final = re.compile(r"(?i:bearer) ([A-Za-z0-9._~+/-]+=*)")
#: Where a log-in may lead: pages of ours. No host, no second slash, no query.
_TARGET: Final = re.compile(r"/(?:[a-z]+(?:/[A-Za-z0-9._-]+)?)?")
#: Seconds between two looks whether the log has grown.
_LOOK_SECONDS: Final = 1.5

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Strict-Transport-Security": "max-age=31536000",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
#: On the one page with the player of terminals: compiling its WebAssembly, still no eval.
_WITH_WEBASSEMBLY: Final = "script-src 'self' 'wasm-unsafe-eval'"


def _routes() -> list[tuple[str, re.Pattern[str], Handler]]:
    async def home(visit: Visit, match: re.Match[str]) -> Answer:
        return Redirect("/approvals")

    table: list[tuple[str, str, Handler]] = [
        ("GET", r"/", home),
        ("GET", r"/approvals", lambda visit, match: approvals.listing(visit)),
        ("GET", rf"/approvals/{_ID}", lambda visit, match: approvals.one(visit, match["id"])),
        (
            "POST",
            rf"/approvals/{_ID}/(?P<step>approve|deny|revoke)",
            lambda visit, match: approvals.decide(visit, match["id"], match["step"]),
        ),
        ("GET", r"/live", lambda visit, match: running.live(visit)),
        ("POST", rf"/live/{_ID}/end", lambda visit, match: running.end(visit, match["id"])),
        ("GET", r"/sessions", lambda visit, match: recordings.search(visit)),
        ("GET", rf"/sessions/{_ID}", lambda visit, match: recordings.replay(visit, match["id"])),
        (
            "GET",
            rf"/sessions/{_ID}/terminal",
            lambda visit, match: recordings.terminal(visit, match["id"]),
        ),
        ("GET", rf"/sessions/{_ID}/cast", lambda visit, match: recordings.cast(visit, match["id"])),
        ("POST", rf"/sessions/{_ID}", lambda visit, match: opening.hand_over(visit, match["id"])),
        ("GET", rf"/sessions/{_ID}/wrap", lambda visit, match: opening.wrap(visit, match["id"])),
        ("GET", r"/log", lambda visit, match: logs.status(visit)),
        ("POST", r"/log/verify", lambda visit, match: logs.verify(visit)),
        ("GET", r"/identities", lambda visit, match: people.identities(visit)),
        ("GET", r"/rules", lambda visit, match: people.rules(visit)),
        *api.routes(_ID),
    ]
    return [(method, re.compile(path), handler) for method, path, handler in table]


class Console(resource.Resource):
    """Every path."""

    isLeaf = True

    def __init__(self, parts: Parts, oidc: OIDCLogin) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._parts = parts
        self._oidc = oidc
        console = parts.console
        self._logins = Logins(console.session_seconds, console.idle_seconds, parts.now)
        self._routes = _routes()
        self._streams = Streams(parts.reactor, self._logins.alive)
        self._origin = console.url
        self._host = console.url.removeprefix("https://").encode()
        self._size = -1
        self._look = LoopingCall(self._looked)
        self._look.clock = parts.reactor
        self._unobserve = parts.approvals.observe(lambda *_: self._streams.tell("approvals"))

    def start(self) -> None:
        """Begin to tell open pages of news."""
        self._parts.node.on_sessions = lambda: self._streams.tell("live")
        self._streams.start()
        self._look.start(_LOOK_SECONDS, now=False)

    def stop(self) -> None:
        """End streams and timers."""
        self._unobserve()
        self._parts.node.on_sessions = lambda: None
        if self._look.running:
            self._look.stop()
        self._streams.stop()
        self._oidc.stop()

    def _looked(self) -> None:
        size = self._parts.recorder.checkpoint_size
        if size != self._size:
            self._size = size
            self._streams.tell("log")

    # --- one request ----------------------------------------------------------------------------

    def render(self, request: QuietRequest) -> int:
        """See :class:`twisted.web.resource.Resource`."""
        Deferred.fromCoroutine(self._serve(request))
        return NOT_DONE_YET

    async def _serve(self, request: QuietRequest) -> None:
        """Answer, whatever happens."""
        for name, value in _HEADERS.items():
            request.responseHeaders.setRawHeaders(name, [value])
        path = request.path.decode("ascii", "replace")
        visit: Visit | None = None
        try:
            asset = ASSETS.get(path)
            if asset is not None and request.method == b"GET":
                keep = "public, max-age=31536000, immutable"
                request.answer(200, asset.kind, asset.content, Cache_Control=keep)
                return
            self._check_host(request)
            if await self._without_login(request, path):
                return
            visit = await self._visit(request, path)
            if path == "/logout":
                self._log_out(request)
            elif path == "/events":
                assert visit.login is not None
                self._streams.add(request, visit.login, visit.query)
            else:
                news = self._streams.position()
                await self._send(request, visit, await self._answer(request, visit, path), news)
        except _LogIn as first:
            await self._send(request, None, Redirect(first.path))
        except HoopgateError as error:
            await self._refused(request, visit, path, *problem(error))
        except Exception:  # noqa: BLE001 - a bug must not end in a traceback in the browser
            log.failure("console.bug")
            await self._refused(request, visit, path, 500, "internal", "see the gateway's log")

    async def _answer(self, request: QuietRequest, visit: Visit, path: str) -> Answer:
        possible = False
        for method, pattern, handler in self._routes:
            match = pattern.fullmatch(path)
            if match is None:
                continue
            possible = True
            if request.method == method.encode():
                return await handler(visit, match)
        if possible:
            raise Refused("request.method", "this cannot be done here")
        raise Refused("request.path", "there is nothing here")

    async def _send(
        self, request: QuietRequest, visit: Visit | None, answer: Answer, news: str = ""
    ) -> None:
        if isinstance(answer, Redirect):
            request.answer(303, "text/plain", b"", Location=answer.path)
        elif isinstance(answer, Data):
            body = json.dumps(answer.content).encode() + b"\n"
            request.answer(answer.status, "application/json", body)
        elif isinstance(answer, File):
            kept = f'attachment; filename="{answer.name}"'
            request.answer(200, answer.kind, answer.content, Content_Disposition=kept)
        else:
            waiting = 0 if visit is None else await approvals.waiting(visit)
            page = document(answer, visit, waiting, news)
            if answer.plays:
                policy = _HEADERS["Content-Security-Policy"]
                allowed = policy.replace("script-src 'self'", _WITH_WEBASSEMBLY)
                request.responseHeaders.setRawHeaders("Content-Security-Policy", [allowed])
            request.answer(answer.status, "text/html; charset=utf-8", page)

    async def _refused(
        self,
        request: QuietRequest,
        visit: Visit | None,
        path: str,
        status: int,
        code: str,
        detail: str,
    ) -> None:
        status = _STATUS.get(code, status)
        request_id = f"con-{secrets.token_hex(6)}"
        if status >= 500:
            log_event(log, "console.failed", request_id=request_id, code=code)
        if path.startswith("/api/"):
            content = json.dumps(details(status, code, detail, request_id)).encode() + b"\n"
            request.answer(status, "application/problem+json", content)
            return
        title = HTTPStatus(status).phrase
        again = tag("p", tag("a", "Log in", href="/login", class_="button")) if not visit else None
        body = join(
            heading(title),
            empty(f"{detail[:1].upper()}{detail[1:]}.", f"{code} · {request_id}"),
            again,
        )
        page = document(Page(title, body, status=status), visit)
        request.answer(status, "text/html; charset=utf-8", page)

    # --- who ------------------------------------------------------------------------------------

    def _check_host(self, request: QuietRequest) -> None:
        """Only under its own name: no page of another name (DNS rebinding) gets an answer."""
        hosts = request.requestHeaders.getRawHeaders(b"host") or []
        if [host.lower() for host in hosts] != [self._host]:
            raise Refused("request.host", "the console is not known by this name")

    async def _visit(self, request: QuietRequest, path: str) -> Visit:
        """
        :raises _LogIn: nobody is logged in.
        :raises Refused: he may not be here, or the request is not one of our own pages'.
        """
        parts = self._parts
        passive = request.requestHeaders.hasHeader("hoopgate-passive") or path == "/events"
        token = request.requestHeaders.getRawHeaders("authorization")
        login: Login | None = None
        if token is not None and path.startswith("/api/"):
            match = _BEARER.fullmatch(token[0]) if len(token) == 1 else None
            if match is None:
                raise IdentityRefused("identity.missing", "one bearer token is required")
            who = await parts.verifier.verify(match[1], APPROVALS)
        else:
            value = cookie(request, COOKIE)
            login = self._logins.find(value, active=not passive) if value else None
            if login is None:
                raise self._first(path)
            self._check_origin(request, login)
            try:
                # Groups as they are now: who has left one loses what it gave.
                who = await parts.verifier.recheck(login.principal, APPROVALS)
            except DirectoryUnavailable:
                raise
            except IdentityRefused:
                self._logins.close(value)
                raise self._first(path) from None
            login.principal = who
        roles = roles_of(parts, who)
        if not roles.any and path != "/logout":
            raise Refused("console.group", "none of your groups has anything to do here")
        return Visit(
            parts,
            who,
            roles,
            path,
            login,
            query_of(request),
            form_of(request) if request.method == b"POST" else {},
            passive,
        )

    def _first(self, path: str) -> HoopgateError:
        if path.startswith("/api/") or path == "/events":
            return IdentityRefused("identity.missing", "log in first, or send a bearer token")
        return _LogIn(f"/login?target={path}" if _TARGET.fullmatch(path) else "/login")

    def _check_origin(self, request: QuietRequest, login: Login) -> None:
        """What changes something comes from a page of ours: by its token, and where the browser
        says so by its origin.

        :raises Refused: ``console.csrf``.
        """
        if request.method in (b"GET", b"HEAD"):
            return
        headers = request.requestHeaders
        sites = headers.getRawHeaders("sec-fetch-site") or ["same-origin"]
        origins = headers.getRawHeaders("origin") or [self._origin]
        given = headers.getRawHeaders("x-csrf-token") or [form_of(request).get("csrf", "")]
        if (
            sites != ["same-origin"]
            or origins != [self._origin]
            or len(given) != 1
            or not hmac.compare_digest(given[0].encode(), login.csrf.encode())
        ):
            raise Refused("console.csrf", "this did not come from this console's page; reload it")

    # --- log-in ---------------------------------------------------------------------------------

    async def _without_login(self, request: QuietRequest, path: str) -> bool:
        """Answer what is there for everybody; True when it was."""
        if path not in ("/login", CALLBACK, "/goodbye") or request.method != b"GET":
            return False
        if path == "/login":
            await self._begin(request)
        elif path == CALLBACK:
            await self._finish(request)
        else:
            body = join(
                heading("You are logged out"),
                tag("p", tag("a", "Log in again", href="/login", class_="button")),
            )
            await self._send(request, None, Page("Logged out", body))
        return True

    async def _begin(self, request: QuietRequest) -> None:
        target = query_of(request).get("target", "/")
        if _TARGET.fullmatch(target) is None:
            target = "/"
        state, browser, pending = self._logins.begin(target)
        address = await self._oidc.address(state, pending)
        set_cookie(request, STATE_COOKIE, browser, int(STATE_SECONDS))
        await self._send(request, None, Redirect(address))

    async def _finish(self, request: QuietRequest) -> None:
        query = query_of(request)
        browser = cookie(request, STATE_COOKIE)
        set_cookie(request, STATE_COOKIE, "", 0)
        pending = self._logins.take(query.get("state", ""), browser)
        if pending is None:
            raise Refused("console.state", "this log-in was not begun in this browser, or too late")
        if "code" not in query or "error" in query:
            raise IdentityRefused("identity.code", "the issuer did not let you in")
        who = await self._oidc.redeem(query["code"], query.get("iss"), pending)
        if not roles_of(self._parts, who).any:
            log_event(log, "console.refused", issuer=who.issuer, subject=who.subject)
            raise Refused("console.group", "none of your groups has anything to do here")
        await self._parts.recorder.append(
            "admin",
            {"action": "console.login", "issuer": who.issuer[:200], "subject": who.subject[:200]},
        )
        log_event(log, "console.login", issuer=who.issuer, subject=who.subject)
        before = cookie(request, COOKIE)
        if before:
            self._logins.close(before)
        set_cookie(request, COOKIE, self._logins.open(who), None)
        await self._send(request, None, Redirect(pending.target))

    def _log_out(self, request: QuietRequest) -> None:
        if request.method != b"POST":
            raise Refused("request.method", "logging out is a button's matter")
        value = cookie(request, COOKIE)
        login = self._logins.find(value)
        self._logins.close(value)
        if login is not None:
            self._streams.end(login)
        set_cookie(request, COOKIE, "", 0)
        request.answer(303, "text/plain", b"", Location="/goodbye")


class _LogIn(HoopgateError):
    """Nobody is logged in: first to that page."""

    def __init__(self, path: str) -> None:
        super().__init__("log in first")
        self.path = path


_STATUS: Final = {
    "request.host": 421,
    "console.csrf": 403,
    "console.group": 403,
    "console.role": 403,
    "console.state": 400,
    "console.streams": 429,
    "session.unknown": 404,
    "log.bad": 409,
    "log.busy": 409,
    "log.unreadable": 503,
    "recording.sealed": 409,
}


def make_console(running: Running) -> tuple[IProtocolFactory, Callable[[], None]]:
    """The console of a running node: what listens, and what stops it.

    :raises SettingsError: a file of the settings cannot be used.
    """
    settings = running.settings
    console = settings.console
    assert console is not None
    issuer = next(one for one in settings.issuers if one.name == console.issuer)
    parts = Parts(
        settings,
        console,
        running.node,
        running.approvals,
        running.recorder,
        running.verifier,
        running.rules,
        Archive(settings, running.reactor),
        running.reactor,
        time.time,
    )
    oidc = OIDCLogin(
        console, issuer, running.verifier, SecretSource(running.reactor), running.reactor
    )
    pages = Console(parts, oidc)
    pages.start()
    site = QuietSite(pages, running.reactor)
    return TLSMemoryBIOFactory(running.tls, False, site), pages.stop
