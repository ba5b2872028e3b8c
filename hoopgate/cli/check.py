"""``hoopgate check``: validates the settings and prints what the node would do."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence

from hoopgate.cli.cautions import cautions
from hoopgate.cli.place import add_config
from hoopgate.errors import SettingsError
from hoopgate.guardrails.pipeline import make_pipeline
from hoopgate.identity.issuer_settings import load_issuer_settings
from hoopgate.settings import packs
from hoopgate.settings.load import load
from hoopgate.settings.model import (
    Console,
    Exchange,
    FileDirectory,
    Label,
    LabelClass,
    Listener,
    Match,
    Resource,
    Rule,
    Secret,
    Settings,
    TLSMode,
)
from hoopgate.settings.rules import DAYS
from hoopgate.settings.units import show_duration


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``check``."""
    command = commands.add_parser(
        "check", help="validate a settings file and print what the node would do"
    )
    add_config(command)
    command.add_argument("--json", action="store_true", help="print for programs")
    command.add_argument(
        "--connect",
        action="store_true",
        help="ask the databases, too: whether the account may log in, and what labels are of",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 when the file is valid, 1 with every mistake on standard error when it is not."""
    try:
        settings = load(options.config)
        make_pipeline(settings.policy, settings.resources)  # guards may refuse what they are given
        if settings.embedded_issuer is not None:
            load_issuer_settings(settings.embedded_issuer)
    except SettingsError as error:
        _tell(error.problems, options.json)
        return 1
    notes: list[str] = []
    if options.connect:
        # Not at the top: it brings the reactor, which nothing else here needs.
        from hoopgate.cli.check_connect import asked

        problems, notes = asked(settings)
        if problems:
            _tell(problems, options.json)
            return 1
    if options.json:
        page = summary(settings)
        print(json.dumps({**page, "warnings": [*cautions(settings), *notes]}, indent=2))
    else:
        print("\n".join([*report(settings), *(f"note: {note}" for note in notes)]))
    return 0


def _tell(problems: Sequence[str], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"valid": False, "problems": list(problems)}, indent=2))
        return
    for problem in problems:
        print(problem, file=sys.stderr)


# --- for people --------------------------------------------------------------------------------


def report(settings: Settings) -> Iterator[str]:
    """What the node would do, line by line."""
    node, policy = settings.node, settings.policy
    yield f"{settings.path} is valid."
    yield ""
    yield from _section("Node", [
        ("name", node.name),
        ("state", str(node.state_dir)),
        ("log", f"{settings.recording.directory} as {settings.recording.origin}"),
        ("metrics", node.metrics or "off"),
        ("drain", show_duration(node.drain_seconds)),
    ])  # fmt: skip
    yield from _section("Identity", _identity(settings))
    yield from _section("Listeners", ((one.name, _listener(one)) for one in settings.listeners))
    yield from _section("Resources", _resources(settings))
    if settings.console is not None:
        yield from _section("Console", _console(settings.console))
    if settings.exchange is not None:
        yield from _section("Exchange", _exchange(settings.exchange))
    yield from _section("Labels", _labels(policy.labels))
    yield from _section("Policy", _policy(settings))
    yield from _section("Rules, in the order they are tried", _rules(policy.rules))
    for warning in cautions(settings):
        yield f"note: {warning}"


def _section(title: str, rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    lines = list(rows)
    yield title
    width = max((len(name) for name, _ in lines), default=0)
    for name, text in lines:
        yield f"  {name:<{width}}  {text}".rstrip()
    if not lines:
        yield "  none"
    yield ""


def _identity(settings: Settings) -> Iterator[tuple[str, str]]:
    for issuer in settings.issuers:
        yield issuer.name, f"{issuer.url} for {_words(issuer.audiences)}"
        age = show_duration(issuer.maximum_lifetime)
        yield "", f"{_words(issuer.algorithms)}, tokens of {age} at most"
    if settings.embedded_issuer is not None:
        yield "embedded", f"an issuer of our own, {settings.embedded_issuer}"
    directory = settings.directory
    if isinstance(directory, FileDirectory):
        yield "groups", "in this file" if directory.members else "none: nobody is in any group"
        for group, members in directory.members.items():
            yield "", f"{group}: {_words(sorted(members))}"
    else:
        encryption = ", StartTLS" if directory.start_tls else ""
        yield "groups", f"{directory.url}{encryption}, below {directory.base}"


def _listener(listener: Listener) -> str:
    encryption = "TLS" if listener.tls is not None else "plaintext, this machine only"
    if listener.ssh is not None:
        keys = _words([str(key) for key in listener.ssh.host_keys]) or "of the node's own making"
        users = f"users name{listener.ssh.separator}resource"
        return f"ssh on {listener.endpoint} (host key {keys}; {users}) → " + _words(
            listener.resources
        )
    how = {
        "token": "token as password",
        "oauthbearer": "OAUTHBEARER",
        "scram": "session credential by SCRAM-SHA-256",
    }[listener.authentication]
    return (
        f"{listener.protocol} on {listener.endpoint} ({encryption}, {how}) "
        f"→ {_words(listener.resources)}"
    )


def _resources(settings: Settings) -> Iterator[tuple[str, str]]:
    for resource in settings.resources.values():
        yield resource.name, f"{resource.protocol} {resource.target}, database {resource.database}"
        yield "", f"as {resource.user}, {_credential(resource)}; {_encryption(resource)}"
        yield "", f"opened by tokens with scope {resource.scope}"
        if resource.ssh is not None:
            listed = resource.ssh.commands == "allow"
            mode = "of the list only" if listed else "but for the tripwire's"
            shells = "by rule" if resource.ssh.shell else "off"
            yield "", f"commands {mode}; shells and terminals {shells}"
        if not resource.phi:
            yield "", "holds no PHI: nothing is resolved or masked"


def _credential(resource: Resource) -> str:
    if resource.password is not None:
        return _secret(resource.password)
    if resource.ssh is not None and resource.ssh.key is not None:
        return f"key {resource.ssh.key}"
    if resource.certificate is not None:
        return f"client certificate {resource.certificate.certificate}"
    return "without a secret"


def _secret(secret: Secret) -> str:
    if secret.file is not None:
        return f"password from {secret.file}"
    if secret.environment is not None:
        return f"password from ${secret.environment}"
    return f"password printed by {(secret.command or ('',))[0]}"


def _encryption(resource: Resource) -> str:
    tls = resource.tls
    if resource.ssh is not None:
        return f"{resource.ssh.host_name} as {resource.ssh.known_hosts} knows it"
    if tls.mode is TLSMode.DISABLE:
        return "plaintext, this machine only"
    trust = str(tls.ca_file) if tls.ca_file is not None else "the system's authorities"
    named = f" as {tls.server_name}" if tls.server_name is not None else ""
    return f"TLS {tls.mode.value}{named}, trusting {trust}"


def _exchange(exchange: Exchange) -> Iterator[tuple[str, str]]:
    yield "address", f"{exchange.url} on {exchange.endpoint}"
    yield "credentials", f"{show_duration(exchange.lifetime_seconds)} at most"
    told = {
        "may_act": "whom a token names (may_act)",
        "any": "whoever may open the resource, unless a token names somebody (may_act)",
        "none": "nobody",
    }
    yield "delegates", told[exchange.delegation]
    yield "operators", _words(sorted(exchange.operators)) or "nobody"


def _console(console: Console) -> Iterator[tuple[str, str]]:
    yield "address", f"{console.url} on {console.endpoint}"
    proof = "PKCE" if console.client_secret is None else "PKCE and its secret"
    yield "log-in", f"issuer {console.issuer} as {console.client_id}, by {proof}"
    yield "auditors", _words(sorted(console.auditors)) or "nobody"
    yield "operators", _words(sorted(console.operators)) or "nobody"
    lasts, idle = show_duration(console.session_seconds), show_duration(console.idle_seconds)
    yield "sessions", f"{lasts} at most, {idle} without a request"


def _labels(labels: Sequence[Label]) -> Iterator[tuple[str, str]]:
    width = max((len(label.column) for label in labels), default=0)
    for label in labels:
        what = f"{label.column:<{width}}  {label.kind} ({label.level.value})"
        shown = label.level is LabelClass.PUBLIC
        yield label.resource, what if shown else f"{what} → {label.method.value}"


def _policy(settings: Settings) -> Iterator[tuple[str, str]]:
    policy = settings.policy
    for pack in policy.packs:
        yield "pack", f"{pack} ({len(packs.read_pack(pack))} rules)"
    if not policy.packs:
        yield "pack", "none"
    for guard in policy.guards:
        yield "guard", guard
    covered = "are refused"
    if policy.min_group:
        covered = f"cover {policy.min_group} patients, or are refused"
    yield "aggregates", f"of secret columns {covered}"
    yield "digest", policy.digest


def _rules(rules: Sequence[Rule]) -> Iterator[tuple[str, str]]:
    width = max((len(rule.name) for rule in rules), default=0)
    for number, rule in enumerate(rules, 1):
        verdict = f"{rule.verdict}{' (only reported)' if rule.monitor else ''}"
        yield str(number), f"{rule.name:<{width}}  {verdict}: {describe(rule.match)}"
        indent = " " * (width + 2)
        if rule.verdict == "approve":
            who = f"by {_words(sorted(rule.reviewers))} within {show_duration(rule.expires)}"
            yield "", f"{indent}{who}"
        if rule.overrides:
            yield "", f"{indent}instead of {_words(sorted(rule.overrides))}"


def describe(match: Match) -> str:
    """A rule's conditions as one phrase."""
    fields = {
        "group": match.groups,
        "scope": match.scopes,
        "subject": match.subjects,
        "issuer": match.issuers,
        "resource": match.resources,
        "class": match.classes,
        "flag": match.flags,
        **{name.replace(".", " "): patterns for name, patterns in match.attributes},
        "relation": match.relations,
        "label": match.labels,
        "function": match.functions,
    }
    parts = [f"{name} {_words(sorted(values), 'or')}" for name, values in fields.items() if values]
    if match.times is not None:
        times = match.times
        days = _words([DAYS[day] for day in sorted(times.days)]) if times.days else "every day"
        parts.append(f"{days} {_clock(times.start)}–{_clock(times.end)} {times.zone}")
    return "; ".join(parts) or "everything"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _words(words: Sequence[str], conjunction: str = "and") -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {conjunction} {words[-1]}"


# --- for programs ------------------------------------------------------------------------------


def summary(settings: Settings) -> dict[str, object]:
    """The same as plain values."""
    policy = settings.policy
    return {
        "valid": True,
        "node": settings.node.name,
        "digest": policy.digest,
        "listeners": [
            {
                "name": one.name,
                "protocol": one.protocol,
                "endpoint": one.endpoint,
                "tls": one.tls is not None,
                "authentication": one.authentication,
                "resources": list(one.resources),
            }
            for one in settings.listeners
        ],
        "resources": [
            {
                "name": one.name,
                "protocol": one.protocol,
                "target": one.target,
                "database": one.database,
                "scope": one.scope,
                "phi": one.phi,
                "tls": one.tls.mode.value,
            }
            for one in settings.resources.values()
        ],
        "issuers": [{"name": one.name, "url": one.url} for one in settings.issuers],
        "packs": list(policy.packs),
        "guards": list(policy.guards),
        "labels": [
            {
                "resource": one.resource,
                "column": one.column,
                "kind": one.kind,
                "level": one.level.value,
                "method": one.method.value,
            }
            for one in policy.labels
        ],
        "rules": [
            {
                "name": rule.name,
                "verdict": rule.verdict,
                "monitor": rule.monitor,
                "match": describe(rule.match),
            }
            for rule in policy.rules
        ],
        "warnings": list(cautions(settings)),
    }
