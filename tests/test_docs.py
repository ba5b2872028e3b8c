"""What pages print to be typed: settings that load, commands and targets that exist."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from testbed.parts import CHECKOUT

from hoopgate.cli.expectations import read as read_expectations
from hoopgate.cli.main import parser
from hoopgate.errors import SettingsError
from hoopgate.identity.client_secrets import hash_secret
from hoopgate.identity.issuer_settings import load_issuer_settings
from hoopgate.settings.load import load_unchecked, load_witness

PAGES = [CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES += sorted((CHECKOUT / "docs").glob("*.md"))


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """(page and number, text) of every fenced block of a language."""
    for page in PAGES:
        text = page.read_text()
        found = re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        yield from ((f"{page.stem}-{number}", block) for number, block in enumerate(found, 1))


# --- settings -------------------------------------------------------------------------------------

_HASH = hash_secret("a secret that is long enough")

#: What a block is put into: what it names and does not say is here.
BASE = """
[node]
name = "gw"
state_dir = "state"

[[listeners]]
name = "postgres"
protocol = "postgres"
endpoint = "tcp:16432:interface=127.0.0.1"
resources = ["clinic"]

[[listeners]]
name = "web"
protocol = "http"
endpoint = "tcp:18080:interface=127.0.0.1"
resources = ["ehr"]

[[issuers]]
name = "embedded"
url = "https://embedded.example.org"
audiences = ["hoopgate"]

[[resources]]
name = "clinic"
protocol = "postgres"
target = "127.0.0.1:5432"
database = "clinic"
credentials = { user = "u", password = { environment = "X" } }
tokens = { keys = { environment = "X" } }
tls = { mode = "disable" }

[[resources]]
name = "ehr"
protocol = "http"
target = "127.0.0.1:8080"
tokens = { keys = { environment = "X" } }
tls = { mode = "disable" }
http = { format = "fhir" }

[[resources]]
name = "files"
protocol = "ssh"
target = "127.0.0.1:22"
credentials = { user = "u" }
ssh = { known_hosts = "known_hosts", key = "key" }

[[labels]]
resource = "clinic"
column = "public.encounters.note"
kind = "NOTE"

[directory]
kind = "ldap"
url = "ldaps://ldap.example.org"
base = "dc=example,dc=org"
"""


def merged(base: dict[str, Any], block: dict[str, Any]) -> dict[str, Any]:
    """A file as who follows the page has it: a table of a name that is there replaces it, or is
    more of it, where the page shows a few keys of a resource."""
    whole = dict(base)
    for key, value in block.items():
        if isinstance(value, list):
            there = {one["name"]: one for one in base.get(key, []) if "name" in one}
            names = {one.get("name") for one in value} - {None}
            kept = [one for one in base.get(key, []) if one.get("name") not in names]
            more = [
                {**there[one["name"]], **one} if key == "resources" and "target" not in one else one
                for one in value
            ]
            whole[key] = [*kept, *more]
        elif isinstance(base.get(key), dict):
            whole[key] = value if "groups" in value else {**base[key], **value}
        else:
            whole[key] = value
    said = {one["name"] for one in block.get("listeners", [])}
    protocols = {one["name"]: one["protocol"] for one in whole["resources"]}
    whole["listeners"] = [
        one
        for one in whole["listeners"]
        if one["name"] in said or protocols.get(one["resources"][0]) == one["protocol"]
    ]
    return whole


def told(error: SettingsError, directory: Path) -> list[str]:
    """What is wrong but for files of the page's machine, and values that the page cuts short."""
    short = ("…", str(directory), "No such file")
    lines = [line.partition(": ")[2] for line in error.problems]
    return [line for line in lines if not any(one in line for one in short)]


def issuer_file(path: Path, said: dict[str, Any]) -> Path:
    """The embedded issuer's settings with hashes in full, and a person that pages may leave out."""
    person = {"password_hash": "scrypt:…", "scopes": ["hoopgate:approve"]}
    whole = {"issuer": "http://127.0.0.1:1", "users": {"somebody": person}, **said}
    path.write_text(re.sub(r'"scrypt:[^"]*"', f'"{_HASH}"', tomli_w.dumps(whole)))
    return path


@pytest.mark.parametrize("block", [pytest.param(text, id=place) for place, text in blocks("toml")])
def test_settings_that_a_page_shows_are_valid(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(CHECKOUT / "examples" / "guard")
    said = tomllib.loads(block)
    path = tmp_path / "file.toml"
    base = tomllib.loads(BASE)
    if '"partner"' in block:
        base["issuers"][0]["name"] = "partner"
    if isinstance(said.get("resources"), dict):  # [resources.http.websocket], below a resource
        more = {"name": "app", "protocol": "http", "target": "127.0.0.1:1", "phi": False}
        more |= {
            "tls": {"mode": "disable"},
            "http": {"format": "rest", **said["resources"]["http"]},
        }
        said = {"resources": [more]}
    try:
        if "tests" in said:
            (tmp_path / "hoopgate.toml").write_text(BASE)
            settings = load_unchecked(tmp_path / "hoopgate.toml")
            path.write_text(block)
            assert len(read_expectations(path, settings)) == len(said["tests"])
        elif "issuer" in said or "clients" in said:
            load_issuer_settings(issuer_file(path, said))
        else:
            path.write_text(tomli_w.dumps(merged(base, said)))
            if "witness" in said:
                load_witness(path, check=False)
            load_unchecked(path)
    except SettingsError as error:
        assert not told(error, tmp_path)


def test_a_mistake_in_a_block_would_be_found(tmp_path: Path) -> None:
    said = tomllib.loads('[[rules]]\nname = "x"\nverdict = "alow"\nmatch = { class = ["read"] }')
    path = tmp_path / "file.toml"
    path.write_text(tomli_w.dumps(merged(tomllib.loads(BASE), said)))
    with pytest.raises(SettingsError) as caught:
        load_unchecked(path)
    assert len(told(caught.value, Path("/nowhere"))) == 2


# --- commands -------------------------------------------------------------------------------------


def lines() -> Iterator[tuple[str, str]]:
    """(page, line) of what stands behind a prompt; a line that goes on is joined."""
    for place, text in blocks("console"):
        for line in re.sub(r"\\\n\s*", "", text).splitlines():
            if re.match(r"[$#] ", line):
                yield place, re.sub(r"\s{2,}#.*", "", line[2:])


#: What is behind a program's name, up to what a shell makes something else of.
_WORDS = r"""(?:'[^']*'|"[^"]*"|[^|;&)>'"])*"""


def called(program: str) -> Iterator[tuple[str, list[str]]]:
    """(page, words) of each call of a program, within other commands, too."""
    for place, line in lines():
        for text in re.findall(rf"(?:^|[\s(/;|]){program} ({_WORDS})", line):
            if words := shlex.split(text):
                yield place, words


#: As a user's name, or twistd's: chgrp hoopgate clinic.password, twistd hoopgate --config ….
_NO_COMMAND = re.compile(r"[-/]|hoopgate|clinic\.password")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(words, id=f"{place}-{words[0]}")
        for place, words in called("hoopgate")
        if not _NO_COMMAND.match(words[0])
    ],
)
def test_commands_that_a_page_shows_are_understood(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOPGATE_CONFIG", "hoopgate.toml")
    assert parser(words[0]).parse_args(words).command == words[0]


def test_targets_that_a_page_shows_are_there() -> None:
    made = re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    asked = {words[0] for _, words in called("make")}
    asked |= {one for page in PAGES for one in re.findall(r"`make ([a-z-]+)", page.read_text())}
    assert len(asked) > 8
    assert asked <= set(made)
