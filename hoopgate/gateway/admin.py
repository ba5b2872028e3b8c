"""The node's JSON API for reviewers, on a unix socket.

==========  ==================================  ===================================================
``GET``     ``/v1/approvals[?state=pending]``   requests, the newest first; no statements
``GET``     ``/v1/approvals/ID``                one request; its statement for its reviewers
``POST``    ``/v1/approvals/ID/approve``        body ``{"reason": "…"}``; also ``deny``, ``revoke``
``POST``    ``/v1/credentials``                 body ``{"resource": "…", "lifetime": "…"}``
``POST``    ``/v1/ssh-certificates``            the same body and ``"public_key": "…"``
``POST``    ``/v1/recordings/ID/hold``          body ``{"reference": "…"}``; also ``release``,
                                                ``shred``
``POST``    ``/v1/recordings/ID/view``          body ``{}``; who may use the socket may look
==========  ==================================  ===================================================

Every call carries ``Authorization: Bearer TOKEN``, an OIDC token with the scope
``hoopgate:approve``, for recordings ``hoopgate:audit``, or for a credential that of the resource; a
view is recorded under the caller's name on the machine, without a token. The directory says of
which groups its holder is. A credential is the short user name and password for a listener that
speaks SCRAM;
``lifetime`` is in seconds. Errors are RFC 9457 problem
details with ``code``, the same dotted words as in the log.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web import resource
from twisted.web.server import NOT_DONE_YET

from hoopgate.approvals.model import Contents, Request
from hoopgate.approvals.states import State
from hoopgate.errors import (
    DirectoryUnavailable,
    HoopgateError,
    IdentityRefused,
    RecorderFailed,
    RecorderFull,
    Refused,
)
from hoopgate.events import Principal
from hoopgate.gateway.logging import log_event
from hoopgate.gateway.recordings import AUDIT, Recordings
from hoopgate.gateway.web import BODY_BYTES, QuietRequest, QuietSite
from hoopgate.identity.credentials import Credential
from hoopgate.interfaces import IIdentityVerifier
from hoopgate.settings.model import Resource

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from hoopgate.approvals.service import Approvals

log = Logger()

Issue = Callable[[str, str, float], Deferred[tuple[Credential, str]]]
#: Certifies a public key of OpenSSH's for a session credential.
Certify = Callable[[str, Credential], str]
_CERTIFICATES = b"/v1/ssh-certificates"

SCOPE = "hoopgate:approve"

#: What a token is verified for: not a backend, but the right to decide.
APPROVALS = Resource(
    name="approvals", protocol="admin", target="", host="", database="", scope=SCOPE, user=""
)

_LISTED = 500
_PATH = re.compile(r"/v1/approvals(?:/(?P<id>[a-z0-9-]{1,32})(?:/(?P<step>approve|deny|revoke))?)?")
#: RFC 6750 2.1
_BEARER = re.compile(r"(?i:bearer) ([A-Za-z0-9._~+/-]+=*)")

_STATUS = {
    "approval.unknown": 404,
    "approval.not_pending": 409,
    "approval.not_approved": 409,
    "approval.expired": 409,
    "approval.twice": 409,
    "approval.damaged": 409,
    "approval.self": 403,
    "approval.group": 403,
    "approval.reason": 422,
    "approval.unavailable": 503,
    "recording.unknown": 404,
    "recording.shredded": 409,
    "recording.open": 409,
    "recording.kept": 409,
    "recording.held": 409,
    "recording.reference": 422,
    "hold.unknown": 404,
    "hold.exists": 409,
    "resource.unknown": 404,
    "credential.too_many": 429,
    "certificate.key": 422,
    "certificate.resource": 422,
    "identity.missing": 401,
    "identity.scope": 403,
    "scope.missing": 403,
    "request.path": 404,
    "request.method": 405,
    "request.size": 413,
    "request.type": 415,
    "request.body": 400,
    "request.query": 400,
}
_TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Not possible any more",
    413: "Body too large",
    415: "JSON is required",
    422: "Not acceptable",
    429: "Too many",
    500: "Internal error",
    503: "Not available",
}


class AdminServer:
    """The API.

    :ivar site: to listen with, on a unix socket of mode 0600.
    """

    def __init__(
        self,
        approvals: Approvals,
        verifier: IIdentityVerifier,
        reactor: IReactorTime | None = None,
        issue: Issue | None = None,
        recordings: Recordings | None = None,
        certify: Certify | None = None,
    ) -> None:
        api = _API(approvals, verifier, issue, recordings, certify)
        self.site = QuietSite(_Root(api), reactor)


class _Root(resource.Resource):
    isLeaf = True

    def __init__(self, api: _API) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._api = api

    def render(self, request: QuietRequest) -> int:
        Deferred.fromCoroutine(self._api.serve(request))
        return NOT_DONE_YET


class _API:
    def __init__(
        self,
        approvals: Approvals,
        verifier: IIdentityVerifier,
        issue: Issue | None,
        recordings: Recordings | None,
        certify: Certify | None,
    ) -> None:
        self._certify = certify
        self._approvals = approvals
        self._verifier = verifier
        self._issue = issue
        self._recordings = recordings

    async def serve(self, request: QuietRequest) -> None:
        """Answer one request, whatever happens."""
        request_id = f"adm-{secrets.token_hex(6)}"
        try:
            status, body = 200, await self._answer(request, request_id)
        except HoopgateError as error:
            status, code, detail = problem(error)
            body = details(status, code, detail, request_id)
            if status >= 500:
                log_event(log, "admin.failed", request_id=request_id, code=code)
        except Exception:  # noqa: BLE001
            log.failure("admin.bug")
            status = 500
            body = details(status, "internal", "an internal error; see the log", request_id)
        headers = {"X_Request_Id": request_id}
        if status == 401:
            headers["WWW_Authenticate"] = "Bearer"
        if status == 405:
            headers["Allow"] = _method(request) or ""
        kind = "application/json" if status == 200 else "application/problem+json"
        request.answer(status, kind, json.dumps(body).encode() + b"\n", **headers)

    async def _answer(self, request: QuietRequest, request_id: str) -> dict[str, object]:
        if self._recordings is not None and (step := self._recordings.step(request)):
            if request.method != b"POST":
                raise Refused("request.method", "only POST is possible here")
            _no_query(request)
            if step[1] == "view":
                _body(request, set())
                return await self._recordings.view(request, step[0])
            who = await self._verifier.verify(_token(request), AUDIT)
            reference = _body(request, {"reference"})["reference"]
            return await self._recordings.keep(*step, reference, who)
        path = _path(request)
        method = _method(request)
        if method is None:
            raise Refused("request.path", "there is nothing here")
        if request.method != method.encode():
            raise Refused("request.method", f"only {method} is possible here")
        if path is None:
            _no_query(request)
            return await self._credential(request)
        who = await self._verifier.verify(_token(request), APPROVALS)
        if path["id"] is None:
            return await self._list(_states(request), who)
        _no_query(request)
        if path["step"] is None:
            return await self._show(path["id"], who)
        return await self._decide(path["id"], path["step"], _reason(request), who, request_id)

    async def _credential(self, request: QuietRequest) -> dict[str, object]:
        if self._issue is None:
            raise Refused("request.path", "there is nothing here")
        token = _token(request)
        certified = request.path == _CERTIFICATES
        if certified and self._certify is None:
            raise Refused("request.path", "there is nothing here")
        body = _body(request, {"resource", "lifetime", *(["public_key"] if certified else ())})
        if re.fullmatch(r"[1-9][0-9]{0,5}", body["lifetime"]) is None:
            raise Refused("request.body", "the lifetime must be a number of seconds")
        credential, password = await self._issue(token, body["resource"], float(body["lifetime"]))
        given = {"password": password}
        if certified:
            assert self._certify is not None
            given = {"certificate": self._certify(body["public_key"], credential)}
        return {
            "user": credential.user,
            **given,
            "resource": credential.resource,
            "expires": credential.principal.expires_at,
        }

    async def _list(self, states: Collection[State], who: Principal) -> dict[str, object]:
        found = await self._approvals.requests(states, _LISTED + 1)
        return {
            "approvals": [self._summary(one, who) for one in found[:_LISTED]],
            "truncated": len(found) > _LISTED,
        }

    async def _show(self, approval_id: str, who: Principal) -> dict[str, object]:
        found = await self._approvals.get(approval_id)
        page = self._summary(found, who)
        if found.reviewers & who.groups:
            contents = await self._approvals.contents(approval_id)
            page["statement"] = None if contents is None else statement(contents)
            page["decision_reason"] = await self._approvals.reason(approval_id)
        return page

    async def _decide(
        self, approval_id: str, step: str, reason: str, who: Principal, request_id: str
    ) -> dict[str, object]:
        if step == "revoke":
            decided = await self._approvals.revoke(approval_id, who, reason)
        else:
            decided = await self._approvals.decide(approval_id, step == "approve", who, reason)
        log_event(
            log,
            "approval.decided",
            request_id=request_id,
            approval=decided.id,
            step=step,
            issuer=who.issuer,
            subject=who.subject,
        )
        return self._summary(decided, who)

    def _summary(self, found: Request, who: Principal) -> dict[str, object]:
        return summary(found, who, self._approvals.seconds_left(found))


def summary(found: Request, who: Principal, seconds_left: float) -> dict[str, object]:
    """A request as JSON, without its statement."""
    decided_by = found.reviewer
    return {
        "id": found.id,
        "state": found.state.value,
        "requester": {
            "issuer": found.issuer,
            "subject": found.subject,
            "owner": found.owner,
            "actors": found.actors,
        },
        "resource": found.resource,
        "protocol": found.protocol,
        "database": found.database,
        "peer": found.peer,
        "session": found.session,
        "rule": found.rule,
        "reason": found.reason,
        "classes": found.classes,
        "reviewers": sorted(found.reviewers),
        "reviewer": bool(found.reviewers & who.groups),
        "created": found.created,
        "expires": found.expires,
        "seconds_left": seconds_left,
        "decided": found.decided,
        "decided_by": decided_by and {"issuer": decided_by[0], "subject": decided_by[1]},
        "approvers": found.approvers,
        "approvals": [
            {"issuer": vote.issuer, "subject": vote.subject, "at": vote.at} for vote in found.votes
        ],
        "window": found.window,
        "effect": found.effect,
        "uses": found.uses,
    }


def statement(contents: Contents) -> dict[str, object]:
    """A statement as JSON: for reviewers only."""
    return {
        "text": contents.text,
        "digest": contents.digest,
        "parameters": [
            {"type": oid, **_value(code, value)} for oid, code, value in contents.parameters
        ],
        "settings": dict(contents.settings),
        "relations": contents.relations,
        "functions": contents.functions,
        "message": contents.message,
        "application": contents.application,
        "affected": contents.affected,
        "estimated": contents.estimated,
    }


def _value(code: int, value: bytes | None) -> dict[str, object]:
    """Text as text; what is binary or not UTF-8 as hexadecimal digits."""
    if value is None:
        return {"null": True}
    if code == 0:
        try:
            return {"text": value.decode()}
        except UnicodeDecodeError:
            pass
    return {"hex": value.hex()}


# --- what a request must look like -------------------------------------------------------------


def _path(request: QuietRequest) -> re.Match[str] | None:
    return _PATH.fullmatch(request.path.decode("ascii", "replace"))


def _method(request: QuietRequest) -> str | None:
    """The method that this path has; None where there is no such path."""
    if request.path in (b"/v1/credentials", _CERTIFICATES):
        return "POST"
    path = _path(request)
    return path and ("GET" if path["step"] is None else "POST")


def _token(request: QuietRequest) -> str:
    values = request.requestHeaders.getRawHeaders("authorization") or []
    match = _BEARER.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        raise IdentityRefused("identity.missing", "an Authorization: Bearer header is required")
    return match[1]


def _query(request: QuietRequest) -> list[tuple[str, str]]:
    query = request.uri.partition(b"?")[2].decode("ascii", "replace")
    return parse_qsl(query, keep_blank_values=True, max_num_fields=10)


def _no_query(request: QuietRequest) -> None:
    if _query(request):
        raise Refused("request.query", "no query parameter is known here")


def _states(request: QuietRequest) -> Collection[State]:
    """
    :raises Refused: ``request.query``.
    """
    try:
        query = _query(request) or [("state", "pending")]
        if {name for name, _ in query} != {"state"}:
            raise ValueError
        if ("state", "all") in query:
            return frozenset(State)
        return frozenset(State(value) for _, value in query)
    except ValueError:
        known = ", ".join([*State, "all"])
        raise Refused("request.query", f"the one parameter is state: {known}") from None


def _reason(request: QuietRequest) -> str:
    """
    :raises Refused: the body is not ``{"reason": "…"}``.
    """
    return _body(request, {"reason"})["reason"]


def _body(request: QuietRequest, keys: Collection[str]) -> dict[str, str]:
    """
    :raises Refused: the body is not a JSON object of exactly these strings.
    """
    if request.oversized:
        raise Refused("request.size", f"a body has at most {BODY_BYTES} bytes")
    types = request.requestHeaders.getRawHeaders("content-type") or []
    if [one.partition(";")[0].strip().lower() for one in types] != ["application/json"]:
        raise Refused("request.type", "the Content-Type must be application/json")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError
        return dict(pairs)

    assert request.content is not None
    try:
        body = json.loads(request.content.read(), object_pairs_hook=once)
    except (ValueError, RecursionError):
        body = None
    if (
        not isinstance(body, dict)
        or body.keys() != set(keys)
        or not all(isinstance(value, str) for value in body.values())
    ):
        expected = ", ".join(f'"{key}": "…"' for key in sorted(keys))
        raise Refused("request.body", f"the body must be {{{expected}}} and nothing else")
    return body


# --- what an error becomes ---------------------------------------------------------------------


def problem(error: HoopgateError) -> tuple[int, str, str]:
    """Status, code and text. Texts of :class:`Refused` are made for those who asked."""
    if isinstance(error, DirectoryUnavailable):
        return 503, error.code, "the directory does not answer; try again"
    if isinstance(error, IdentityRefused):
        return _STATUS.get(error.code, 401), error.code, str(error)
    if isinstance(error, Refused):
        return _STATUS.get(error.code, 403), error.code, str(error)
    if isinstance(error, RecorderFailed | RecorderFull):
        return 503, "recorder.failed", "the log takes no entries, so nothing is decided"
    return 503, "state.failed", "the node's state cannot be read or written"


def details(status: int, code: str, detail: str, request_id: str) -> dict[str, object]:
    return {
        "type": "about:blank",
        "title": _TITLES[status],
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }
