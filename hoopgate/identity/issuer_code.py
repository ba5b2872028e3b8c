"""The embedded issuer's log-in of people: authorization code with PKCE, and one form.

RFC 6749 4.1, RFC 7636 (S256 alone), RFC 8707, RFC 9207, RFC 9700 2.1.1; ID tokens by OIDC Core 3.1.
There is no session of its own: whoever wants a code gives name and password.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from hoopgate.identity.client_auth import ClientAuthenticator, TokenError
from hoopgate.identity.issuer_grants import Grant
from hoopgate.identity.issuer_html import Answer, alert, log_in_fields, page, page_headers
from hoopgate.identity.issuer_settings import Client, IssuerSettings

CODE_SECONDS: Final = 60.0
_MOST_CODES: Final = 10_000
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
#: RFC 7636 4.1
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
#: What the form carries from the question to the answer; all of it is checked again.
_CARRIED: Final = (
    *("client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "resource"),
    *("code_challenge", "code_challenge_method"),
)


@dataclass(frozen=True, slots=True)
class _Code:
    """What a code stands for, until it is redeemed, once."""

    grant: Grant
    redirect_uri: str
    challenge: str = field(repr=False)
    expires_at: float


@dataclass(frozen=True, slots=True)
class _Question:
    client: Client
    redirect_uri: str
    fields: Mapping[str, str]
    scopes: frozenset[str] = frozenset()
    resource: str = ""


class _RefusedBack(Exception):
    """Tell the client, by a redirect (RFC 6749 4.1.2.1)."""

    def __init__(self, question: _Question, error: str, description: str) -> None:
        super().__init__(error)
        self.question, self.error, self.description = question, error, description


class CodeFlow:
    """The authorization endpoint, and the codes it gave out."""

    def __init__(
        self, settings: IssuerSettings, people: ClientAuthenticator, now: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._now = now
        self._people = people
        self._codes: OrderedDict[str, _Code] = OrderedDict()

    async def answer(
        self, method: bytes, query: bytes, body: Mapping[str, str], origin: str | None, address: str
    ) -> Answer:
        """The log-in page, or where to send the browser.

        :raises TokenError: a request that names no client to send the browser back to.
        """
        fields = body if method == b"POST" else _fields(query)
        try:
            question = self._question(fields)
            if method != b"POST":
                return self._page(question, "")
            return await self._log_in(question, fields, origin, address)
        except _RefusedBack as refused:
            back = {"error": refused.error, "error_description": refused.description}
            return self._redirect(refused.question, back)

    def redeem(self, client: Client, form: Mapping[str, str]) -> Grant:
        """What a code was given for. It is used up, whatever comes of it.

        :raises TokenError: ``invalid_grant``.
        """
        code = self._codes.pop(form.get("code", ""), None)
        verifier = form.get("code_verifier", "")
        if (
            code is None
            or code.expires_at <= self._now()
            or code.grant.client is not client
            or code.redirect_uri != form.get("redirect_uri")
            or _VERIFIER.fullmatch(verifier) is None
            or not hmac.compare_digest(_challenge(verifier), code.challenge)
        ):
            raise TokenError("invalid_grant", "the code is unknown, used, expired or another's")
        return code.grant

    def _question(self, fields: Mapping[str, str]) -> _Question:
        client = self._settings.clients.get(fields.get("client_id", ""))
        redirect_uri = fields.get("redirect_uri", "")
        if client is None or redirect_uri not in client.redirect_uris:
            # Never a redirect: to an address that nobody registered (RFC 9700 4.11)
            raise TokenError("invalid_request", "unknown client, or redirect_uri not registered")
        asked = _Question(client, redirect_uri, fields)
        if fields.get("response_type") != "code":
            raise _RefusedBack(asked, "unsupported_response_type", "only code is supported")
        challenge = fields.get("code_challenge", "")
        if fields.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
            raise _RefusedBack(asked, "invalid_request", "PKCE with S256 is required")
        scopes = frozenset(fields.get("scope", "").split(" ")) - {""}
        if not scopes <= client.scopes | {"openid"}:
            raise _RefusedBack(asked, "invalid_scope", "the client may not ask for this scope")
        resource = fields.get("resource") or client.resources[0]
        if resource not in client.resources:
            raise _RefusedBack(asked, "invalid_target", "the client may not ask for this resource")
        return _Question(client, redirect_uri, fields, scopes or client.scopes, resource)

    async def _log_in(
        self, question: _Question, fields: Mapping[str, str], origin: str | None, address: str
    ) -> Answer:
        url = urlsplit(self._settings.url)
        if origin is not None and origin != f"{url.scheme}://{url.netloc}":
            raise TokenError("invalid_request", "the form was sent from another site", 403)
        given = {"client_id": fields.get("name", ""), "client_secret": fields.get("password", "")}
        try:
            person = await self._people.authenticate(None, given, address)
        except TokenError as error:
            told = (
                "Name and password do not match."
                if error.error == "invalid_client"
                else "Too many attempts. Wait a minute."
            )
            return self._page(question, told, 401 if error.status == 401 else error.status)
        code = secrets.token_urlsafe(32)
        self._codes[code] = _Code(
            Grant(
                question.client,
                person,
                question.scopes & (person.scopes | {"openid"}),
                question.resource,
                question.fields.get("nonce", ""),
            ),
            question.redirect_uri,
            question.fields["code_challenge"],
            self._now() + CODE_SECONDS,
        )
        while len(self._codes) > _MOST_CODES:
            self._codes.popitem(last=False)
        return self._redirect(question, {"code": code})

    def _redirect(self, question: _Question, fields: Mapping[str, str]) -> Answer:
        back = {**fields, "iss": self._settings.url}
        if "state" in question.fields:
            back["state"] = question.fields["state"]
        mark = "&" if "?" in question.redirect_uri else "?"
        location = f"{question.redirect_uri}{mark}{urlencode(back)}"
        return 303, {**page_headers(), "Location": location}, ""

    def _page(self, question: _Question, told: str, status: int = 200) -> Answer:
        carried = "".join(
            f'<input type="hidden" name="{name}" value="{html.escape(question.fields[name])}">'
            for name in _CARRIED
            if name in question.fields
        )
        name = html.escape(question.fields.get("name", ""))
        target = urlsplit(question.redirect_uri)
        body = f"""<h1>Log in</h1><p>to {html.escape(question.client.id)}</p>
{alert(html.escape(told))}
<form method="post">{carried}
{log_in_fields(name)}<button>Log in</button></form>"""
        headers = page_headers(f"{target.scheme}://{target.netloc}")
        return status, headers, page("Log in", body)


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _fields(query: bytes) -> dict[str, str]:
    """
    :raises TokenError: ``invalid_request``.
    """
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=32
        )
    except ValueError:
        raise TokenError("invalid_request", "the query is not a form") from None
    if len({name for name, _ in pairs}) != len(pairs):
        raise TokenError("invalid_request", "a field is given twice")
    return dict(pairs)
