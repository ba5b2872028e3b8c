"""Who asks for what: finds the token and the resource in a request's head. Sans-I/O."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from hoopgate.errors import HoopgateError, IdentityRefused, Refused, RemoteProtocolError
from hoopgate.http import targets
from hoopgate.http.problems import Problem, status_line
from hoopgate.http.targets import Target
from hoopgate.http.wire import RequestHead, head
from hoopgate.settings.model import HTTPTarget, Resource

#: Where a token may be; exactly one of them (PROTOCOLS D1).
OWN_HEADER: Final = b"hoopgate-authorization"
CREDENTIALS: Final = (b"authorization", b"proxy-authorization", OWN_HEADER)
#: RFC 6750 2.1: b64token.
_BEARER: Final = re.compile(rb"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
METADATA: Final = ".well-known/oauth-protected-resource"


class Refusal(Exception):
    """A request that does not come as far as a session."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Opening:
    """A request that may begin or go on with a session, once its token is verified.

    :ivar target: below the resource.
    :ivar public: URL of the resource as the client wrote it.
    :ivar digest: of the token: what tells two identities on one connection apart.
    """

    resource: Resource
    http: HTTPTarget
    target: Target
    public: str
    token: str = field(repr=False)
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Metadata:
    """A question for the metadata of a protected resource (RFC 9728): no token is needed."""

    resource: Resource
    public: str


class Gate:
    """Reads heads for one listener.

    :param resources: what may be asked for, by name.
    :param secure: clients come by TLS.
    """

    def __init__(
        self, resources: Mapping[str, Resource], *, secure: bool, token_bytes: int
    ) -> None:
        self._resources = dict(resources)
        self._hosts = {
            host: one
            for one in resources.values()
            for host in (one.http.hosts if one.http is not None else ())
        }
        self._scheme = "https" if secure else "http"
        self._token_bytes = token_bytes

    def read(self, head: RequestHead) -> Opening | Metadata:
        """What a head asks for.

        :raises Malformed: its target is not taken.
        :raises Refusal: no such resource, or no token.
        """
        target = targets.parse(head.target)
        host = (head.get(b"host") or b"").decode("ascii")
        base = f"{self._scheme}://{host}"
        if "/".join(target.segments[:2]) == METADATA:
            return self._metadata(target, host, base)
        resource = self._hosts.get(host.lower()) or self._hosts.get(_without_port(host))
        public = base
        if resource is None:
            resource = self._resources.get(target.segments[0])
            public = f"{base}/{target.segments[0]}"
            target = target.below(1)
            if not target.segments:
                target = Target(("",), target.parameters)
        if resource is None or resource.http is None:
            raise Refusal(
                Problem(
                    404,
                    "resource.unknown",
                    "There is no resource of that name here.",
                    "The first part of the path names the resource.",
                )
            )
        token = self._token(head, resource, resource.http, public)
        digest = hashlib.sha256(token.encode()).digest()
        return Opening(resource, resource.http, target, public, token, digest)

    def _metadata(self, target: Target, host: str, base: str) -> Metadata:
        names = [one for one in target.segments[2:] if one]
        resource = self._hosts.get(host.lower()) or self._hosts.get(_without_port(host))
        public = base
        if resource is None and names:
            resource = self._resources.get(names[0])
            public = f"{base}/{names[0]}"
        if resource is None:
            raise Refusal(Problem(404, "resource.unknown", "There is no resource of that name."))
        return Metadata(resource, public)

    def _token(self, head: RequestHead, resource: Resource, http: HTTPTarget, public: str) -> str:
        places = CREDENTIALS if not http.pass_authorization else (OWN_HEADER,)
        values = [value for name, value in head.headers if name in places]
        if not values:
            raise Refusal(unauthorised(resource, public, "", "A token is needed."))
        if len(values) > 1:
            raise Refusal(
                Problem(
                    400,
                    "credential.ambiguous",
                    "There is more than one credential.",
                    "Send the token in one header.",
                )
            )
        if len(values[0]) > self._token_bytes:
            raise Refusal(unauthorised(resource, public, "identity.size", "The token is too long."))
        found = _BEARER.fullmatch(values[0])
        if found is None:
            raise Refusal(
                unauthorised(resource, public, "identity.scheme", "The token must be a Bearer's.")
            )
        return found[1].decode("ascii")


def unauthorised(resource: Resource, public: str, code: str, message: str) -> Problem:
    """401, with the address where a client learns who issues tokens (RFC 9728 5.1)."""
    scheme, _, rest = public.partition("://")
    host, slash, path = rest.partition("/")
    metadata = f"{scheme}://{host}/{METADATA}{slash}{path}"
    challenge = f'Bearer resource_metadata="{metadata}", scope="{_quotable(resource.scope)}"'
    if code:
        challenge += ', error="invalid_token"'
    return Problem(
        401,
        code or "identity.missing",
        message,
        f"Get a token with the scope {resource.scope} from the issuer that the metadata names.",
        challenge=challenge,
    )


def forbidden(resource: Resource, code: str, message: str) -> Problem:
    """403 for a token that is good and does not open the resource (RFC 6750 3.1)."""
    challenge = f'Bearer error="insufficient_scope", scope="{_quotable(resource.scope)}"'
    return Problem(403, code, message, "Get a token that opens it.", challenge=challenge)


def not_opened(error: BaseException | None, resource: Resource, public: str) -> Problem:
    """Why a request began no session."""
    if isinstance(error, IdentityRefused):
        if error.code.startswith("identity."):
            return unauthorised(resource, public, error.code, _sentence(error))
        return forbidden(resource, error.code, _sentence(error))
    if isinstance(error, Refused):
        if error.code.startswith("upstream.") and error.code != "upstream.credential":
            return Problem(502, error.code, _sentence(error), "Tell the operator.")
        return Problem(503, error.code, _sentence(error), "Try again later.")
    if isinstance(error, HoopgateError) and not isinstance(error, RemoteProtocolError):
        message = "The log cannot record a session now."
        return Problem(503, "recorder.failed", message, "Try again later.")
    return Problem(500, "internal", "An internal error ended the request.")


def metadata(
    question: Metadata,
    issuers: Sequence[str],
    *,
    head_only: bool,
    close: bool,
    more: Sequence[tuple[bytes, bytes]] = (),
) -> bytes:
    """The metadata of a protected resource (RFC 9728 3.2)."""
    document = {
        "resource": question.public,
        "authorization_servers": list(issuers),
        "scopes_supported": [question.resource.scope],
        "bearer_methods_supported": ["header"],
    }
    body = json.dumps(document).encode()
    headers = [
        (b"Content-Type", b"application/json"),
        (b"Content-Length", str(len(body)).encode()),
        (b"Cache-Control", b"no-store"),
        (b"X-Content-Type-Options", b"nosniff"),
        *more,
    ]
    if close:
        headers.append((b"Connection", b"close"))
    start = head(status_line(200), headers)
    return start if head_only else start + body


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:] + "."


def _quotable(text: str) -> str:
    return "".join(one for one in text if " " <= one <= "~" and one not in '"\\')


def _without_port(host: str) -> str:
    return re.sub(r":[0-9]+\Z", "", host.lower())
