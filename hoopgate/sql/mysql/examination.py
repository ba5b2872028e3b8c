"""What a parser's child process does for the resolver: requests and answers as JSON.

``{"do": "analyze" | "attest" | "resolve" | "steer", …}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hoopgate.errors import Refused, UnresolvableStatement
from hoopgate.events import Resolution
from hoopgate.sql.examination import decode_answer, encode_resolution
from hoopgate.sql.mysql.analysis import analyze
from hoopgate.sql.mysql.attestation import (
    Attestation,
    Change,
    Edit,
    attest,
    edited,
    steering,
)
from hoopgate.sql.mysql.catalogue import SYSTEM, Relation, load
from hoopgate.sql.mysql.lineage import Missing, Texts, resolve
from hoopgate.sql.mysql.places import Place, tables
from hoopgate.sql.mysql.tree import Name

Places = dict[tuple[str, str], Relation]


def request(do: str, **content: Any) -> bytes:
    """A request for a child."""
    return json.dumps({"do": do, **content}).encode("utf-8", "surrogatepass")


def answer(request: bytes, max_bytes: int) -> Any:
    """The answer to a request: facts of a statement, or what is to be sent as JSON.

    :raises Refused: the statement is refused, or cannot be resolved.
    """
    content = json.loads(request.decode("utf-8", "surrogatepass"))
    do = content["do"]
    if do == "analyze":
        return analyze(content["text"], max_bytes)
    if do == "attest":
        return asdict(attest(content["text"]))
    catalogue = decode_catalogue(content["catalogue"])
    if do == "steer":
        ignored = {(one[0], one[1]): one[2] for one in content["ignored"]}
        asked = attestation(content["asked"])
        return _steer(content["text"], asked, content["database"], catalogue, ignored)
    outputs = content["outputs"]
    try:
        found = resolve(
            attestation(content["asked"]),
            Texts(**content["texts"]),
            None if outputs is None else [(name, type_) for name, type_ in outputs],
            catalogue,
            content["scratch"],
            mysql=content["mysql"],
        )
    except Missing as missing:
        return {"relation": missing.relation}
    return encode_resolution(found)


def decode_resolution(content: dict[str, Any]) -> Resolution | tuple[str, str]:
    """The answer to ``resolve``: a resolution, or a relation to be learnt first."""
    if "relation" in content:
        schema, name = content["relation"]
        return schema, name
    found = decode_answer(content)
    assert isinstance(found, Resolution)
    return found


def attestation(content: dict[str, Any]) -> Attestation:
    """What ``attest`` has answered."""
    places = [
        Place(tuple(one["name"]), one["alias"], one["start"], one["named"], one["end"])
        for one in content["places"]
    ]
    return Attestation(
        **{
            **content,
            "target": tuple(content["target"]),
            "variables": tuple(content["variables"]),
            "defaulted": tuple(content["defaulted"]),
            "pinned": tuple((column, text) for column, text in content["pinned"]),
            "places": places,
            "unnamed": [(column, token) for column, token in content["unnamed"]],
        }
    )


def encode_catalogue(catalogue: Mapping[tuple[str, str], Relation]) -> list[dict[str, Any]]:
    """The catalogue as JSON."""
    return [relation.export() for relation in catalogue.values()]


def decode_catalogue(content: list[dict[str, Any]]) -> Places:
    """What :func:`encode_catalogue` has made."""
    relations = map(load, content)
    return {(relation.schema, relation.name): relation for relation in relations}


def _steer(
    text: str,
    asked: Attestation,
    database: str,
    catalogue: Places,
    ignored: Mapping[tuple[str, str], list[str]],
) -> list[Edit]:
    """Edits that keep a statement from reading indexes that are ``ignored``."""

    folded = {(schema.lower(), table.lower()): one for (schema, table), one in catalogue.items()}

    def change(name: Name) -> Change | None:
        schema, table = name if len(name) == 2 else (database, name[0])
        if schema.lower() in SYSTEM:
            return None
        # Where names of tables differ by case, one that differs by it alone is not in a statement.
        relation = catalogue.get((schema, table)) or folded.get((schema.lower(), table.lower()))
        if relation is None:
            raise UnresolvableStatement("resolve.order", "A table that is named is not read.")
        if relation.definition:
            instead = written_out(relation)
            names = list(relation.columns.values()) if relation.renamed else []
            return Change((), instead, names) if instead else None
        indexes = ignored.get((relation.schema, relation.name))
        return Change(indexes) if indexes else None

    def written_out(view: Relation) -> str:
        edits = steering(view.definition, tables(view.definition), change)
        return edited(view.definition, edits) if edits else ""

    return steering(text, asked.places, change)


def refusal(refused: Refused) -> dict[str, str]:
    """A refusal as JSON."""
    return {"refused": refused.code, "message": str(refused)}
