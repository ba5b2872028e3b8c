"""Leaves as FHIR R4 AuditEvent resources (https://hl7.org/fhir/R4/auditevent.html).

Codes are of DICOM PS3.16 CID 400 ff. and of FHIR's own audit code systems. Made of leaves only: a
leaf holds neither the patient nor the FHIR interaction, so that the profiles of IHE BALP, which ask
for both, are not claimed.
"""

from __future__ import annotations

import uuid
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hoopgate.evidence.facts import (
    QUIET,
    Session,
    decisions_of,
    detail_of,
    is_request,
    readable,
    verdicts_of,
)
from hoopgate.evidence.ocsf import endpoint
from hoopgate.recorder.leaf import Leaf, encode

Resource = dict[str, Any]

DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_SOURCE: Final = "http://terminology.hl7.org/CodeSystem/security-source-type"
_OBJECT: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE: Final = "http://terminology.hl7.org/CodeSystem/object-role"
_OWN: Final = "urn:hoopgate:leaf"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: leaf type → DICOM code of the event and its meaning
_TYPES: dict[str, tuple[str, str]] = {
    "session.open": ("110114", "User Authentication"),
    "session.close": ("110114", "User Authentication"),
    "chunk": ("110112", "Query"),
    "epoch.start": ("110100", "Application Activity"),
    "replay.view": ("110101", "Audit Log Used"),
    # PS3.16 has no code for a destroyed recording but that for any use of the log.
    "purge": ("110101", "Audit Log Used"),
    "gap.recovered": ("110113", "Security Alert"),
}
_OTHER = ("110100", "Application Activity")
_SUBTYPES = {
    "session.open": ("110122", "Login"),
    "session.close": ("110123", "Logout"),
    "epoch.start": ("110120", "Application Start"),
    "admin": ("110131", "Security Configuration"),
    "key.rotate": ("110131", "Security Configuration"),
}


def instant(microseconds: int) -> str:
    """A FHIR instant, UTC, to the microsecond."""
    try:
        when = _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        when = _EPOCH
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _coding(system: str, code: str, display: str) -> dict[str, str]:
    return {"system": system, "code": code, "display": display}


def audit_event(origin: str, leaf: Leaf, hashed: bytes, session: Session | None) -> Resource | None:
    """The AuditEvent of a leaf, or None where it is none. See :func:`ocsf.event_of`."""
    kind = leaf["type"]
    if kind in QUIET or (kind == "chunk" and not is_request(leaf)):
        return None
    outcome, why = _outcome(leaf)
    event: Resource = {
        "resourceType": "AuditEvent",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{origin}#{leaf['index']}")),
        "type": _coding(DCM, *_TYPES.get(kind, _OTHER)),
        "subtype": [_subtype(kind)],
        "action": "E",
        "recorded": instant(leaf["time"]),
        "outcome": outcome,
        "agent": _agents(session),
        "source": {
            "site": origin,
            "observer": {"display": "hoopgate"},
            "type": [_coding(_SOURCE, "4", "Application Server")],
        },
        "entity": _entities(origin, leaf, hashed, session),
    }
    if why:
        event["outcomeDesc"] = why
    # No text is empty or nothing but white space (R4 2.24.0.1).
    found: Resource = readable(event, blank="unknown")
    return found


def _uri(text: str) -> str:
    return "".join("%20" if c.isspace() else c for c in text)


def _subtype(kind: str) -> dict[str, str]:
    if kind in _SUBTYPES:
        return _coding(DCM, *_SUBTYPES[kind])
    return _coding(_OWN, kind, kind)


def _outcome(leaf: Leaf) -> tuple[str, str]:
    """Of value set audit-event-outcome: 0 success, 4 minor failure, 8 serious failure."""
    if "block" in verdicts_of(leaf):
        return "4", "refused: " + ", ".join(
            sorted({rule for _, verdict, rule in decisions_of(leaf) if verdict == "block"})
        )
    if leaf["type"] == "gap.recovered" or leaf.get("reason") == "crash":
        return "8", str(leaf.get("reason", leaf["type"]))
    return "0", ""


def _agents(session: Session | None) -> list[dict[str, Any]]:
    if session is None:
        return [{"who": {"display": "hoopgate"}, "requestor": True}]
    who: dict[str, Any] = {
        "type": {"coding": [_coding(DCM, "110153", "Source Role ID")]},
        "who": _identity(session.text("issuer"), session.text("subject")),
        "requestor": True,
        "policy": [_uri(f"urn:hoopgate:rules:{session.text('rules')}")],
    }
    if groups := session.names("groups"):
        who["role"] = [{"text": name} for name in groups]
    if peer := session.text("peer"):
        place = endpoint(peer)
        who["network"] = {
            "address": place.get("ip") or place["name"],
            "type": "2" if "ip" in place else "5",
        }
    agents: list[dict[str, Any]] = [who]
    others = dict.fromkeys([session.text("owner"), *session.names("actors")])
    return agents + [
        {"who": _identity(session.text("issuer"), name), "requestor": False}
        for name in others
        if name and name != session.text("subject")
    ]


def _identity(issuer: str, subject: str) -> dict[str, Any]:
    identifier = {"value": subject or "unknown"}
    if issuer:
        identifier["system"] = _uri(issuer)
    return {"identifier": identifier, "display": subject or "unknown"}


def _entities(
    origin: str, leaf: Leaf, hashed: bytes, session: Session | None
) -> list[dict[str, Any]]:
    about: list[dict[str, str]] = [
        {"type": "leaf", "valueString": str(leaf["index"])},
        {"type": "leaf hash", "valueString": b64encode(hashed).decode()},
    ]
    for request, verdict, rule in decisions_of(leaf):
        about.append({"type": "decision", "valueString": f"{verdict} {rule} {request}"})
    if leaf["type"] == "session.close":
        about.append({"type": "reason", "valueString": str(leaf.get("reason", "")) or "none"})
    if detail := detail_of(leaf):
        about.append({"type": "detail", "valueString": encode(detail).decode()})
    entities: list[dict[str, Any]] = [
        {
            "what": {"identifier": {"system": f"urn:hoopgate:log:{origin}", "value": leaf["type"]}},
            "type": _coding(_OBJECT, "4", "Other"),
            "detail": about,
        }
    ]
    if session is not None:
        system: dict[str, Any] = {
            "what": {"identifier": {"system": "urn:hoopgate:session", "value": session.id}},
            "name": session.text("resource") or "unknown",
            "description": session.text("protocol") or "unknown",
            "type": _coding(_OBJECT, "2", "System Object"),
        }
        if leaf["type"] == "chunk":
            system["role"] = _coding(_ROLE, "24", "Query")
        entities.append(system)
    return entities
