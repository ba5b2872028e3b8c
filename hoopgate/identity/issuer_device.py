"""The embedded issuer's device flow (RFC 8628): a program asks, a person allows it in a browser.

The person types the code that the program shows, sees who asked for what and from where, and gives
name and password: there is no session at the issuer, so no other site can answer for anybody.
"""

from __future__ import annotations

import html
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

from hoopgate.identity.client_auth import ClientAuthenticator, FailureLimiter, TokenError
from hoopgate.identity.issuer_grants import Grant
from hoopgate.identity.issuer_html import Answer, alert, log_in_fields, page, page_headers
from hoopgate.identity.issuer_settings import Client, IssuerSettings

DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
DEVICE_SECONDS: Final = 600
#: Between two questions of a program for its token, and what is added for one that asks too often.
INTERVAL: Final = 5
_MOST: Final = 10_000
_MOST_PER_ADDRESS: Final = 100
#: RFC 8628 6.1: letters that make no words and are not taken for one another.
_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
_LENGTH: Final = 8


@dataclass(slots=True)
class _Asked:
    """What a program has asked for.

    :ivar last: when it last asked for its token.
    :ivar person: who allowed it.
    """

    user_code: str = field(repr=False)
    client: Client
    scopes: frozenset[str]
    resource: str
    address: str
    since: float
    last: float = 0.0
    interval: int = INTERVAL
    person: Client | None = None
    denied: bool = False


class DeviceFlow:
    """What programs ask for, and the pages where people answer.

    :param people: who may log in, shared with the other flows so that guesses add up.
    :param now: seconds since the epoch.
    """

    def __init__(
        self, settings: IssuerSettings, people: ClientAuthenticator, now: Callable[[], float]
    ) -> None:
        self._url = settings.url
        self._people = people
        self._now = now
        self._limiter = FailureLimiter(now)
        self._by_device: dict[str, _Asked] = {}
        self._by_user: dict[str, _Asked] = {}

    # --- the program's side -----------------------------------------------------------------------

    def authorize(
        self, client: Client, form: Mapping[str, list[str]], address: str
    ) -> dict[str, Any]:
        """The answer to a device authorization request (RFC 8628 3.2).

        :raises TokenError: ``unauthorized_client``, ``invalid_scope``, ``invalid_target``,
            ``slow_down``.
        """
        if not client.device:
            raise TokenError("unauthorized_client", "the client may not use the device flow")
        scopes = frozenset(" ".join(form.get("scope", [])).split(" ")) - {""}
        if not scopes <= client.scopes | {"openid"}:
            raise TokenError("invalid_scope", "the client may not ask for this scope")
        wanted = form.get("resource", []) or list(client.resources[:1])
        if len(wanted) != 1 or wanted[0] not in client.resources:
            raise TokenError("invalid_target", "the client may not ask for this resource")
        self._tidy()
        mine = sum(one.address == address for one in self._by_device.values())
        if mine >= _MOST_PER_ADDRESS or len(self._by_device) >= _MOST:
            raise TokenError("slow_down", "too many log-ins are waiting", 429, retry_after=60)
        device_code, user_code = secrets.token_urlsafe(32), self._new_user_code()
        asked = _Asked(user_code, client, scopes or client.scopes, wanted[0], address, self._now())
        self._by_device[device_code] = self._by_user[user_code] = asked
        shown = _shown(user_code)
        return {
            "device_code": device_code,
            "user_code": shown,
            "verification_uri": self._url + "/device",
            "verification_uri_complete": f"{self._url}/device?user_code={quote(shown)}",
            "expires_in": DEVICE_SECONDS,
            "interval": INTERVAL,
        }

    def redeem(self, client: Client, form: Mapping[str, str]) -> Grant:
        """What was allowed; a device code is good once.

        :raises TokenError: ``authorization_pending``, ``slow_down``, ``access_denied``,
            ``expired_token``, ``invalid_grant`` (RFC 8628 3.5).
        """
        device_code = form.get("device_code", "")
        asked = self._by_device.get(device_code)
        if asked is None or asked.client is not client:
            raise TokenError("invalid_grant", "the device code is unknown, used or another's")
        now = self._now()
        if now >= asked.since + DEVICE_SECONDS:
            self._forget(device_code)
            raise TokenError("expired_token", "nobody has allowed it in time; begin again")
        if asked.denied:
            self._forget(device_code)
            raise TokenError("access_denied", "the person has refused")
        if asked.person is None:
            early = now < asked.last + asked.interval
            asked.last = now
            if early:
                asked.interval += INTERVAL
                raise TokenError("slow_down", f"ask every {asked.interval} seconds at most")
            raise TokenError("authorization_pending", "the person has not answered yet")
        self._forget(device_code)
        scopes = asked.scopes & (asked.person.scopes | {"openid"})
        return Grant(client, asked.person, scopes, asked.resource)

    # --- the person's side ------------------------------------------------------------------------

    async def answer(
        self, method: bytes, query: bytes, body: Mapping[str, str], origin: str | None, address: str
    ) -> Answer:
        """The page where a person is.

        :raises TokenError: the form was sent from another site; the query is none.
        """
        if method != b"POST":
            return _code_page(_prefilled(query), "")
        url = urlsplit(self._url)
        if origin is not None and origin != f"{url.scheme}://{url.netloc}":
            raise TokenError("invalid_request", "the form was sent from another site", 403)
        typed = body.get("user_code", "")[:64]
        try:
            succeeded = self._limiter.attempt(address, "user_code")
        except TokenError as error:
            return _code_page(typed, "Too many attempts. Wait a minute.", error.status)
        asked = self._by_user.get(_canonical(typed))
        if asked is None or asked.person is not None or asked.denied or self._late(asked):
            return _code_page(typed, "This code is unknown, used or too old.", 404)
        succeeded()
        decision = body.get("decision")
        if decision == "deny":
            asked.denied = True
            return _done("Refused", "The program gets nothing. You can close this page.")
        if decision != "allow":
            return self._consent(asked, "", "")
        name = body.get("name", "")
        given = {"client_id": name, "client_secret": body.get("password", "")}
        try:
            person = await self._people.authenticate(None, given, address)
        except TokenError as error:
            wrong = error.error == "invalid_client"
            told = (
                "Name and password do not match." if wrong else "Too many attempts. Wait a minute."
            )
            return self._consent(asked, name, told, error.status)
        # While the password was looked at, it may have been answered elsewhere.
        if asked.person is not None or asked.denied or self._late(asked):
            return _code_page("", "This code is unknown, used or too old.", 404)
        if not asked.scopes & (person.scopes | {"openid"}):
            return self._consent(asked, name, "You may have nothing of what it asks for.", 403)
        asked.person = person
        return _done("Allowed", "The program goes on by itself. You can close this page.")

    def _consent(self, asked: _Asked, name: str, told: str, status: int = 200) -> Answer:
        minutes = int(self._now() - asked.since) // 60
        body = f"""<h1>Allow {html.escape(asked.client.id)}?</h1>
<p>It will act in your name. Allow only what you have just begun yourself, and only if your
 terminal shows this code.</p>{alert(html.escape(told))}
<dl><dt>Code</dt><dd class="code">{_shown(asked.user_code)}</dd>
<dt>Asks for</dt><dd>{html.escape(" ".join(sorted(asked.scopes)))}</dd>
<dt>At</dt><dd>{html.escape(asked.resource)}</dd>
<dt>From</dt><dd>{html.escape(asked.address)}, {minutes} min ago</dd></dl>
<form method="post"><input type="hidden" name="user_code" value="{_shown(asked.user_code)}">
{log_in_fields(html.escape(name))}<button name="decision" value="allow">Allow</button>
<button class="no" name="decision" value="deny" formnovalidate>Refuse</button></form>"""
        return status, page_headers(), page("Allow a program", body)

    # --- codes ------------------------------------------------------------------------------------

    def _new_user_code(self) -> str:
        while True:
            code = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
            if code not in self._by_user:
                return code

    def _late(self, asked: _Asked) -> bool:
        return self._now() >= asked.since + DEVICE_SECONDS

    def _forget(self, device_code: str) -> None:
        self._by_user.pop(self._by_device.pop(device_code).user_code, None)

    def _tidy(self) -> None:
        # A while longer than they are good, so that a program is told why it gets nothing.
        gone = self._now() - 2 * DEVICE_SECONDS
        for code in [code for code, one in self._by_device.items() if one.since <= gone]:
            self._forget(code)


def _shown(user_code: str) -> str:
    return f"{user_code[:4]}-{user_code[4:]}"


def _canonical(typed: str) -> str:
    return "".join(letter for letter in typed.upper() if letter in _LETTERS)


def _prefilled(query: bytes) -> str:
    try:
        fields = dict(parse_qsl(query.decode("ascii"), max_num_fields=8))
    except ValueError:
        raise TokenError("invalid_request", "the query is not a form") from None
    return fields.get("user_code", "")[:64]


def _code_page(typed: str, told: str, status: int = 200) -> Answer:
    body = f"""<h1>Connect a program</h1>
<p>Type the code that your terminal shows.</p>{alert(html.escape(told))}
<form method="post"><label for="user_code">Code</label>
<input id="user_code" name="user_code" class="code" value="{html.escape(typed)}" autocomplete="off"
 autocapitalize="characters" spellcheck="false" required autofocus>
<button>Continue</button></form>"""
    return status, page_headers(), page("Connect a program", body)


def _done(title: str, text: str) -> Answer:
    return 200, page_headers(), page(title, f"<h1>{title}</h1><p>{text}</p>")
