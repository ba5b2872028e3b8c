"""What a request asks for, in words that rules match: from a head and a body to an operation."""

from __future__ import annotations

from typing import Final

from hoopgate.events import Operation, OperationFacts
from hoopgate.http import documents, fhir_requests, mcp_messages, targets, websockets
from hoopgate.http.inquiry import (
    Inquiry,
    Pairs,
    attributes,
    canonical,
    is_json,
    media_type,
    require_utf8,
)
from hoopgate.http.targets import Target
from hoopgate.http.wire import Malformed, RequestHead
from hoopgate.settings.model import HTTPTarget

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FORM: Final = "application/x-www-form-urlencoded"
#: By which some frameworks take a POST for another method; their headers: see ``headers.py``.
_OVERRIDES: Final = frozenset(
    {"_method", "x-http-method-override", "x-http-method", "x-method-override"}
)


def needs_body(http: HTTPTarget, head: RequestHead) -> bool:
    """Whether the whole body has to be seen before the request is judged."""
    media = media_type(head.get(b"content-type"))
    return head.length != 0 and (http.format != "rest" or is_json(media) or media == _FORM)


def inquire(http: HTTPTarget, head: RequestHead, target: Target, body: bytes | None) -> Inquiry:
    """Understand a request.

    :param body: None when it is too long to be seen whole, and need not be.
    :raises Malformed: it is not what it says it is.
    """
    if head.upgrade:
        return websockets.inquire(http, head, target)
    if http.format == "mcp":
        return mcp_messages.inquire(head, target, body)
    _check_method(target.parameters)
    if http.format == "fhir":
        return fhir_requests.inquire(head, target, body)
    media = media_type(head.get(b"content-type"))
    leaves: Pairs = ()
    parameters = target.parameters
    if body and is_json(media):
        require_utf8(head)
        leaves = documents.leaves(documents.strict(body))
        _check_method(tuple((name.removeprefix("/"), value) for name, value in leaves))
    elif body and media == _FORM:
        require_utf8(head)
        parameters += targets.parse_query(_ascii(body))
        _check_method(parameters)
    if head.method in _READS:
        kind = "http.read"
    else:
        kind = "http.delete" if head.method == "DELETE" else "http.write"
    facts = OperationFacts(
        frozenset({kind}),
        attributes=attributes(head, target, parameters=parameters, body=leaves),
    )
    return Inquiry(Operation(canonical(head, target, body), (facts,), waits=False), target)


def _check_method(named: Pairs) -> None:
    if any(name.casefold() in _OVERRIDES for name, _ in named):
        raise Malformed(400, "override", "a parameter that changes the method is not taken")


def _ascii(body: bytes) -> str:
    try:
        return body.decode("ascii")
    except UnicodeDecodeError:
        raise Malformed(400, "form", "a form that is not ASCII") from None
