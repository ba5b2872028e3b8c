"""How the body of an answer is rewritten, by what was asked and what it says it is."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hoopgate.http import codings
from hoopgate.http.bodies import (
    BodyRefused,
    Decoding,
    Lines,
    Nothing,
    Rewriter,
    Unchanged,
    Whole,
    masked,
)
from hoopgate.http.codings import Undecodable
from hoopgate.http.event_streams import EventStream
from hoopgate.http.headers import Links
from hoopgate.http.inquiry import Inquiry, Link, charset, is_json, media_type
from hoopgate.http.mcp_answers import Listed, MCPMasker
from hoopgate.http.wire import ResponseHead
from hoopgate.phi import documents
from hoopgate.phi.documents import JSONMasker, Tokens, Unreadable
from hoopgate.phi.fhir import FHIRMasker
from hoopgate.phi.fhir_types import is_resource
from hoopgate.phi.hl7 import HL7Masker
from hoopgate.phi.texts import CSVMasker, TextMasker
from hoopgate.plans import BodyPlan

_NDJSON: Final = frozenset(
    {"application/fhir+ndjson", "application/ndjson", "application/x-ndjson", "application/jsonl"}
)
_HL7: Final = frozenset(
    {"application/hl7-v2", "application/hl7-v2+er7", "x-application/hl7-v2+er7", "text/hl7v2"}
)
_EVENTS: Final = "text/event-stream"
#: A file of an export: names, ids and keys.
_FILE: Final = re.compile(r"https?://[^/?#\s]+(/[A-Za-z0-9$._~-]+)+(\?[A-Za-z0-9._~=&-]{1,2048})?")


class _FHIR:
    """Masks what a FHIR server says: resources, and the manifest of an export."""

    def __init__(
        self,
        plan: BodyPlan,
        links: Links,
        page: Link | None = None,
        tokens: Tokens | None = None,
    ) -> None:
        self._links = links
        year = time.gmtime().tm_year
        self._masker = FHIRMasker(plan.paths, links.url, year, page, tokens)
        self._version = ""

    def __call__(self, data: bytes) -> bytes:
        document = documents.decode(data)
        if isinstance(document, dict) and "resourceType" not in document and "output" in document:
            return documents.encode(self._manifest(document))
        shown = self._masker.mask(document)
        meta = shown.get("meta") if isinstance(shown, dict) else None
        version = meta.get("versionId") if isinstance(meta, dict) else None
        self._version = version if isinstance(version, str) and version.isascii() else ""
        return documents.encode(shown)

    def etag(self) -> bytes:
        """FHIR's entity tag is the version of the resource (R4 3.1.0.5), so it holds masked."""
        return b'W/"%b"' % self._version.encode() if self._version else b""

    def _manifest(self, document: dict[str, Any]) -> dict[str, Any]:
        """Of a bulk export: its files are fetched through the gateway as well."""
        found: dict[str, Any] = {"requiresAccessToken": True}
        for name in ("output", "error", "deleted"):
            files = document.get(name)
            if isinstance(files, list):
                found[name] = [self._file(one) for one in files if isinstance(one, dict)]
        return found

    def _file(self, value: dict[str, Any]) -> dict[str, Any]:
        url, kind = value.get("url"), value.get("type")
        shown = self._links.url(url) if isinstance(url, str) else None
        if shown is None or not isinstance(url, str) or not _FILE.fullmatch(url):
            raise Unreadable("the export's files are not at the server itself")
        return {"type": kind if is_resource(kind) else "[TEXT]", "url": shown}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a rewriter is made of, in this process or in another one.

    :ivar answers: what was asked: ``rest``, ``fhir``, ``mcp``.
    :ivar declared: the content type.
    :ivar limit: bytes of a body that has to be seen whole, decoded.
    """

    answers: str
    plan: BodyPlan
    declared: bytes | None
    links: Links
    pages: Callable[[Link], Link] | None = None
    asked: Mapping[str, str] = field(default_factory=dict)
    limit: int = 0

    def made(
        self, decoder: codings.Decoder, tokens: Tokens | None, listed: Listed | None = None
    ) -> Rewriter | None:
        """The rewriter; None when the content cannot be masked.

        :param tokens: makes the tokens of what comes as tokens.
        :param listed: see :class:`hoopgate.http.mcp_answers.MCPMasker`.
        :raises BodyRefused: it is in a charset that is not known.
        """
        plan, declared, limit = self.plan, self.declared, self.limit
        media = media_type(declared)
        if self.answers == "fhir":
            page = None if self.pages is None else self.pages(self.links.url)
            mask = _FHIR(plan, self.links, page, tokens)
            return _fhir(mask, media, declared, decoder, limit)
        if self.answers == "mcp":
            year = time.gmtime().tm_year
            talk = MCPMasker(plan, self.asked, self.links, year, tokens, listed)
            return _mcp(talk, media, declared, decoder, limit)
        return _rest(plan, media, declared, decoder, limit, tokens)


def rewriter(
    plan: BodyPlan | None,
    inquiry: Inquiry,
    head: ResponseHead,
    links: Links,
    limit: int,
    expansion: int,
    tokens: Tokens | None = None,
) -> Rewriter:
    """How the body behind ``head`` is rewritten.

    :param tokens: makes the tokens of what comes as tokens.
    :param limit: bytes of a body that has to be seen whole, decoded.
    :raises BodyRefused: it cannot be shown at all.
    """
    if plan is None or head.length == 0:
        return Unchanged()
    declared = head.get(b"content-type")
    media = media_type(declared)
    # A stream may be as long as it likes: what is held of it is bounded.
    streams = media in _NDJSON or media == _EVENTS
    try:
        decoder = codings.decoder(
            head.get(b"content-encoding"), 2**50 if streams else limit, expansion
        )
    except Undecodable as error:
        raise BodyRefused(error.code, str(error)) from None
    asked = dict(inquiry.asked)
    recipe = Recipe(inquiry.answers, plan, declared, links, inquiry.pages, asked, limit)
    found = recipe.made(decoder, tokens)
    if found is None and inquiry.answers == "mcp" and head.status < 400:
        found = Nothing()  # "Accepted"
    if isinstance(found, Decoding):
        # Which tools may be seen is known here alone.
        found.recipe = replace(recipe, plan=replace(plan, permits=None))
    if found is not None:
        return found
    if head.status >= 400:
        raise BodyRefused(
            "upstream.error",
            "The upstream answered with an error; its text is not shown.",
            head.status,
        )
    raise BodyRefused("body.type", "The answer is of a type that cannot be masked.")


def _fhir(
    mask: _FHIR, media: str, declared: bytes | None, decoder: codings.Decoder, limit: int
) -> Rewriter | None:
    if is_json(media):
        _require_utf8(declared)
        return Whole(b"application/fhir+json", decoder, limit, mask, mask.etag)
    if media in _NDJSON:
        _require_utf8(declared)
        return Lines(b"application/fhir+ndjson", decoder, mask)
    return None


def _mcp(
    mask: MCPMasker, media: str, declared: bytes | None, decoder: codings.Decoder, limit: int
) -> Rewriter | None:
    if is_json(media) or media == _EVENTS:
        _require_utf8(declared)
        if media == _EVENTS:
            return EventStream(decoder, mask)
        return Whole(b"application/json", decoder, limit, mask)
    return None


def _rest(
    plan: BodyPlan,
    media: str,
    declared: bytes | None,
    decoder: codings.Decoder,
    limit: int,
    tokens: Tokens | None,
) -> Rewriter | None:
    if is_json(media) or media in _NDJSON or media == _EVENTS:
        _require_utf8(declared)
        masker = JSONMasker(plan.paths, unlabelled=plan.unlabelled, tokens=tokens)

        def mask(data: bytes) -> bytes:
            return documents.encode(masker.mask(documents.decode(data)))

        if media == _EVENTS:
            return EventStream(decoder, mask)
        if media in _NDJSON:
            return Lines(b"application/x-ndjson", decoder, mask)
        return Whole(b"application/json", decoder, limit, mask)
    text = _text_masker(plan, media, tokens)
    if text is None:
        return None
    coding = _CHARSETS.get(charset(declared))
    if coding is None:
        raise BodyRefused("body.charset", "The answer is in a charset that is not known.")
    masks = text

    def mask_text(data: bytes) -> bytes:
        # Whether somebody's name is in another charset does not tell (as in JSON).
        return masks(data.decode(coding, "replace")).encode()

    return Whole(f"{media}; charset=utf-8".encode(), decoder, limit, mask_text)


#: Charsets in which ASCII is ASCII.
_CHARSETS: Final = {
    **dict.fromkeys(("utf-8", "utf8"), "utf-8-sig"),
    "us-ascii": "ascii",
    "iso-8859-1": "iso-8859-1",
    "windows-1252": "cp1252",
}


def _text_masker(plan: BodyPlan, media: str, tokens: Tokens | None) -> Callable[[str], str] | None:
    if media == "text/csv":
        return CSVMasker(plan.paths, unlabelled=plan.unlabelled, tokens=tokens).mask
    if media in _HL7:
        return HL7Masker(plan.paths).mask
    if media == "text/plain":
        return TextMasker(plan.paths, unlabelled=plan.unlabelled).mask
    return None


def _require_utf8(declared: bytes | None) -> None:
    if charset(declared) not in ("utf-8", "utf8", "us-ascii"):
        raise BodyRefused("body.charset", "The answer is not in UTF-8.")


def mask_message(plan: BodyPlan, data: bytes, tokens: Tokens | None) -> bytes:
    """What may be seen of a text that stands alone, as in a WebSocket: JSON, or words.

    :raises BodyRefused: it looks like JSON, and is none.
    """
    if data.lstrip(b" \t\r\n")[:1] in (b"{", b"["):
        masker = JSONMasker(plan.paths, unlabelled=plan.unlabelled, tokens=tokens)
        return masked(lambda one: documents.encode(masker.mask(documents.decode(one))), data)
    return TextMasker(plan.paths, unlabelled=plan.unlabelled).mask(data.decode()).encode()
