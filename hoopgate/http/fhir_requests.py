"""Requests to a FHIR server: interactions (R4 3.1, R5 3.2), searches, operations, batches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from hoopgate.events import ComparedTokens, Operation, OperationFacts
from hoopgate.http import documents, fhir_operations, fhir_patches, targets
from hoopgate.http.fhir_filling import Pages, filling
from hoopgate.http.fhir_operations import ANY, OF_JOBS, PAGE
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
from hoopgate.phi import fhir_search
from hoopgate.phi.fhir_search import kinds_of
from hoopgate.phi.fhir_tokens import TokenSearch, token_search
from hoopgate.phi.fhir_types import is_resource

ENTRIES: Final = 500

#: What makes a server send data where somebody says, or search and check it as somebody says: a
#: parameter of one's own over names is asked for like any other.
_SINKS: Final = frozenset(
    {
        *("Subscription", "SubscriptionTopic", "Endpoint", "SubscriptionStatus"),
        *("SearchParameter", "StructureDefinition", "OperationDefinition", "CompartmentDefinition"),
    }
)
_FLAGS: Final = {
    "phi.opaque": "opaque",
    "phi.sink": "sink",
    "phi.predicate": "phi_predicate",
    "phi.bulk": "bulk",
}
_JSON_FORMATS: Final = frozenset(
    {"json", "application/json", "application/fhir+json", "application/fhir json", "text/json"}
)
_FORM: Final = "application/x-www-form-urlencoded"
_NDJSON: Final = b"application/fhir+json, application/fhir+ndjson;q=0.9"
_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")
_EXPORT: Final = re.compile(r"(?i).*(export|bulk|ndjson)")
#: What a history may be sorted by (R4 3.1.0.11).
_OF_HISTORY: Final = frozenset({"_lastUpdated", "-_lastUpdated", "none"})
_REDACTED: Final = re.compile(
    r".*\[(NAME|TEXT|ADDRESS|TELECOM|IDENTIFIER|NARRATIVE|ATTACHMENT|REDACTED|UNLABELLED)\]",
    re.DOTALL,
)


def inquire(head: RequestHead, target: Target, body: bytes | None) -> Inquiry:
    """Understand a request; see :func:`hoopgate.http.requests.inquire`."""
    target = _json_only(target)
    media = media_type(head.get(b"content-type"))
    parameters = target.parameters
    form: Pairs | None = None
    document: Any = None
    if body:
        require_utf8(head)
        if media == _FORM:
            form = _json_only(Target((), targets.parse_query(_ascii(body)))).parameters
            parameters += form
        elif is_json(media):
            document = documents.strict(body)
        else:
            raise Malformed(415, "type", "a body must be JSON or a form")
    segments = tuple(one for one in target.segments if one)
    searches: tuple[TokenSearch, ...] = ()
    if head.method == "POST" and not segments:
        facts = tuple(_batch(head, document))
    else:
        exists = (head.get(b"if-none-exist") or b"").decode("ascii")
        found = _Interaction(
            head.method, segments, parameters, document, media, exists, single=True
        )
        facts = (found.facts(head, Target(target.segments, parameters), document),)
        searches = tuple(found.searches)
    operation = Operation(canonical(head, target, body), facts, waits=False)
    filled = filling(target, form, searches)
    shown = Pages(parameters, searches)
    return Inquiry(operation, target, _NDJSON, "fhir", filled=filled, pages=shown)


class _Interaction:
    """One interaction, also as an entry of a batch."""

    def __init__(
        self,
        method: str,
        segments: tuple[str, ...],
        parameters: Pairs,
        document: Any,
        media: str = "",
        exists: str = "",
        *,
        single: bool = False,
    ) -> None:
        self.method = method
        self.parameters = parameters
        self.kinds: set[str] = set()
        self.functions: tuple[str, ...] = ()
        self.flags: set[str] = set()
        self.reasons: list[str] = []
        self.searches: list[TokenSearch] = []
        self.compared: frozenset[str] = frozenset()
        self._single = single
        self.template = "/" + "/".join(segments)
        self.name = self._read(segments) if method in ("GET", "HEAD") else ""
        if not self.name:
            self.name = self._write(segments, document, media)
        if exists:
            self._search(next(iter(self.kinds), ""), targets.parse_query(exists))
            self.parameters += targets.parse_query(exists)
            self.flags.add("conditional")
        if isinstance(document, dict | list):
            self._inspect(document)

    def facts(self, head: RequestHead, target: Target, document: Any) -> OperationFacts:
        """What rules see."""
        leaves = documents.leaves(document) if document is not None else ()
        return OperationFacts(
            frozenset({self.name}),
            relations=tuple(sorted(self.kinds)),
            functions=self.functions,
            flags=frozenset(self.flags),
            attributes=attributes(
                head,
                target,
                parameters=self.parameters,
                body=leaves,
                template=self.template,
                method=self.method,
            ),
            phi=self._reason(),
            tokens=tuple(
                ComparedTokens(
                    one.parts[0][1].kind, tuple(str(token) for _, token in one.parts), one.places
                )
                for one in self.searches
            ),
            compared=self.compared,
        )

    def _reason(self) -> str:
        """The reason that weighs most: what a person may let through decides last."""
        order = ("phi.opaque", "phi.sink", "phi.redacted", "phi.predicate", "phi.bulk")
        return next((one for one in order if one in self.reasons), "")

    def _say(self, reason: str, flag: str) -> None:
        self.reasons.append(reason)
        self.flags.add(flag)

    # --- reads ------------------------------------------------------------------------------------

    def _read(self, segments: tuple[str, ...]) -> str:
        match segments:
            case ():
                self._search("", self.parameters)
                return "fhir.search"
            case ("metadata",) | (".well-known", *_):
                return "fhir.capabilities"
            case ("_history",):
                self.kinds.add(ANY)
                return self._history()
            case (kind,) if is_resource(kind):
                self._of(kind, kind)
                self._search(kind, self.parameters, tokens=True)
                return "fhir.search"
            case (kind, "_history") if is_resource(kind):
                self._of(kind, kind, "_history")
                return self._history()
            case (kind, one) if is_resource(kind) and _ID.fullmatch(one):
                self._of(kind, kind, "{id}")
                self._plain()
                return "fhir.read"
            case (kind, one, "_history") if is_resource(kind) and _ID.fullmatch(one):
                self._of(kind, kind, "{id}", "_history")
                return self._history()
            case (kind, one, "_history", version) if (
                is_resource(kind) and _ID.fullmatch(one) and _ID.fullmatch(version)
            ):
                self._of(kind, kind, "{id}", "_history", "{id}")
                self._plain()
                return "fhir.read"
            case (kind, one, other) if (
                is_resource(kind) and _ID.fullmatch(one) and (is_resource(other) or other == "*")
            ):
                self._of(kind, kind, "{id}", other)
                if other == "*":
                    self._say("phi.bulk", "bulk")
                self.kinds.add(other)
                self._search("" if other == "*" else other, self.parameters)
                return "fhir.search"
            case _:
                return ""

    def _of(self, kind: str, *template: str) -> None:
        self.kinds.add(kind)
        self.template = "/" + "/".join(template)

    def _history(self) -> str:
        self._plain()
        return "fhir.history"

    def _plain(self) -> None:
        """Only parameters of the answer belong here."""
        for name, value in self.parameters:
            if name not in ("_pretty", "_summary", "_elements", "_since", "_at", "_count", "_sort"):
                self._say("phi.opaque", "opaque")
            if name == "_sort" and value not in _OF_HISTORY:
                self._say("phi.predicate", "phi_predicate")
        self._bounded()

    def _search(self, kind: str, parameters: Pairs, *, tokens: bool = False) -> None:
        for name, value in parameters:
            found = token_search(kind, name, value) if tokens and self._single else None
            if found is not None:
                self.searches.append(found)
                continue
            asked = fhir_search.search(kind, name, value)
            self.compared |= asked.places
            if asked.reason == fhir_search.PREDICATE:
                self._say(asked.reason, "phi_predicate")
            elif asked.reason:
                self._say(asked.reason, "opaque")
            self.kinds |= kinds_of(kind, name, value)
        if not kind and not any(name == "_type" for name, _ in parameters):
            self.kinds.add(ANY)
        self._bounded()

    def _bounded(self) -> None:
        for name, value in self.parameters:
            if name == "_count" and fhir_operations.number(value) > PAGE:
                self._say("phi.bulk", "bulk")

    # --- the rest ---------------------------------------------------------------------------------

    def _write(self, segments: tuple[str, ...], document: Any, media: str) -> str:
        operation = next((one for one in segments if one.startswith("$")), "")
        if operation:
            return self._operation(segments, operation, document)
        method = self.method
        match segments:
            case ("_search",) if method == "POST":
                self._search("", self.parameters)
                return "fhir.search"
            case (kind, "_search") if method == "POST" and is_resource(kind):
                self._of(kind, kind, "_search")
                self._search(kind, self.parameters, tokens=True)
                return "fhir.search"
            case (kind, one, other, "_search") if (
                method == "POST" and is_resource(kind) and is_resource(other)
            ):
                self._of(kind, kind, "{id}", other, "_search")
                self.kinds.add(other)
                self._search(other, self.parameters)
                return "fhir.search"
            case (kind,) if is_resource(kind) and method in ("POST", "PUT", "PATCH", "DELETE"):
                self._of(kind, kind)
                if method != "POST":
                    self.flags.add("conditional")
                self._search(kind, self.parameters)
                return self._change(kind, document, media)
            case (kind, one) if (
                is_resource(kind) and _ID.fullmatch(one) and method in ("PUT", "PATCH", "DELETE")
            ):
                self._of(kind, kind, "{id}")
                self._plain()
                return self._change(kind, document, media)
            case _ if method == "OPTIONS":
                return "fhir.capabilities"
            case _ if _EXPORT.match("/".join(segments)) and method in ("GET", "HEAD", "DELETE"):
                if segments[-1].endswith(".ndjson"):
                    self._say("phi.bulk", "bulk")
                elif any(name not in OF_JOBS for name, _ in self.parameters):
                    self._say("phi.opaque", "opaque")
                return "fhir.export"
            case _:
                self._say("phi.opaque", "opaque")
                return "fhir.operation"

    def _operation(self, segments: tuple[str, ...], operation: str, document: Any) -> str:
        kinds = [one for one in segments if is_resource(one)]
        self.functions = (operation,)
        self.template = "/" + "/".join(
            one if one in kinds or one.startswith(("$", "_")) else "{id}" for one in segments
        )
        said = tuple(fhir_operations.given(document))
        self.parameters += tuple((name, value or "") for name, value in said)
        self.kinds |= {*kinds, *fhir_operations.kinds_of(operation, self.parameters, kinds)}
        for reason in fhir_operations.reasons(segments, operation, self.parameters, document):
            self._say(reason, _FLAGS[reason])
        if operation == "$lastn":
            if any(value is None for _, value in said) or (document is not None and not said):
                self._say("phi.opaque", "opaque")
            parameters = tuple(pair for pair in self.parameters if pair[0] != "max")
            self._search(kinds[0] if kinds else "", parameters)
        exports = operation in ("$export", "$export-poll-status") and segments[-1] == operation
        return "fhir.export" if exports else "fhir.operation"

    def _change(self, kind: str, document: Any, media: str) -> str:
        if kind in _SINKS:
            self._say("phi.sink", "sink")
        if self.method == "DELETE":
            return "fhir.delete"
        if self.method == "PATCH":
            self._patch(kind, document, media)
            return "fhir.patch"
        if not isinstance(document, dict) or document.get("resourceType") != kind:
            raise Malformed(400, "resource", "the body is not a resource of the path's type")
        return "fhir.create" if self.method == "POST" else "fhir.update"

    def _patch(self, kind: str, document: Any, media: str) -> None:
        """JSON Patch; FHIRPath Patch is not understood."""
        if isinstance(document, list) and media in ("application/json-patch+json", ""):
            for reason in fhir_patches.reasons(kind, document):
                flag = "sink" if reason == fhir_patches.SINK else "phi_predicate"
                self._say(reason, flag)
        else:
            self._say("phi.opaque", "opaque")

    def _inspect(self, document: Any) -> None:
        """Values that were masked, and references that are searches."""
        for pointer, value in documents.leaves(document):
            if "[" in value and _REDACTED.match(value):
                self._say("phi.redacted", "redacted")
            if "?" in value and pointer.endswith("/reference"):
                self._say("phi.predicate", "phi_predicate")
            if pointer.endswith("/resourceType") and value in _SINKS:
                self._say("phi.sink", "sink")


def _batch(head: RequestHead, document: Any) -> Iterator[OperationFacts]:
    """A batch or transaction: itself, then its entries in order."""
    entries = document.get("entry", []) if isinstance(document, dict) else None
    if (
        not isinstance(document, dict)
        or document.get("resourceType") != "Bundle"
        or document.get("type") not in ("batch", "transaction")
        or not isinstance(entries, list)
        or len(entries) > ENTRIES
    ):
        raise Malformed(400, "bundle", "the body is no batch or transaction, or too long")
    yield OperationFacts(
        frozenset({"fhir.batch"}),
        attributes=attributes(head, Target(("",)), template="/"),
    )
    for entry in entries:
        request = entry.get("request") if isinstance(entry, dict) else None
        if not isinstance(request, dict):
            raise Malformed(400, "bundle", "an entry without a request")
        yield _entry(head, entry, request)


def _entry(head: RequestHead, entry: dict[str, Any], request: dict[str, Any]) -> OperationFacts:
    method, url = request.get("method"), request.get("url")
    exists = request.get("ifNoneExist", "")
    if not (isinstance(method, str) and isinstance(url, str) and isinstance(exists, str)):
        raise Malformed(400, "bundle", "an entry's request is malformed")
    if method not in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE") or not url.isascii():
        raise Malformed(400, "bundle", "an entry's request is malformed")
    if url.startswith("/") or " " in url or ":" in url.partition("?")[0]:
        raise Malformed(400, "bundle", "an entry's URL must be relative")
    target = targets.parse(b"/" + url.encode("ascii"))
    segments = tuple(one for one in target.segments if one)
    if method == "POST" and not segments:
        raise Malformed(400, "bundle", "a batch within a batch")
    document = entry.get("resource")
    found = _Interaction(method, segments, _json_only(target).parameters, document, "", exists)
    return found.facts(head, target, document)


def _json_only(target: Target) -> Target:
    """Without ``_format``, which asks for JSON at the most."""
    for name, value in target.parameters:
        if name == "_format" and value.partition(";")[0].strip().lower() not in _JSON_FORMATS:
            raise Malformed(406, "format", "only JSON can be masked")
    kept = tuple(pair for pair in target.parameters if pair[0] != "_format")
    return Target(target.segments, kept)


def _ascii(body: bytes) -> str:
    try:
        return body.decode("ascii")
    except UnicodeDecodeError:
        raise Malformed(400, "form", "a form that is not ASCII") from None
