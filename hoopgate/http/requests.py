"""What a request asks for, in words that rules match: from a head and a body to an operation."""

from __future__ import annotations

from typing import Final

from hoopgate.events import Operation, OperationFacts
from hoopgate.http import (
    documents,
    fhir_requests,
    mcp_messages,
    multipart,
    targets,
    websockets,
)
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
#: Of a body that nobody has understood.
_UNSEEN: Final[Pairs] = (("", ""),)
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
    leaves, form = _seen(head, body)
    _check_method(tuple((name.removeprefix("/"), value) for name, value in leaves))
    _check_method(form)
    parameters = target.parameters + form
    if head.method in _READS:
        kind = "http.read"
    else:
        kind = "http.delete" if head.method == "DELETE" else "http.write"
    facts = OperationFacts(
        frozenset({kind}),
        attributes=attributes(head, target, parameters=parameters, body=leaves),
    )
    return Inquiry(Operation(canonical(head, target, body), (facts,), waits=False), target)


def _seen(head: RequestHead, body: bytes | None) -> tuple[Pairs, Pairs]:
    """Leaves and parameters of a body. What is not understood has neither, and so no allow by what
    is in it may cover it: it has one of each without a name."""
    media = media_type(head.get(b"content-type"))
    if body is None:
        return _UNSEEN, _UNSEEN if media == multipart.MEDIA else ()
    leaves: Pairs = ()
    form: Pairs = ()
    if body and is_json(media):
        require_utf8(head)
        return documents.leaves(documents.strict(body)), form
    # Whatever it is said to be: there are servers to which that says nothing.
    found = documents.undeclared(body) if documents.looks_like_json(body) else None
    if found is not None:
        require_utf8(head)
        return documents.leaves(found), _UNSEEN if media in (_FORM, multipart.MEDIA) else ()
    if body and media == _FORM:
        require_utf8(head)
        form = targets.parse_query(_ascii(body))
    elif body and media == multipart.MEDIA:
        require_utf8(head)
        form = multipart.fields(head.get(b"content-type") or b"", body)
    elif body:
        leaves = _UNSEEN
    return leaves, form


def _check_method(named: Pairs) -> None:
    if any(name.casefold() in _OVERRIDES for name, _ in named):
        raise Malformed(400, "override", "a parameter that changes the method is not taken")


def _ascii(body: bytes) -> str:
    try:
        return body.decode("ascii")
    except UnicodeDecodeError:
        raise Malformed(400, "form", "a form that is not ASCII") from None
