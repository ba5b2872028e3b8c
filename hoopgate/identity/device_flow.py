"""The device flow's client (RFC 8628): a person allows in a browser what a terminal asks for.

An issuer's refusal to give the token yet is waited out as it says; no token is kept here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.task import deferLater

from hoopgate.errors import IdentityRefused
from hoopgate.identity.fetch import FetchFailed, JSONFetcher, checked_url
from hoopgate.identity.jose import JSONRefused, strict_json
from hoopgate.identity.jwks import DISCOVERY_PATH

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from hoopgate.settings.model import Issuer

GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
#: A person has so long, whatever the issuer says.
MOST_SECONDS: Final = 300.0
#: RFC 8628 3.2 and 3.5: between two questions, and what ``slow_down`` adds.
_INTERVAL: Final = 5
_MOST_INTERVAL: Final = 60
_USER_CODE: Final = re.compile(r"[A-Za-z0-9-]{4,32}")
_URI_CHARACTERS: Final = 512
_TOKEN_CHARACTERS: Final = 65_536


@dataclass(frozen=True, slots=True)
class Begun:
    """What a person is asked to do.

    :ivar uri: where; ``complete_uri`` has the code in it, or is empty.
    :ivar user_code: what to type there.
    :ivar seconds: for how long.
    """

    uri: str
    complete_uri: str
    user_code: str
    seconds: float
    interval: float
    device_code: str = field(repr=False)


class DeviceFlowClient:
    """Asks one issuer, as a public client.

    :raises SettingsError: the issuer's ``ca_file`` cannot be used.
    """

    def __init__(self, reactor: IReactorTime, issuer: Issuer, client_id: str) -> None:
        self._reactor = reactor
        self._issuer = issuer
        self._client_id = client_id
        self._fetcher = JSONFetcher(reactor, issuer.ca_file)

    async def begin(self, scope: str) -> Begun:
        """Ask for a code.

        :param scope: what the token is for; "" asks for what the client may have.
        :raises IdentityRefused: ``identity.device``: the issuer cannot be asked, or refuses.
        """
        form = {"client_id": self._client_id, "resource": self._issuer.audiences[0]}
        if scope:
            form["scope"] = scope
        try:
            endpoint = await self._endpoint("device_authorization_endpoint")
            return _begun(strict_json(await self._fetcher.post(endpoint, form, {})))
        except (FetchFailed, JSONRefused):
            raise _refused("the issuer gives no code now; use a token or a credential") from None

    async def token(self, begun: Begun) -> str:
        """Wait until the person has answered; the access token, not verified yet.

        :raises IdentityRefused: ``identity.device``: refused, too late, or the issuer is gone.
        """
        form = {
            "grant_type": GRANT,
            "client_id": self._client_id,
            "device_code": begun.device_code,
        }
        interval = begun.interval
        until = self._reactor.seconds() + begun.seconds
        while self._reactor.seconds() < until:
            document = await self._asked(form)
            token = document.get("access_token")
            if isinstance(token, str) and 0 < len(token) <= _TOKEN_CHARACTERS:
                return token
            error = document.get("error")
            if error == "slow_down":
                interval = min(interval + _INTERVAL, _MOST_INTERVAL)
            elif error == "access_denied":
                raise _refused("the person has refused")
            elif error != "authorization_pending":
                break
            await deferLater(self._reactor, interval)
        raise _refused("nobody has allowed it in time")

    async def _asked(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        """The token endpoint's answer; an issuer that is away for a moment is asked again."""
        try:
            endpoint = await self._endpoint("token_endpoint")
            return strict_json(await self._fetcher.post(endpoint, form, {}, refusal=400))
        except (FetchFailed, JSONRefused):
            return {"error": "slow_down"}

    async def _endpoint(self, name: str) -> str:
        url = self._issuer.url.rstrip("/") + DISCOVERY_PATH
        document = strict_json(await self._fetcher.get(url))
        if document.get("issuer") != self._issuer.url:
            raise JSONRefused("its discovery document is of another issuer")
        found = document.get(name)
        if not isinstance(found, str):
            raise JSONRefused(f"its discovery document names no {name}")
        checked_url(found)
        return found


def _begun(document: Mapping[str, Any]) -> Begun:
    """
    :raises JSONRefused: it is none, or would show a person something else than an address and a
        code.
    """
    device_code, user_code = document.get("device_code"), document.get("user_code")
    seconds, interval = document.get("expires_in"), document.get("interval", _INTERVAL)
    if not isinstance(device_code, str) or not 0 < len(device_code) <= 4096:
        raise JSONRefused("there is no device code in it")
    if not isinstance(user_code, str) or not _USER_CODE.fullmatch(user_code):
        raise JSONRefused("there is no user code in it")
    if type(seconds) is not int or seconds <= 0 or type(interval) is not int or interval < 0:
        raise JSONRefused("its times are none")
    return Begun(
        uri=_uri(document.get("verification_uri")),
        complete_uri=_uri(document.get("verification_uri_complete"))
        if "verification_uri_complete" in document
        else "",
        user_code=user_code,
        seconds=min(float(seconds), MOST_SECONDS),
        interval=float(min(max(interval, 1), _MOST_INTERVAL)),
        device_code=device_code,
    )


def _uri(found: object) -> str:
    if not isinstance(found, str) or len(found) > _URI_CHARACTERS or not found.isprintable():
        raise JSONRefused("there is no address in it")
    checked_url(found)
    return found


def _refused(why: str) -> IdentityRefused:
    return IdentityRefused("identity.device", why)
