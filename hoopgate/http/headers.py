"""Which headers go on, and in which form, in both directions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from hoopgate.http.gate import CREDENTIALS, OWN_HEADER
from hoopgate.http.wire import HOP_BY_HOP, Headers, Malformed, RequestHead, ResponseHead

Written = list[tuple[bytes, bytes]]

#: They make a server run something else than what the line says, and so than what was judged.
_OVERRIDES: Final = frozenset(
    {
        *(b"x-http-method-override", b"x-http-method", b"x-method-override"),
        *(b"x-original-url", b"x-rewrite-url", b"x-original-uri", b"x-original-host"),
    }
)
#: The same at a FHIR server: another resource to store, what else to delete, history to rewrite.
_WRITES: Final = frozenset({b"x-provenance", b"x-cascade", b"x-rewrite-history"})
#: Of the client's, what a FHIR server with PHI gets: what other headers make it do, nobody knows.
_OF_FHIR: Final = frozenset(
    {
        *(b"accept", b"accept-language", b"accept-charset", b"content-type", b"content-language"),
        *(b"content-encoding", b"prefer", b"if-none-exist", b"if-modified-since", b"user-agent"),
        *(b"cache-control", b"pragma", b"date", b"authorization", b"origin", b"referer"),
        *(b"traceparent", b"tracestate", b"x-correlation-id", b"x-requested-with"),
    }
)
#: Of the client's, made anew or of no use to the upstream.
_REPLACED: Final = HOP_BY_HOP | {
    *(b"host", b"content-length", b"expect", b"forwarded", b"via", b"x-request-id"),
    *(b"x-real-ip", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip", b"x-cluster-client-ip"),
    *(b"alt-used", b"sec-websocket-extensions", b"sec-websocket-key", OWN_HEADER),
    *(b"sec-websocket-version", b"sec-websocket-protocol", b"sec-websocket-accept"),
}
#: On PHI also what asks for less than the whole answer: it is rewritten, so that would be about
#: something else.
_PARTIAL: Final = frozenset(
    {
        *(b"range", b"if-range", b"if-modified-since", b"accept-encoding", b"cookie"),
        *(b"want-digest", b"want-content-digest", b"want-repr-digest"),
    }
)
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: Conditions, by which a read would tell what has not changed. A write has to keep to them.
_CONDITIONS: Final = frozenset({b"if-match", b"if-none-match", b"if-unmodified-since"})
#: Versions as FHIR has them, which are shown; not the digest of an answer that is not.
_VERSIONS: Final = re.compile(rb'\*|(W/)?"[A-Za-z0-9.-]{1,64}"(, *(W/)?"[A-Za-z0-9.-]{1,64}"){0,9}')
#: Of the upstream's, on a resource that holds PHI: what carries no text of its own.
_PLAIN: Final = {
    b"date": re.compile(rb"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT"),
    b"retry-after": re.compile(rb"[0-9]{1,5}"),
    b"allow": re.compile(rb"[A-Z]{1,10}(, ?[A-Z]{1,10}){0,20}"),
    b"accept-patch": re.compile(rb"[a-z/+-]{1,60}(, ?[a-z/+-]{1,60}){0,9}"),
}
#: The same, of MCP.
_OF_MCP: Final = {
    b"mcp-session-id": re.compile(rb"[!-~]{1,512}"),
    b"mcp-protocol-version": re.compile(rb"[0-9-]{10}"),
}
#: A URL that holds names and ids alone, and of its query the number of a job.
_ADDRESS: Final = re.compile(
    r"(https?://[^/?#\s]{1,300})?/?[A-Za-z0-9$._~-]{0,128}(/[A-Za-z0-9$._~-]{1,128}){0,32}/?"
    r"(\?_?(jobId|job|jobid)=[A-Za-z0-9._-]{1,128})?"
)
#: Of the upstream's, elsewhere: what would lead past the gateway, or is made anew.
_DROPPED: Final = HOP_BY_HOP | {
    *(b"alt-svc", b"content-length", b"server", b"via", b"strict-transport-security"),
    *(b"location", b"content-location", b"hoopgate-request", b"sec-websocket-extensions"),
}
#: What was said of a body that is written anew.
OF_THE_BODY: Final = frozenset(
    {
        *(b"content-type", b"content-encoding", b"etag", b"last-modified", b"content-md5"),
        *(b"digest", b"content-digest", b"repr-digest", b"accept-ranges", b"content-range"),
    }
)


#: What may say what was searched for.
OF_THE_SEARCH: Final = frozenset({b"location", b"content-location"})


def to_upstream(
    head: RequestHead,
    *,
    host: str,
    phi: bool,
    fhir: bool = False,
    pass_authorization: bool,
    peer: str,
    secure: bool,
    request_id: str,
) -> Written:
    """The headers for the upstream, without those that frame the body and the credential.

    :param fhir: it is a FHIR server.
    :raises Malformed: a header would change what is run.
    """
    written: Written = [(b"Host", host.encode("ascii"))]
    for name, value in head.headers:
        if name in _OVERRIDES:
            raise Malformed(400, "override", "a header that changes method or path is not taken")
        if fhir and name in _WRITES:
            raise Malformed(400, "override", "a header that writes something else is not taken")
        if name in _REPLACED or name.startswith(b"x-forwarded-") or (phi and name in _PARTIAL):
            continue
        if phi and name in _CONDITIONS:
            if head.method in _READS:
                continue
            if name != b"if-unmodified-since" and not _VERSIONS.fullmatch(value):
                raise Malformed(400, "condition", "a condition that is about no version")
        if fhir and phi and name not in _OF_FHIR and name not in _CONDITIONS:
            continue
        if name in CREDENTIALS and not (pass_authorization and name == b"authorization"):
            continue
        written.append((name, value))
    address = peer.rpartition(":")[0].strip("[]") or "unknown"
    node = f'"[{address}]"' if ":" in address else address
    proto = "https" if secure else "http"
    written += [
        (b"X-Forwarded-For", address.encode("ascii")),
        (b"X-Forwarded-Proto", proto.encode()),
        (b"Forwarded", f"for={node};proto={proto}".encode("ascii")),
        (b"Via", b"1.1 hoopgate"),
        (b"X-Request-Id", request_id.encode("ascii")),
    ]
    if phi:
        written.append((b"Accept-Encoding", b"identity"))
    return written


def recorded(head: RequestHead) -> Written:
    """The client's headers for the log: credentials are named and not shown."""
    return [
        (name, b"[credential]" if name in CREDENTIALS else value) for name, value in head.headers
    ]


def to_client(
    head: ResponseHead, *, phi: bool, links: Links, request_id: str, mcp: bool = False
) -> Written:
    """The headers for the client, without those that frame the body."""
    written: Written = []
    for name, value in head.headers:
        if name in (b"location", b"content-location"):
            rewritten = links.location(value, phi=phi)
            if rewritten is not None:
                written.append((name, rewritten))
        elif phi:
            plain = _PLAIN.get(name) or (_OF_MCP.get(name) if mcp else None)
            if plain is not None and plain.fullmatch(value):
                written.append((name, value))
        elif name not in _DROPPED and not name.startswith(b"access-control-"):
            written.append((name, value))
    if phi:
        written.append((b"Cache-Control", b"private, no-store"))
        written.append((b"X-Content-Type-Options", b"nosniff"))
    written.append((b"Hoopgate-Request", request_id.encode("ascii")))
    return written


class Links:
    """Rewrites URLs of the upstream into those by which the client reaches it.

    :param upstream: (scheme, host) pairs under which the upstream may speak of itself.
    :param base: its path.
    :param public: the resource's URL for the client.
    """

    def __init__(self, hosts: Iterable[str], base: str, public: str) -> None:
        names = "|".join(re.escape(host) for host in sorted(hosts))
        self._own = re.compile(rf"https?://(?:{names}){re.escape(base)}(?=[/?#]|\Z)", re.IGNORECASE)
        self._base = base
        self._public = public
        self._path = "/" + public.partition("://")[2].partition("/")[2]

    def url(self, url: str) -> str | None:
        """The client's URL for one of the upstream's; None for others."""
        found = self._own.match(url)
        return None if found is None else self._public + url[found.end() :]

    def location(self, value: bytes, *, phi: bool) -> bytes | None:
        """Location or Content-Location; None when the client should not have it."""
        text = value.decode("latin-1")
        if phi and _ADDRESS.fullmatch(text) is None:
            return None
        rewritten = self.url(text)
        if rewritten is not None:
            return rewritten.encode("latin-1")
        if text.startswith("/") and not text.startswith("//"):
            if text == self._base or text.startswith(self._base + "/"):
                return (self._public + text[len(self._base) :]).encode("latin-1")
            return None  # beside the resource
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|//", text):
            return None if phi else value
        return value


def client_headers(headers: Headers) -> tuple[tuple[str, str], ...]:
    """Headers as rules see them: without credentials."""
    return tuple(
        (name.decode("ascii"), value.decode("latin-1"))
        for name, value in headers
        if name not in CREDENTIALS
    )
