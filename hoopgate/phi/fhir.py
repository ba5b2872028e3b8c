"""FHIR resources (R4 and R5, JSON) without what identifies patients.

The specification says of every element what type it has (``data/fhir_types.json``, made by
``tools/fhir-tables``), and the type says what becomes of it: codes, numbers and links between
resources stay; text, names, addresses, identifiers, attachments and narrative become constants; of
dates the year stays. What the specification does not know is left out. The data dictionary may say
otherwise of single elements.

Lists of text are shortened to one constant, and names, addresses and the like always have the same
parts: how many given names somebody has would tell, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from hoopgate.phi import fhir_ages
from hoopgate.phi.documents import DEPTH, Places, Tokens, Unreadable, replacement
from hoopgate.phi.fhir_links import RELATIONS, Link, address_of
from hoopgate.phi.fhir_places import NONE, below, mask_of, roots, within
from hoopgate.phi.fhir_scalars import BIRTHS, DROP, ID, WORD, scalar
from hoopgate.phi.fhir_types import DEFINITIONS, NOTHING, TEXT, Element, is_resource, types
from hoopgate.phi.safe_harbor import OLDEST_AGE
from hoopgate.plans import Method, PathMask

_DIV: Final = '<div xmlns="http://www.w3.org/1999/xhtml">[NARRATIVE]</div>'

#: Numbers that say where or who, whatever their type.
_HIDDEN: Final = frozenset({("Location", "position"), ("Attachment", "size")})
#: Unique identifiers (of DICOM studies, or of anything) are ids by their type, and nobody's links.
_UID: Final = re.compile(r"uid|\w+Uid|value(Id|Oid|Uuid)")
#: In an extension only what a type alone makes harmless: its number may be an account's.
_EXTENDING: Final = frozenset(
    {
        *("boolean", "code", "date", "dateTime", "instant", "string", "markdown", "base64Binary"),
        *("Coding", "CodeableConcept", "HumanName", "Address", "ContactPoint", "Identifier"),
        *("Attachment", "Annotation", "Reference", "Period", "Age"),
    }
)
#: Answers to questions that are anybody's: likewise, but for what has been measured.
_ANYTHING: Final = frozenset({"QuestionnaireResponseItemAnswer", "TaskInput", "TaskOutput"})
#: Types with constants in a fixed form, in which single elements may be shown otherwise.
_FORMS: Final = frozenset({"HumanName", "Address", "ContactPoint", "Identifier"})
_TYPED: Final = re.compile(r"[A-Za-z][A-Za-z0-9_$-]{0,63}")
_ETAG: Final = re.compile(r'W/"[A-Za-z0-9.-]{1,64}"')
_STATUS: Final = re.compile(r"([1-5][0-9]{2})\b.*", re.DOTALL)
_QUANTITIES: Final = ("Age", "Quantity", "SimpleQuantity", "Duration")
#: HL7 confidentiality: restricted, very restricted.
_RESTRICTED: Final = frozenset({"R", "V"})


class FHIRMasker:
    """Masks resources.

    :param masks: what the data dictionary says: ``Patient.name``, ``CodeableConcept.text``.
    :param link: rewrites URLs of the server.
    :param year: the present one; births more than 90 years ago are shown as 90 years ago.
    :param page: rewrites links of a bundle; None: as ``link``.
    :param tokens: makes the tokens of what comes as tokens; None: constants.
    """

    def __init__(
        self,
        masks: Sequence[PathMask],
        link: Link,
        year: int,
        page: Link | None = None,
        tokens: Tokens | None = None,
    ) -> None:
        self._types = types()
        self._link = link
        self._page = page or (lambda url: address_of(url, link))
        self._tokens = tokens
        self._oldest = year - OLDEST_AGE
        self._tables: dict[tuple[str, ...], dict[str, tuple[Element, str]]] = {}
        self._roots = roots(masks)
        self._special: dict[str, Callable[[dict[str, Any]], Any]] = {
            "HumanName": self._name,
            "Address": self._address,
            "ContactPoint": self._telecom,
            "Identifier": self._identifier,
            "Attachment": self._attachment,
            "Annotation": self._annotation,
            "Narrative": lambda _: {"status": "empty", "div": _DIV},
            "Signature": lambda _: DROP,
            "Extension": self._extension,
            "FHIRPrimitiveExtension": self._primitive,
            "Reference": self._reference,
            **{kind: self._time(kind) for kind in _QUANTITIES},
            "BundleEntry": self._entry,
            "BundleEntryResponse": self._response,
            "BundleEntryRequest": self._request,
            "BundleLink": self._bundle_link,
            "ParametersParameter": self._parameter,
        }

    def mask(self, resource: Any) -> Any:
        """A resource as the client may see it.

        :raises Unreadable: it is none that is known, or nested too deeply.
        """
        try:
            return self._resource(resource, top=True)
        except RecursionError:
            raise Unreadable("the resource is nested too deeply") from None
        except (TypeError, ValueError, KeyError, AttributeError):
            # An element of another shape than its type has: what it holds is not known.
            raise Unreadable("the resource is not formed as its type says") from None

    # --- by type ----------------------------------------------------------------------------------

    def _resource(self, value: Any, *, top: bool = False) -> Any:
        kind = value.get("resourceType") if isinstance(value, dict) else None
        if not is_resource(kind):
            raise Unreadable("the content is no FHIR resource that is known")
        assert isinstance(kind, str)
        if top and kind in DEFINITIONS:
            return self._definition(value)
        found: dict[str, Any] = {"resourceType": kind}
        own = value.get("id")
        if isinstance(own, str) and ID.fullmatch(own):
            found["id"] = own
        if _restricted(value):
            security = {"security": [{"system": _CONFIDENTIALITY, "code": "R"}]}
            return {**found, "meta": security}
        rest = {name: item for name, item in value.items() if name not in ("resourceType", "id")}
        found.update(self._members(rest, (kind,), None, 0))
        if kind == "OperationOutcome":
            _without_words(found)
        if kind == "Observation":
            fhir_ages.shorten(found)
        if kind == "Bundle" and isinstance(found.get("link"), list):
            found["link"] = [link for link in found["link"] if "url" in link]
        return found

    def _definition(self, value: dict[str, Any]) -> dict[str, Any]:
        """A definition as it is, but for what could be anything, however deep within."""
        kind = value["resourceType"]
        return {"resourceType": kind, **self._defining(value, (kind,), 0)}

    def _defining(self, value: Any, kinds: tuple[str, ...], depth: int) -> Any:
        if depth > DEPTH:
            raise Unreadable("the resource is nested too deeply")
        if isinstance(value, list):
            return [self._defining(item, kinds, depth + 1) for item in value]
        if not isinstance(value, dict):
            return value
        if "Reference" in kinds:
            return self._reference(value)
        table = self._table(kinds)
        apart = ("contained", "extension", "modifierExtension")
        found = {
            name: self._defining(item, table[name][0].kinds, depth + 1)
            for name, item in value.items()
            if name in table and name not in apart and _fits(item, table[name][0])
        }
        if isinstance(value.get("id"), str):
            found["id"] = value["id"]
        rest = {name: item for name, item in value.items() if name in apart or name[:1] == "_"}
        return {**found, **self._members(rest, kinds, None, depth)} if rest else found

    def _members(
        self,
        value: dict[str, Any],
        kinds: tuple[str, ...],
        places: list[Places] | None,
        depth: int,
    ) -> dict[str, Any]:
        if depth > DEPTH:
            raise Unreadable("the resource is nested too deeply")
        if self._roots:
            places = within(places or NONE, kinds, self._roots) or None
        table = self._table(kinds)
        found: dict[str, Any] = {}
        for name, item in value.items():
            said_below = below(places, name) if places else None
            mask = mask_of(said_below) if said_below else None
            if mask is not None:
                masked = self._labelled(item, mask)
            elif name in ("extension", "modifierExtension"):
                masked = self._extensions(item)
            elif name.startswith("_"):
                # When somebody was born is also in its extensions.
                birth = any((kind, name[1:]) in BIRTHS for kind in kinds)
                said = table.get(name[1:])
                if birth or said is None:
                    continue
                masked = self._each(item, self._primitive)
                if said[0].scalar == TEXT and isinstance(masked, list):
                    # Of a list of texts one is shown.
                    masked = [one for one in masked if one is not None][:1] or DROP
            else:
                said = table.get(name)
                if said is None:
                    continue
                masked = self._value(item, said[0], said[1], name, said_below, depth)
            if masked is not DROP:
                found[name] = masked
        return found

    def _overlaid(
        self, shown: dict[str, Any], value: dict[str, Any], kind: str, places: list[Places]
    ) -> dict[str, Any]:
        """``shown``, the constants of a type, with those elements that something is said of."""
        for name, item in value.items():
            said = below(places, name)
            mask = mask_of(said)
            if mask is not None:
                masked = self._labelled(item, mask)
            elif said and name in shown and name in self._types[kind]:
                masked = self._value(item, self._types[kind][name], kind, name, said, 0)
            else:
                continue
            if masked is not DROP:
                shown[name] = masked
            else:
                shown.pop(name, None)
        return shown

    def _labelled(self, value: Any, mask: PathMask) -> Any:
        if mask.method is None:
            return value
        if isinstance(value, list):
            texts = [one for one in value if isinstance(one, str)]
            if mask.method is Method.TOKEN and self._tokens is not None:
                return [replacement(one, mask, self._tokens) for one in texts] or DROP
            return [replacement("", mask)] if value and isinstance(value[0], str) else DROP
        return replacement(value, mask, self._tokens) if isinstance(value, str) else DROP

    def _table(self, kinds: tuple[str, ...]) -> dict[str, tuple[Element, str]]:
        """Element → what is said of it and of which type it is; where types disagree, the first."""
        found = self._tables.get(kinds)
        if found is None:
            found = self._tables[kinds] = {
                name: (element, kind)
                for kind in reversed(kinds)
                for name, element in self._types.get(kind, {}).items()
                if (kind, name) not in _HIDDEN
                and not _UID.fullmatch(name)
                and not (kind in _ANYTHING and name.startswith("value") and not _measured(name))
            }
        return found

    def _value(
        self,
        value: Any,
        element: Element,
        kind: str,
        name: str,
        places: list[Places] | None,
        depth: int,
    ) -> Any:
        if isinstance(value, str):
            return scalar(value, element.scalar, kind, name, self._oldest)
        if isinstance(value, dict):
            kinds = element.kinds
            if not kinds:
                return DROP
            if element.resource or "resourceType" in value:
                return self._resource(value)
            said = places is not None and any(place.keys for place in places)
            for one in kinds:
                special = self._special.get(one)
                if special is not None and one in _FORMS:
                    shown = special(value)
                    own = within(places or NONE, (one,), self._roots)
                    return self._overlaid(shown, value, one, own) if own else shown
                if special is not None and not said:
                    return special(value)
            return self._members(value, kinds, places, depth + 1)
        if isinstance(value, list):
            items = [
                DROP
                if isinstance(item, list)
                else self._value(item, element, kind, name, places, depth)
                for item in value
            ]
            items = [item for item in items if item is not DROP]
            if element.scalar == TEXT and any(isinstance(one, str) for one in items):
                items = next([one] for one in items if isinstance(one, str))
            return items if items or not value else DROP
        if value is None:
            return None  # in a list, beside its extension
        return scalar(value, element.scalar, kind, name, self._oldest)

    def _extensions(self, value: Any) -> Any:
        items = [self._extension(one) for one in value if isinstance(one, dict)]
        items = [item for item in items if len(item) > 1]  # more than its URL
        return items or DROP

    def _each(self, value: Any, mask: Callable[[dict[str, Any]], Any]) -> Any:
        if isinstance(value, list):
            items = [mask(item) if isinstance(item, dict) else None for item in value]
            return [None if item is DROP else item for item in items]
        return mask(value) if isinstance(value, dict) else DROP

    def _plain(self, value: dict[str, Any], kind: str, *names: str) -> dict[str, Any]:
        """Those of an object's members that are masked by their types."""
        return self._members({name: value[name] for name in names if name in value}, (kind,), [], 0)

    # --- types that identify ----------------------------------------------------------------------

    def _name(self, value: dict[str, Any]) -> Any:
        shown = {"text": "[NAME]", "family": "[NAME]", "given": ["[NAME]"]}
        return {**self._plain(value, "HumanName", "use"), **shown}

    def _address(self, value: dict[str, Any]) -> Any:
        found = self._plain(value, "Address", "use", "type")
        return {**found, "text": "[ADDRESS]", "line": ["[ADDRESS]"], "city": "[ADDRESS]"}

    def _telecom(self, value: dict[str, Any]) -> Any:
        found = self._plain(value, "ContactPoint", "system", "use", "rank")
        return {**found, "value": "[TELECOM]"}

    def _identifier(self, value: dict[str, Any]) -> Any:
        found = self._plain(value, "Identifier", "use", "type", "system")
        return {**found, "value": "[IDENTIFIER]"}

    def _attachment(self, value: dict[str, Any]) -> Any:
        return {**self._plain(value, "Attachment", "contentType"), "title": "[ATTACHMENT]"}

    def _annotation(self, value: dict[str, Any]) -> Any:
        return {**self._plain(value, "Annotation", "authorReference", "time"), "text": "[TEXT]"}

    def _extension(self, value: dict[str, Any]) -> Any:
        kept = {}
        for name, item in value.items():
            element = self._types["Extension"].get(name)
            if name in ("url", "extension"):
                kept[name] = item
            elif name.startswith("value") and element is not None:
                codes = {name[5:], name[5:6].lower() + name[6:]}
                if codes & _EXTENDING:
                    kept[name] = item
        url = kept.pop("url", None)
        found = self._members(kept, ("Extension",), None, 0)
        if isinstance(url, str) and len(url) <= 2048 and WORD.fullmatch(url):
            found["url"] = url
        return found

    def _primitive(self, value: dict[str, Any]) -> Any:
        found = self._members(
            {name: item for name, item in value.items() if name == "extension"}, ("Element",), [], 0
        )
        return found or DROP

    def _reference(self, value: dict[str, Any]) -> Any:
        found = self._plain(value, "Reference", "type", "identifier")
        target = value.get("reference")
        if isinstance(target, str):
            shown = address_of(target, self._link)
            if shown is not None:
                found["reference"] = shown
        if "display" in value or not found:
            found["display"] = "[TEXT]"
        return found

    def _time(self, kind: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """Masks quantities of a type: a time as long as the highest ages is an age (45 CFR
        164.514(b)(2)(i)(C))."""

        def masked(value: dict[str, Any]) -> dict[str, Any]:
            found = self._members(value, (kind,), None, 0)
            most = fhir_ages.limit(value.get("code"), value.get("unit"))
            if most is None and kind == "Age":
                most = OLDEST_AGE  # of whatever it may be
            if most is not None:
                fhir_ages.cap(found, "value", most)
            return found

        return masked

    # --- Bundle and Parameters --------------------------------------------------------------------

    def _entry(self, value: dict[str, Any]) -> Any:
        url = value.get("fullUrl")
        rest = {name: item for name, item in value.items() if name != "fullUrl"}
        found = self._members(rest, ("BundleEntry",), None, 0)
        shown = address_of(url, self._link) if isinstance(url, str) else None
        return found if shown is None else {"fullUrl": shown, **found}

    def _bundle_link(self, value: dict[str, Any]) -> Any:
        url, relation = value.get("url"), value.get("relation")
        shown = self._page(url) if isinstance(url, str) else None
        if shown is None or relation not in RELATIONS:
            return {}
        return {"relation": relation, "url": shown}

    def _response(self, value: dict[str, Any]) -> Any:
        found = self._plain(value, "BundleEntryResponse", "lastModified", "outcome")
        status, location, etag = (value.get(name) for name in ("status", "location", "etag"))
        match = _STATUS.fullmatch(status) if isinstance(status, str) else None
        if match is not None:
            found["status"] = match[1]
        shown = address_of(location, self._link) if isinstance(location, str) else None
        if shown is not None:
            found["location"] = shown
        if isinstance(etag, str) and _ETAG.fullmatch(etag):
            found["etag"] = etag
        return found

    def _request(self, value: dict[str, Any]) -> Any:
        found = self._plain(value, "BundleEntryRequest", "method")
        url = value.get("url")
        shown = address_of(url, self._link) if isinstance(url, str) else None
        return {**found, "url": shown or "[TEXT]"}

    def _parameter(self, value: dict[str, Any]) -> Any:
        name = value.get("name")
        rest = {one: item for one, item in value.items() if one != "name"}
        found = self._members(rest, ("ParametersParameter",), None, 0)
        good = isinstance(name, str) and _TYPED.fullmatch(name)
        return {"name": name if good else "[TEXT]", **found}


_CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


def _fits(value: Any, element: Element) -> bool:
    """Whether a value is an object where its element is one."""
    if isinstance(value, list):
        return all(_fits(one, element) for one in value)
    return isinstance(value, dict) or not element.kinds or element.scalar != NOTHING


def _measured(name: str) -> bool:
    return name in ("valueQuantity", "valueAge") or bool(
        {name[5:], name[5:6].lower() + name[6:]} & _EXTENDING
    )


def _without_words(outcome: dict[str, Any]) -> None:
    """An error's code has words of the server's own, and they may say what was wrong with whom."""
    for issue in outcome.get("issue", ()):
        for coding in issue.get("details", {}).get("coding", ()):
            coding.pop("display", None)


def _restricted(resource: dict[str, Any]) -> bool:
    """A security label of a resource can only make it stricter."""
    meta = resource.get("meta")
    security = meta.get("security") if isinstance(meta, dict) else None
    return isinstance(security, list) and any(
        isinstance(one, dict) and one.get("code") in _RESTRICTED for one in security
    )
