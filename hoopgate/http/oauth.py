"""The gateway's own tokens for upstreams that want OAuth (RFC 6749 4.4), kept while they hold."""

from __future__ import annotations

import base64
import hmac
import json
import re
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from twisted.internet.defer import Deferred

from hoopgate.errors import Refused
from hoopgate.http.forwarding import Credential
from hoopgate.identity.fetch import FetchFailed, JSONFetcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from hoopgate.settings.model import HTTPTarget, Resource

#: A token is not used in its last seconds, and renewed some time before these; of one that holds
#: for a short time only, in its last quarter and half.
MARGIN_SECONDS: Final = 10.0
RENEW_SECONDS: Final = 60.0
#: An upstream that takes no token shall not have the issuer asked for one all the time.
REFUSED_SECONDS: Final = 2.0
#: Of a token whose answer does not say how long it holds.
_DEFAULT_SECONDS: Final = 60.0
_LONGEST_SECONDS: Final = 86_400.0
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,65536}")


class TokenSource:
    """The tokens of one resource: one is asked for at a time, whoever needs it.

    :param clock: seconds, for how long a token holds.
    """

    def __init__(
        self,
        reactor: Any,
        resource: Resource,
        http: HTTPTarget,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetcher = JSONFetcher(reactor, resource.tls.ca_file)
        self._user = resource.user
        self._http = http
        self._clock = clock
        self._token = ""
        self._expires = 0.0
        self._refused = -REFUSED_SECONDS
        self._margin_seconds, self._renew_seconds = MARGIN_SECONDS, RENEW_SECONDS
        self._asking: list[Deferred[None]] | None = None

    async def credential(self, secret: str) -> Credential:
        """A token that holds now; what is returned says the present one at any time.

        :raises Refused: ``upstream.credential``: the issuer gives none.
        """
        if self._left() < self._renew_seconds:
            await self._renewed(secret)
        return _Present(self, secret)

    def _left(self) -> float:
        return self._expires - self._clock()

    def stale(self) -> bool:
        """Whether the token may not be used any more."""
        return self._left() < self._margin_seconds

    def header(self, secret: str) -> tuple[bytes, bytes] | None:
        """The present token; None when there is none that may be used."""
        if self._left() < self._renew_seconds:
            # While a session runs it is renewed in time, without anybody waiting for it.
            Deferred.fromCoroutine(self._renewed(secret)).addErrback(lambda _: None)
        return None if self.stale() else self._header()

    def _header(self) -> tuple[bytes, bytes]:
        return b"Authorization", b"Bearer " + self._token.encode("ascii")

    def refused(self, header: tuple[bytes, bytes]) -> bool:
        """The upstream does not take a token, though it should hold: the present one is not used
        again. False: so it was with one just now, and another one will hardly do."""
        if hmac.compare_digest(header[1], self._header()[1]) and not self.stale():
            now = self._clock()
            if now - self._refused < REFUSED_SECONDS:
                return False
            self._refused = now
            self._expires = 0.0
        return True

    async def _renewed(self, secret: str) -> None:
        if self._asking is not None:
            waiting: Deferred[None] = Deferred()
            self._asking.append(waiting)
            await waiting
        else:
            self._asking = []
            try:
                await self._renew(secret)
            finally:
                asking, self._asking = self._asking, None
                for one in asking:
                    one.callback(None)
        if self.stale():
            raise Refused("upstream.credential", "the gateway has no token for the upstream")

    async def _renew(self, secret: str) -> None:
        form = {"grant_type": "client_credentials"}
        if self._http.token_scope:
            form["scope"] = self._http.token_scope
        # RFC 6749 2.3.1: both parts are form-encoded before they are joined.
        pair = f"{quote(self._user, safe='')}:{quote(secret, safe='')}"
        basic = "Basic " + base64.b64encode(pair.encode()).decode()
        try:
            answer = json.loads(
                await self._fetcher.post(self._http.token_url, form, {"Authorization": basic})
            )
            token, kind = answer["access_token"], str(answer.get("token_type", ""))
            seconds = float(answer.get("expires_in", _DEFAULT_SECONDS))
            good = kind.lower() == "bearer" and _TOKEN.fullmatch(token) is not None
        except (FetchFailed, ValueError, KeyError, TypeError, AttributeError):
            good = False
        if not good:
            if self.stale():
                raise Refused("upstream.credential", "the gateway has no token for the upstream")
            return
        self._token = token
        self._expires = self._clock() + min(seconds, _LONGEST_SECONDS)
        self._margin_seconds = min(MARGIN_SECONDS, seconds / 4)
        self._renew_seconds = min(RENEW_SECONDS, seconds / 2)


class _Present:
    """The :class:`Credential` of a session."""

    def __init__(self, source: TokenSource, secret: str) -> None:
        self._source = source
        self._secret = secret

    def header(self) -> tuple[bytes, bytes] | None:
        """See :class:`Credential`."""
        return self._source.header(self._secret)

    def stale(self) -> bool:
        """See :class:`Credential`."""
        return self._source.stale()

    def refused(self, header: tuple[bytes, bytes]) -> bool:
        """See :class:`Credential`."""
        return self._source.refused(header)
