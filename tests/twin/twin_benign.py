"""Honest work on warehouses and records, with the labels of data dictionaries: what is answered.

A model of data is three files: ``benign/NAME.schema.sql``, ``NAME.toml`` with its dictionary, and
``NAME.sql`` with what is asked of it.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twin_judge import refusal
from twin_wire import Client, query
from twin_world import World

from hoopgate.postgres import wire

HERE = Path(__file__).parent / "benign"
#: Each model is a database and a resource of its name.
MODELS: Final = ("hospital", "omop", "i2b2", "synthea", "tpch")
#: What one asks who does not think of labels: it is refused, and the refusal has to help.
MISTAKES: Final = "mistakes"
#: What is refused of the work on other models than the hospital's, and for what reason. Dates and
#: what is worked out of them are not kept under another label; nor is a temporary table, of which
#: the gateway's own connection knows nothing, told from a real one of its name.
NEEDED: Final = {
    "characterise: Achilles, persons by month of visit": "phi.write",
    "cohort: insert into the result table": "phi.write",
    "script: a result table for the team": "phi.write",
    "script: a materialised view, and anew": "phi.write",
    "pipeline: dbt incremental": "phi.write",
    "pipeline: dbt table by renaming": "phi.write",
    "pipeline: merge with delete": "phi.write",
    "script: a working table of an analyst": "phi.temporary",
    "querytool: its temporary tables": "phi.temporary",
    "pipeline: load by COPY and look": "phi.temporary",
    "pipeline: partitions of a mart": "phi.rows",
    "pipeline: Great Expectations, share of nulls of a secret": "phi.predicate",
    "tpch: Q22": "phi.predicate",
    "chart: a person as JSON": "phi.function",
    "tools: rows of patients as JSON": "phi.function",
    "tools: session settings": "statement.setting",
}


def labels(model: str) -> list[dict[str, Any]]:
    """The data dictionary, as the settings have it."""
    said = tomllib.loads((HERE / f"{model}.toml").read_text())
    found = [{"column": one, "kind": "NONE", "level": "public"} for one in said["open"]]
    schema = said.get("schema", "")
    for level in ("secret", "quasi"):
        for kind, columns in said[level].items():
            line = {"kind": kind, "level": level}
            if level == "quasi":
                line["method"] = "redact" if kind in said["redacted"]["kinds"] else "generalise"
            found += [{**line, "column": schema + column} for column in columns]
    return [{"resource": model, **one} for one in found]


def dictionaries(models: tuple[str, ...] = MODELS) -> dict[str, list[dict[str, Any]]]:
    """Of every model, its labels."""
    return {model: labels(model) for model in models}


@dataclass(frozen=True, slots=True)
class Work:
    """What is asked at once.

    :ivar model: of the data.
    :ivar name: the kind of work, a colon, and what it is.
    :ivar statements: one, or those of a script, which ends what it began.
    """

    model: str
    name: str
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it.

    :ivar outcome: ``untouched``, ``masked``, ``denied``, or ``broken``: the server refused it.
    :ivar reason: of the first refusal.
    :ivar told: what a person reads of it, and what a program does.
    """

    work: Work
    outcome: str
    reason: str = ""
    told: tuple[str, str] = ("", "")


def works(model: str, *files: str) -> list[Work]:
    """What the files ask of a model; without any, what its own asks."""
    found = []
    for name in files or _FILES.get(model, (model,)):
        for block in (HERE / f"{name}.sql").read_text().split("\n\n"):
            title, _, text = block.strip().partition("\n")
            if text and title.startswith("-- ") and not text.startswith("--"):
                statements = tuple(re.split(r";\n", text.removesuffix(";")))
                found.append(Work(model, title.removeprefix("-- "), statements))
    return found


_FILES: Final = {"hospital": ("queries", "tools")}


def _asked(client: Client, work: Work) -> list[list[bytes]]:
    """The answers; what is one statement is rolled back."""
    texts = work.statements if len(work.statements) > 1 else ("BEGIN", *work.statements, "ROLLBACK")
    found = []
    for text in texts:
        client.send(query(text).data)
        found.append(client.answers(1))
    return found


def _told(messages: list[bytes]) -> tuple[str, str]:
    """The first refusal: its words for a person, its object for a program."""
    for message in messages:
        if message[:1] == b"E":
            fields = wire.error_fields(message)
            said, hint = fields.get(b"M", b"").decode(), fields.get(b"H", b"").decode()
            return f"{said} | {hint}", fields.get(b"D", b"").decode()
    return "", ""


def answered(gateway: Client, server: Client, work: Work) -> Answer:
    """What came of it through the gateway, and straight from the server."""
    through, straight = _asked(gateway, work), _asked(server, work)
    messages = [message for each in through for message in each]
    reason = refusal(messages)
    if reason:
        return Answer(work, "denied", reason, _told(messages))
    if any(message[:1] in (b"E", b"") for each in (*straight, *through) for message in each):
        return Answer(work, "broken")
    return Answer(work, "untouched" if through == straight else "masked")


def answers(world: World, asked: list[Work]) -> list[Answer]:
    """All of it, through the gateway and straight to the server."""
    found = []
    for model in dict.fromkeys(one.model for one in asked):
        gateway, server = world.client(model), world.direct(model)
        found += [answered(gateway, server, one) for one in asked if one.model == model]
        gateway.close()
        server.close()
    return found


def table(found: list[Answer]) -> str:
    """Per kind of work, then what was denied and why, then the share that was answered."""
    kinds: dict[str, Counter[str]] = {}
    for answer in found:
        kind = f"{answer.work.model} {answer.work.name.partition(':')[0]}"
        kinds.setdefault(kind, Counter())[answer.outcome] += 1
    columns = ("untouched", "masked", "denied", "broken")
    lines = [f"{'work':<22}" + "".join(f"{c:>11}" for c in columns)]
    for kind, counts in kinds.items():
        lines.append(f"{kind:<22}" + "".join(f"{counts[c]:>11}" for c in columns))
    total = Counter(answer.outcome for answer in found)
    lines.append(f"{'all':<22}" + "".join(f"{total[c]:>11}" for c in columns))
    for answer in found:
        if answer.outcome in columns[2:]:
            lines.append(f"{answer.outcome}: {answer.work.model} {answer.work.name}")
            lines += [f"    {line}" for line in answer.told if line]
    lines.append(f"answered: {share(found):.1f} % of {len(found)}")
    return "\n".join(lines)


def share(found: list[Answer]) -> float:
    """Percent of the work that was answered."""
    fine = sum(answer.outcome in ("untouched", "masked") for answer in found)
    return 100 * fine / len(found)
