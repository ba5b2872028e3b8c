"""What a reload changes: rules, packs, labels, guards. And the digest that names them."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import re
from collections.abc import Mapping
from enum import Enum

from hoopgate.plans import Method
from hoopgate.settings import operations, packs
from hoopgate.settings.budgets import budgets
from hoopgate.settings.model import (
    UNLABELLED,
    Budget,
    Label,
    LabelClass,
    Policy,
    Resource,
    Rule,
)
from hoopgate.settings.reader import Table
from hoopgate.settings.rules import Vocabulary, known, rules
from hoopgate.settings.ssh import canonical, commands
from hoopgate.sql.classes import CLASSES, FLAGS

#: A kind that can stand in a token.
_TOKEN_KIND = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
#: A JSON pointer, elements of a FHIR resource, a field of HL7 v2 (``PID-5``), a CSV column's name.
#: Protocols whose labels are of places in documents and files, not of columns.
_PLACED = ("http", "ssh")
#: Protocols that take tokens back, and so have to have keys for them.
_KEYED = ("postgres", "http")
_PLACE = re.compile(r"(/[^/]*)+|[A-Za-z*][A-Za-z0-9_.*\[\] -]*")


def policy(
    root: Table,
    resources: Mapping[str, Resource],
    issuers: Mapping[str, str],
    groups: frozenset[str] | None,
) -> Policy:
    """``[policy]``, ``[[labels]]`` and ``[[rules]]``.

    :param issuers: name → URL.
    :param groups: the groups there are, None when only the directory knows.
    """
    table = root.table("policy")
    pack_names = table.texts("packs", ("hipaa-baseline",), '["hipaa-baseline"]', empty=True)
    known(table, "packs", pack_names, packs.names())
    pack_names = tuple(one for one in pack_names if one in packs.names())
    guards = table.texts("guards", (), '["package.module:factory"]', empty=True)
    for guard in guards:
        _check_guard(table, guard)
    unlabelled = LabelClass(table.choice("unlabelled", ("secret", "public"), "secret"))
    min_group = table.integer("min_group", 0, minimum=0)
    table.finish()
    labels = _labels(root, resources)
    vocabulary = Vocabulary(
        resources=resources,
        groups=groups,
        issuers=issuers,
        labels={UNLABELLED, *(label.kind for label in labels)},
        classes={*CLASSES, *operations.CLASSES},
        flags={*FLAGS, *operations.FLAGS},
        rules=_block_rules(pack_names),
    )
    found = rules(root.tables("rules"), vocabulary)
    bounds = budgets(root.tables("budgets"), vocabulary)
    entries = commands(root, resources)
    decisive = (*guards, *canonical(entries))
    text = written(found, pack_names, labels, decisive, unlabelled, min_group, bounds)
    return Policy(
        rules=found,
        commands=entries,
        packs=pack_names,
        labels=labels,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        text=text,
        guards=guards,
        unlabelled=unlabelled,
        min_group=min_group,
        budgets=bounds,
    )


def written(
    rules: tuple[Rule, ...],
    pack_names: tuple[str, ...],
    labels: tuple[Label, ...],
    guards: tuple[str, ...],
    unlabelled: LabelClass,
    min_group: int,
    bounds: tuple[Budget, ...] = (),
) -> str:
    """Everything that decides a verdict, as canonical JSON; its SHA-256 is the policy's digest.

    Layout, comments and the order of words in a list do not change it; the order of rules does.
    """
    everything = {
        "rules": [dataclasses.asdict(rule) for rule in rules],
        "packs": [[name, hashlib.sha256(packs.content(name)).hexdigest()] for name in pack_names],
        "labels": [dataclasses.asdict(label) for label in labels],
        "guards": guards,
        "unlabelled": unlabelled.value,
        "min_group": min_group,
        "budgets": [dataclasses.asdict(budget) for budget in bounds],
    }
    return json.dumps(everything, sort_keys=True, separators=(",", ":"), default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    assert isinstance(value, Enum)
    return value.value


def _labels(root: Table, resources: Mapping[str, Resource]) -> tuple[Label, ...]:
    found: list[Label] = []
    taken: set[tuple[str, str]] = set()
    for table in root.tables("labels"):
        places = "place" in table
        names = (
            table.one_or_more("place", '"Patient.name" or "/patients/*/ssn"')
            if places
            else table.one_or_more("column", '"public.patients.ssn"')
        )
        level = LabelClass(table.choice("level", [one.value for one in LabelClass], "secret"))
        label = Label(
            resource=table.text("resource"),
            column="",
            kind=table.text("kind", "PUBLIC" if level is LabelClass.PUBLIC else None, '"SSN"'),
            level=level,
            method=Method(table.choice("method", [one.value for one in Method], "redact")),
            as_text=table.boolean("as_text", False),
            joins=table.boolean("joins", False),
            patient=table.boolean("patient", False),
        )
        found += (dataclasses.replace(label, column=name) for name in names)
        if label.as_text and (level is LabelClass.PUBLIC or label.method is Method.NULL):
            nothing = "a public column" if level is LabelClass.PUBLIC else 'method "null"'
            table.wrong("as_text", f"has no meaning for {nothing}", "it for values that are shown")
        _check_tokens(table, label, resources)
        table.finish()
        if label.resource:
            known(table, "resource", [label.resource], resources)
            resource = resources.get(label.resource)
            if resource is not None and not resource.phi:
                write = "the label out, or phi = true in the resource"
                table.wrong("resource", f'"{label.resource}" is set to hold no PHI', write)
            if resource is not None and places != (resource.protocol in _PLACED):
                write = "place for HTTP and SSH, column for databases"
                table.wrong("place" if places else "column", "not what this resource has", write)
        for name in names:
            if places:
                if not _PLACE.fullmatch(name):
                    write = "a JSON pointer, a FHIR path, or the name of a CSV column"
                    table.wrong("place", f'"{name}" is no place', write)
            elif name.count(".") != 2 or not all(name.split(".")):
                write = "schema.relation.column, * for any"
                table.wrong("column", f'"{name}" is not three names', write)
            if (label.resource, name) in taken:
                table.wrong("column", f'"{name}" is labelled twice', "one label for it")
            taken.add((label.resource, name))
    return tuple(found)


def _check_tokens(table: Table, label: Label, resources: Mapping[str, Resource]) -> None:
    if label.method is not Method.TOKEN:
        if label.joins:
            table.wrong("joins", "has no meaning without tokens", 'it with method = "token"')
        return
    if label.level is LabelClass.PUBLIC:
        table.wrong("method", "a public column comes as it is", "the level secret or quasi")
    if not _TOKEN_KIND.fullmatch(label.kind):
        write = "a letter, then letters, digits, _ and - (32 in all)"
        table.wrong("kind", f'"{label.kind}" cannot stand in a token', write)
    resource = resources.get(label.resource)
    if resource is not None and resource.protocol in _KEYED and resource.tokens is None:
        write = f'tokens = {{ keys = {{ file = "…" }} }} in the resource "{resource.name}"'
        table.wrong("method", "there are no keys to make tokens with", write)


def _check_guard(table: Table, guard: str) -> None:
    module, _, factory = guard.partition(":")
    try:
        found = getattr(importlib.import_module(module), factory)
    except Exception as error:  # noqa: BLE001 - a guard's module may raise anything
        wrong = f'"{guard}" cannot be loaded ({type(error).__name__})'
        table.wrong("guards", wrong, '"package.module:factory" of an installed package')
        return
    if not callable(found):
        table.wrong("guards", f'"{guard}" is not callable', "a factory")


def _block_rules(pack_names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(
        f"{name}/{rule.name}"
        for name in pack_names
        for rule in packs.read_pack(name)
        if rule.verdict != "allow"
    )
