"""What is valid in a settings file and probably not meant."""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Iterator
from fnmatch import fnmatchcase

from hoopgate.plans import Method
from hoopgate.settings import endpoints
from hoopgate.settings.model import (
    FileDirectory,
    LabelClass,
    Match,
    Recording,
    Rule,
    Secret,
    Settings,
)
from hoopgate.settings.reader import defaults
from hoopgate.settings.units import show_duration

#: Seconds: a token that is good for longer than a day outlives whatever it was given for.
_LONG_LIFE = 86_400.0
#: Protocols whose statements are SQL.
_SQL = frozenset({"postgres", "mariadb", "mysql"})
#: First word of a class or an attribute → the protocol that has it.
_PROTOCOLS = {"http": "http", "fhir": "http", "mcp": "http", "ssh": "ssh", "sftp": "ssh"}
_WILD = re.compile(r"[*?\[]")


def cautions(settings: Settings) -> Iterator[str]:
    """A line for each, in an order that stays the same."""
    served = {name for listener in settings.listeners for name in listener.resources}
    for name in settings.resources:
        if name not in served:
            yield f"resource {name} is not served by any listener"
    labelled = {label.resource for label in settings.policy.labels}
    masked = settings.policy.unlabelled is LabelClass.SECRET
    for resource in settings.resources.values():
        if resource.phi and resource.name not in labelled:
            what = "everything" if masked else "nothing"
            yield f"resource {resource.name} holds PHI and has no labels: {what} would be masked"
    if not masked:
        yield "policy.unlabelled is public: a column that nobody has labelled is not masked"
    if not any(rule.verdict != "block" for rule in settings.policy.rules):
        yield "no rule allows anything: every statement would be refused"
    if settings.policy.min_group:
        if not any(budget.queries is not None for budget in settings.policy.budgets):
            yield "policy.min_group gives out no aggregates: no budget has a number of queries"
        if not any(label.patient for label in settings.policy.labels):
            yield "policy.min_group gives out no aggregates: no label says whom a row is about"
    yield from _tokens_and_budgets(settings)
    yield from _identity(settings)
    yield from _rules(settings)
    yield from _labels(settings)
    if settings.recording.retention_seconds < defaults(Recording)["retention_seconds"]:
        yield "recording.retention_time is below the six years of 45 CFR 164.316(b)(2)(i)"
    yield from _secrets(settings)
    yield from _ports(settings)
    if not settings.policy.packs:
        yield "no rule pack: only this file's rules and guards refuse"


def _tokens_and_budgets(settings: Settings) -> Iterator[str]:
    policy = settings.policy
    made = {one.kind for one in policy.labels if one.method is Method.TOKEN}
    used = frozenset[str]().union(*(rule.tokens for rule in policy.rules))
    for kind in sorted(made - used if "*" not in used else ()):
        yield f"tokens of kind {kind} can be read, and no rule lets anybody use one (tokens = …)"
    labelled = {one.resource for one in policy.labels if one.method is Method.TOKEN}
    for name, resource in settings.resources.items():
        if resource.tokens is not None and name not in labelled:
            yield f'resource {name} has keys for tokens, and no label says method = "token"'
    counted = any(budget.cells is not None for budget in policy.budgets)
    if counted and not any(label.patient for label in policy.labels):
        yield "no label says patient = true: budgets count every row as another patient"


def _identity(settings: Settings) -> Iterator[str]:
    for issuer in settings.issuers:
        if issuer.maximum_lifetime > _LONG_LIFE:
            age = show_duration(issuer.maximum_lifetime)
            yield f"issuer {issuer.name}: tokens that are good for {age} are accepted"
        if "jwt" in issuer.types:
            yield f"issuer {issuer.name}: ID tokens have type JWT: only audiences keep them out"


def _rules(settings: Settings) -> Iterator[str]:
    earlier = ""
    for at, rule in enumerate(settings.policy.rules):
        match, place = rule.match, f"rules[{at}] {rule.name}"
        spoken = {
            one.protocol
            for one in settings.resources.values()
            if not match.resources or any(fnmatchcase(one.name, each) for each in match.resources)
        }
        needed = _needs(rule)
        if needed and not needed & spoken:
            yield (
                f"{place} never matches: it is about {' or '.join(sorted(needed))}, and its "
                f"resources speak {' and '.join(sorted(spoken))}"
            )
        if spoken <= _SQL:
            for name in sorted(match.relations):
                if name.count(".") > 1 and not _WILD.search(name):
                    yield f"{place} never matches {name}: a relation is schema.name"
        if earlier and rule.verdict == "block" and not rule.monitor:
            yield f"{place} never has a say: {earlier} blocks everything before it"
        if match != Match():
            continue
        if rule.verdict == "block" and not rule.monitor:
            earlier = earlier or place
        elif rule.verdict == "allow":
            yield f"{place} allows everybody who may open a resource all that no rule blocks"


def _needs(rule: Rule) -> frozenset[str]:
    """Protocols of which one has to be spoken for a rule to match; empty: it is for any."""
    match = rule.match
    found = {_PROTOCOLS[name.partition(".")[0]] for name, _ in match.attributes}
    if match.classes and not found:
        found = {_PROTOCOLS.get(one.partition(".")[0], "SQL") for one in match.classes}
        if "SQL" in found:
            found = (found - {"SQL"}) | _SQL
    return frozenset(found)


def _labels(settings: Settings) -> Iterator[str]:
    for label in settings.policy.labels:
        folds = settings.resources[label.resource].protocol == "postgres"
        if folds and label.column != label.column.lower():
            yield (
                f"label {label.column}: PostgreSQL makes names small that are not in quotes: is it "
                f"{label.column.lower()}?"
            )


def _secrets(settings: Settings) -> Iterator[str]:
    secrets: list[tuple[str, Secret | None]] = [
        (f"resource {one.name}", one.password) for one in settings.resources.values()
    ]
    if not isinstance(settings.directory, FileDirectory):
        secrets.append(("directory", settings.directory.bind_password))
    for where, secret in secrets:
        if secret is not None and secret.environment and secret.environment not in os.environ:
            yield f"{where}: the variable {secret.environment} is not set here"


def _ports(settings: Settings) -> Iterator[str]:
    """Whether somebody listens there already: this node, or another program."""
    for listener in settings.listeners:
        endpoint = endpoints.split(listener.endpoint)
        if endpoint.kind not in ("tcp", "tcp6"):
            continue
        port, interface = int(endpoint.part(0, "port")), endpoint.part(1, "interface")
        family = socket.AF_INET6 if endpoint.kind == "tcp6" else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as place:
                place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                place.bind((interface, port))
        except OSError as error:
            if error.errno == errno.EACCES:  # the node may begin with more rights than this
                continue
            taken = error.errno == errno.EADDRINUSE
            why = "this node, or another program" if taken else "is it an address of this machine?"
            yield (
                f"listener {listener.name}: {listener.endpoint} cannot be had now "
                f"({error.strerror}): {why}"
            )
