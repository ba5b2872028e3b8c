"""Honest work on a hospital's warehouse, with the labels of a data dictionary: what is answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twin_judge import refusal
from twin_wire import query
from twin_world import World

HERE = Path(__file__).parent / "benign"
DATABASE = "hospital"

_SECRETS = {
    "NAME": "patients.first_name patients.last_name providers.name",
    "MRN": "patients.mrn",
    "SSN": "patients.ssn",
    "PHONE": "patients.phone providers.pager",
    "EMAIL": "patients.email",
    "ADDRESS": "patients.address",
    "ACCOUNT": "patients.insurance_no claim.policy_number",
    "NOTES": "notes.body labevents.comments",
    "DEVICE": "devices.serial",
    "RESOURCE": "orders_fhir.resource",
}
_QUASI = {
    "DOB": "patients.dob",
    "DATE": "patients.dod *.*time procedures.chartdate devices.implanted claim.submitted"
    " claim.paid",
    "ZIP": "patients.zip",
    "AGE": "patients.anchor_age",
    "PATIENT": "*.subject_id",
}


def labels() -> list[dict[str, Any]]:
    """The data dictionary."""
    found: list[dict[str, Any]] = [{"column": "public.*.*", "kind": "NONE", "level": "public"}]
    for kind, columns in _SECRETS.items():
        found += [{"column": f"public.{c}", "kind": kind} for c in columns.split()]
    for kind, columns in _QUASI.items():
        method = "redact" if kind == "PATIENT" else "generalise"
        found += [
            {"column": f"public.{c}", "kind": kind, "level": "quasi", "method": method}
            for c in columns.split()
        ]
    return [{"resource": DATABASE, **one} for one in found]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one query.

    :ivar outcome: ``untouched``, ``masked``, ``denied``, or ``broken``: the server refused it.
    """

    name: str
    outcome: str
    reason: str = ""


def queries_of(text: str) -> list[tuple[str, str]]:
    """Name and statement of each."""
    found = []
    for block in text.split("\n\n"):
        name, _, statement = block.strip().partition("\n")
        if statement and name.startswith("-- ") and not statement.startswith("--"):
            found.append((name.removeprefix("-- "), statement))
    return found


def answers(world: World) -> list[Answer]:
    """Every query through the gateway and straight to the server, rolled back."""
    gateway, server = world.client(DATABASE), world.direct(DATABASE)
    found = []
    texts = [(HERE / name).read_text() for name in ("queries.sql", "tools.sql")]
    for name, statement in queries_of("\n\n".join(texts)):
        both = []
        for client in (gateway, server):
            messages = []
            for text in ("BEGIN", statement, "ROLLBACK"):
                client.send(query(text).data)
                messages.append(client.answers(1))
            both.append(messages[1])
        reason = refusal(both[0])
        if reason:
            outcome = "denied"
        elif any(message[:1] == b"E" for message in both[1] + both[0]):
            outcome = "broken"
        else:
            outcome = "untouched" if both[0] == both[1] else "masked"
        found.append(Answer(name, outcome, reason))
    gateway.close()
    server.close()
    return found


def table(found: list[Answer]) -> str:
    """Per kind of work, then what was denied and why, then the share that was answered."""
    kinds: dict[str, Counter[str]] = {}
    for answer in found:
        kinds.setdefault(answer.name.partition(":")[0], Counter())[answer.outcome] += 1
    columns = ("untouched", "masked", "denied", "broken")
    lines = [f"{'work':<18}" + "".join(f"{c:>11}" for c in columns)]
    for kind, counts in kinds.items():
        lines.append(f"{kind:<18}" + "".join(f"{counts[c]:>11}" for c in columns))
    total = Counter(answer.outcome for answer in found)
    lines.append(f"{'all':<18}" + "".join(f"{total[c]:>11}" for c in columns))
    lines += [f"{a.outcome}: {a.name} ({a.reason})" for a in found if a.outcome in columns[2:]]
    lines.append(f"answered: {share(found):.1f} % of {len(found)}")
    return "\n".join(lines)


def share(found: list[Answer]) -> float:
    """Percent of the queries that were answered."""
    answered = sum(answer.outcome in ("untouched", "masked") for answer in found)
    return 100 * answered / len(found)
