"""Leaves as events of the Open Cybersecurity Schema Framework (https://schema.ocsf.io), 1.5.0.

==========================  =====================================================================
leaf                        event class
==========================  =====================================================================
session.open, .close        3002 Authentication: Logon, Logoff
a request                   6005 Datastore Activity, 4007 SSH Activity or 4002 HTTP Activity, by
                            the session's protocol
everything else             0 Base Event: approvals, administration, key rotation, gaps, purges
==========================  =====================================================================

Answers alone, heartbeats and beginnings of segments are no events. Made of leaves only: no
statement, no value, nothing that a label could stand on.
"""

from __future__ import annotations

import re
from base64 import b64encode
from contextlib import suppress
from ipaddress import ip_address
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
from hoopgate.recorder.leaf import Leaf

SCHEMA: Final = "1.5.0"

Event = dict[str, Any]

_RELATIONAL = frozenset({"postgres", "mysql", "mariadb"})
_HTTP = frozenset({"http", "fhir", "mcp"})
#: class → name, category, its name
_CLASSES: dict[int, tuple[str, int, str]] = {
    0: ("Base Event", 0, "Uncategorized"),
    3002: ("Authentication", 3, "Identity & Access Management"),
    4002: ("HTTP Activity", 4, "Network Activity"),
    4007: ("SSH Activity", 4, "Network Activity"),
    6005: ("Datastore Activity", 6, "Application Activity"),
}
_SEVERITIES = {1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical"}
#: leaf type → severity, where it is more than informational
_GRAVE = {"gap.recovered": 4, "purge": 3, "replay.view": 2, "key.rotate": 2, "approval": 2}


def event_of(
    origin: str, leaf: Leaf, hashed: bytes, session: Session | None, version: str
) -> Event | None:
    """The event of a leaf, or None where it is none.

    :param hashed: the leaf's Merkle hash: by it the event is found in the log, and proven.
    :param version: of the hoopgate that makes the event.
    :param session: the leaf's session, None where it is not known or the leaf is the node's own.
    """
    kind = leaf["type"]
    if kind in QUIET or (kind == "chunk" and not is_request(leaf)):
        return None
    if kind in ("session.open", "session.close"):
        event = _logon(leaf, session)
    elif kind == "chunk":
        event = _request(leaf, session)
    else:
        event = _base(leaf)
    event["metadata"] = {
        "version": SCHEMA,
        "product": {"name": "hoopgate", "vendor_name": "hoopgate", "version": version},
        "uid": f"{origin}#{leaf['index']}",
        "log_name": origin,
        "sequence": leaf["index"],
        "event_code": kind,
        "correlation_uid": leaf["session"],
        "profiles": ["security_control"],
    }
    event["time"] = leaf["time"] // 1000
    event["unmapped"] = {
        **event.pop("unmapped", {}),
        "leaf": leaf["index"],
        "leaf_hash": b64encode(hashed).decode(),
    }
    found: Event = readable(event)
    return found


def _event(uid: int, activity: int, name: str, severity: int, good: bool) -> Event:
    title, category, category_name = _CLASSES[uid]
    return {
        "activity_id": activity,
        "activity_name": name,
        "category_uid": category,
        "category_name": category_name,
        "class_uid": uid,
        "class_name": title,
        "type_uid": uid * 100 + activity,
        "type_name": f"{title}: {name}",
        "severity_id": severity,
        "severity": _SEVERITIES[severity],
        "status_id": 1 if good else 2,
        "status": "Success" if good else "Failure",
    }


def _user(session: Session) -> dict[str, Any]:
    user: dict[str, Any] = {
        "name": session.text("subject"),
        "uid": f"{session.text('issuer')}#{session.text('subject')}",
        "type_id": 1,
        "type": "User",
    }
    if groups := session.names("groups"):
        user["groups"] = [{"name": name} for name in groups]
    return user


def _parties(event: Event, session: Session) -> None:
    actor: dict[str, Any] = {
        "user": _user(session),
        "session": {
            "uid": session.id,
            "issuer": session.text("issuer"),
            "created_time": session.start // 1000,
            "is_remote": True,
        },
    }
    if client := session.text("client"):
        actor["app_uid"] = client
    if owner := session.text("owner"):
        actor["invoked_by"] = owner
    event["actor"] = actor
    event["src_endpoint"] = endpoint(session.text("peer"))
    event["dst_endpoint"] = {"name": session.text("resource"), "svc_name": session.text("protocol")}


def endpoint(peer: str) -> dict[str, Any]:
    """``127.0.0.1:5`` or ``[::1]:5`` as an endpoint; anything else is its name."""
    host, _, port = peer.rpartition(":")
    if re.fullmatch("[0-9]{1,5}", port) and int(port) < 65536:
        address = host.removeprefix("[").removesuffix("]")
        with suppress(ValueError):
            ip_address(address)
            return {"ip": address, "port": int(port)}
    return {"name": peer or "unknown"}


def _logon(leaf: Leaf, session: Session | None) -> Event:
    opening = leaf["type"] == "session.open"
    crashed = leaf.get("reason") == "crash"
    event = _event(
        3002,
        1 if opening else 2,
        "Logon" if opening else "Logoff",
        3 if crashed else 1,
        not crashed,
    )
    event |= {"logon_type_id": 3, "logon_type": "Network", "is_remote": True}
    event |= {"auth_protocol_id": 4, "auth_protocol": "OpenID"}
    if session is None:
        event["user"] = {"name": "hoopgate", "type_id": 3, "type": "System"}
        event["service"] = {"name": "hoopgate"}
    else:
        event["user"] = _user(session)
        event["service"] = {"name": session.text("resource")}
        _parties(event, session)
    if not opening:
        event["status_detail"] = str(leaf.get("reason", ""))
    else:
        event["unmapped"] = {"rules": leaf.get("rules", "")}
    return event


def _request(leaf: Leaf, session: Session | None) -> Event:
    decisions = decisions_of(leaf)
    counts = verdicts_of(leaf)
    refused = "block" in counts
    protocol = session.text("protocol") if session is not None else ""
    uid = 6005
    if protocol == "ssh":
        uid = 4007
    elif protocol in _HTTP:
        uid = 4002
    activity = {4007: (6, "Traffic"), 4002: (99, "Request"), 6005: (4, "Query")}[uid]
    if refused and uid == 4007:
        activity = (5, "Refuse")
    event = _event(uid, *activity, 2 if refused else 1, not refused)
    if session is not None:
        _parties(event, session)
    else:
        event["actor"] = {"session": {"uid": leaf["session"]}}
        event["src_endpoint"] = {"name": "unknown"}
        event["dst_endpoint"] = {"name": "unknown"}
    if uid == 6005:
        database = session.text("database") if session is not None else ""
        event["database"] = {
            "name": database or "unknown",
            "type_id": 1 if protocol in _RELATIONAL else 0,
            "type": "Relational" if protocol in _RELATIONAL else "Unknown",
        }
    if uid == 4002:
        event["http_request"] = {"uid": decisions[0][0] if decisions else str(leaf["index"])}
    if decisions:
        request, verdict, rule = decisions[0]
        event["action_id"] = 2 if verdict == "block" else 1
        event["action"] = "Denied" if verdict == "block" else "Allowed"
        event["disposition_id"], event["disposition"] = {
            "allow": (1, "Allowed"),
            "block": (2, "Blocked"),
            "mask": (11, "Corrected"),
            "hold": (14, "Delayed"),
        }.get(verdict, (0, "Unknown"))
        event["firewall_rule"] = {"name": rule, "uid": rule}
        event["status_code"] = verdict
        event["unmapped"] = {"request": request, "verdicts": counts}
    return event


def _base(leaf: Leaf) -> Event:
    kind = leaf["type"]
    event = _event(0, 99, kind, _GRAVE.get(kind, 1), True)
    event["message"] = kind
    event["unmapped"] = {"detail": detail_of(leaf)}
    return event
