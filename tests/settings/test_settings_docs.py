"""docs/settings.md and examples/hoopgate.toml say what the loader does, no more and no less."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from testbed.certificates import Certificates, write_private
from testbed.parts import CHECKOUT

from hoopgate.errors import SettingsError
from hoopgate.settings import units
from hoopgate.settings.load import load
from hoopgate.settings.model import Limits, Node, Recording
from hoopgate.settings.reader import Table, defaults

DOCUMENT = CHECKOUT / "docs" / "settings.md"
EXAMPLE = CHECKOUT / "examples" / "hoopgate.toml"

#: Heading in the document → the tables of the file it describes.
SECTIONS = {
    "[node]": "node",
    "[[listeners]]": "listeners",
    "clients of a listener": "listeners.clients",
    "tls of a listener": "listeners.tls",
    "[[issuers]]": "issuers",
    "introspection of an issuer": "issuers.introspection",
    "[directory]": "directory",
    "[[resources]]": "resources",
    "credentials": "resources.credentials",
    "tls of a resource": "resources.tls",
    "http of a resource": "resources.http",
    "websocket of a resource": "resources.http.websocket",
    "tokens of a resource": "resources.tokens",
    "ssh of a listener": "listeners.ssh",
    "ssh of a resource": "resources.ssh",
    "[[commands]]": "commands",
    "ssh of a match": "rules.match.ssh",
    "secret": "resources.credentials.password",
    "[[labels]]": "labels",
    "[policy]": "policy",
    "[[budgets]]": "budgets",
    "match of a budget": "budgets.match",
    "[[rules]]": "rules",
    "match": "rules.match",
    "http of a match": "rules.match.http",
    "times": "rules.match.times",
    "[recording]": "recording",
    "[[recording.witnesses]]": "recording.witnesses",
    "[recording.timestamps]": "recording.timestamps",
    "[recording.head]": "recording.head",
    "[witness]": "witness",
    "tls of the witness": "witness.tls",
    "[[notifications]]": "notifications",
    "[[streams]]": "streams",
    "[limits]": "limits",
    "[embedded_issuer]": "embedded_issuer",
    "[console]": "console",
    "tls of the console": "console.tls",
    "[exchange]": "exchange",
    "tls of the exchange": "exchange.tls",
}

#: Touches every table and both kinds of directory; what is missing in it does not matter here.
EVERYTHING = """
[node]
[directory]
kind = "{kind}"
bind_password = {{ environment = "X" }}
[embedded_issuer]
[recording]
[recording.timestamps]
[recording.head]
password = {{ environment = "X" }}
[[recording.witnesses]]
[witness]
tls = {{}}
[console]
tls = {{}}
client_secret = {{ environment = "X" }}
[exchange]
tls = {{}}
[[streams]]
token = {{ environment = "X" }}
[[listeners]]
tls = {{}}
clients = {{}}
ssh = {{}}
[[issuers]]
introspection = {{ client_secret = {{ environment = "X" }} }}
[[commands]]
[[resources]]
ssh = {{}}
credentials = {{ password = {{}}, certificate = "x" }}
http = {{ websocket = {{}} }}
tokens = {{ keys = {{ environment = "X" }} }}
[[notifications]]
secret = {{ environment = "X" }}
password = {{ environment = "X" }}
[[budgets]]
match = {{}}
[[labels]]
place = "a"
[[labels]]
[[rules]]
match = {{ times = {{}}, http = {{}}, ssh = {{}} }}
"""


def documented() -> dict[str, dict[str, str]]:
    """Heading → key → the rest of its row."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    heading = ""
    for line in DOCUMENT.read_text().splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ").replace("`", "")
        elif row := re.match(r"\| `(\w+)` \|(.*)", line):
            assert row[1] not in found[heading], f"{row[1]} is there twice"
            found[heading][row[1]] = row[2]
    return found


def test_every_key_is_documented_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: dict[str, set[str]] = defaultdict(set)
    finish = Table.finish

    def remember(table: Table) -> None:
        if table.problems.file == path:  # and not that of a rule pack
            read[re.sub(r"\[\d+\]", "", table.key)].update(table.known)
        finish(table)

    monkeypatch.setattr(Table, "finish", remember)
    path = tmp_path / "hoopgate.toml"
    for kind in ("file", "ldap"):
        path.write_text(EVERYTHING.format(kind=kind))
        with pytest.raises(SettingsError):
            load(path)
    document = documented()
    assert read.pop("resources.tokens.keys") == read["resources.credentials.password"]
    assert read.pop("") == {place for place in SECTIONS.values() if "." not in place}
    for secret in (
        "directory.bind_password",
        "console.client_secret",
        "issuers.introspection.client_secret",
        "notifications.secret",
        "notifications.password",
        "recording.head.password",
        "streams.token",
    ):
        assert read.pop(secret) == read["resources.credentials.password"]
    assert {SECTIONS[heading]: set(rows) for heading, rows in document.items()} == read


@pytest.mark.parametrize(
    ("heading", "kind"), [("[node]", Node), ("[recording]", Recording), ("[limits]", Limits)]
)
def test_documented_bounds_are_the_real_ones(heading: str, kind: type) -> None:
    rows = documented()[heading]
    numbers = {
        field: value for field, value in defaults(kind).items() if isinstance(value, int | float)
    }
    for field, value in numbers.items():
        assert f" | `{written(field, value)[1]}` | " in rows[written(field, value)[0]], field


def written(field: str, default: float) -> tuple[str, str]:
    """A field and its default as they stand in the file."""
    stem, _, unit = field.rpartition("_")
    if unit == "seconds":
        return f"{stem}_time", f'"{units.show_duration(default)}"'
    if unit == "ms":
        return f"{stem}_time", f'"{units.show_duration(default / 1000)}"'
    if unit == "bytes":
        return f"{stem}_size", f'"{units.show_size(int(default))}"'
    return field, f"{default:g}"


def example(directory: Path, certificates: Certificates) -> Path:
    """The example with paths that exist."""
    write_private(directory / "clinic.password", b"secret")
    replaced: dict[str, Any] = {
        "/etc/hoopgate/server.pem": certificates.server.certificate,
        "/etc/hoopgate/server.key": certificates.server.key,
        "/etc/hoopgate/db-ca.pem": certificates.ca,
        "/etc/hoopgate/clinic.password": directory / "clinic.password",
        "/var/lib/hoopgate": directory / "state",
    }
    text = EXAMPLE.read_text()
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, str(new))
    path = directory / "hoopgate.toml"
    path.write_text(text)
    return path


def test_the_example_is_valid_but_for_its_paths(tmp_path: Path, certificates: Certificates) -> None:
    settings = load(example(tmp_path, certificates))
    assert settings.node.name == "gw-1.example.org"
    assert [rule.verdict for rule in settings.policy.rules] == ["allow", "approve", "block"]
    assert settings.policy.packs == ("hipaa-baseline",)
    with pytest.raises(SettingsError) as caught:
        load(EXAMPLE)
    wrong = [line for line in caught.value.problems if "/etc/hoopgate/" not in line]
    assert not [line for line in wrong if "no such directory" not in line]
