"""Mistakes as operators make them: each is told with its file, its key and what to write there."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from settings_file import REMOVE, File
from testbed.certificates import Certificates

from hoopgate.cli import check

LDAP = {"kind": "ldap", "url": "ldaps://ldap.example", "base": "dc=example"}


@pytest.fixture
def file(tmp_path: Path, certificates: Certificates) -> File:
    return File(tmp_path, certificates)


def run(path: Path) -> int:
    parser = argparse.ArgumentParser()
    check.add(parser.add_subparsers())
    options = parser.parse_args(["check", "--config", str(path)])
    status: int = options.run(options)
    return status


def ldap(**changes: Any) -> dict[str, Any]:
    return {"directory": LDAP | changes}


MISTAKES: list[tuple[dict[str, Any], str]] = [
    # names and words
    ({"node.drain_tiem": "3s"}, "node.drain_tiem: unknown key; write drain_time"),
    ({"polciy": {}}, "polciy: unknown key; write policy"),
    ({"listeners.0.resource": ["clinic"]}, "listeners[0].resource: unknown key; write resources"),
    ({"listeners.0.tls.cert": "x"}, "listeners[0].tls.cert: unknown key; write one of certif"),
    ({"issuers.0.algorithms": ["rs256"]}, 'issuers[0].algorithms: "rs256" is not known; write RS'),
    ({"rules.0.match.groups": ["Analysts"]}, 'rules[0].match.groups: "Analysts" is not known; w'),
    ({"rules.0.match.classes": ["SELECT"]}, '.classes: "SELECT" is not known; write read'),
    ({"rules.0.match.classes": ["drop"]}, '.classes: "drop" is not known; write ddl'),
    ({"listeners.0.protocol": "postgresql"}, '.protocol: "postgresql" is not known; write postgr'),
    ({"resources.0.tls": {"mode": "verify_full"}}, '"verify_full" is not known; write verify-full'),
    ({"policy.packs": ["hipaa-baselin"]}, '"hipaa-baselin" is not known; write hipaa-baseline'),
    # types
    ({"rules.0.match.times": {"from": 8}}, ".times.from: an integer where a string belongs; wr"),
    (
        {"resources.0.credentials.password": "hunter2"},
        "resources[0].credentials.password: a string where a table belongs; write { file = ",
    ),
    ({"limits.sessions": 10**26}, "limits.sessions: too large; write 2147483647 or less"),
    ({"limits.idle_time": "40000d"}, "limits.idle_time: longer than a century; write e.g."),
    ({"limits.message_size": "4GiB"}, "limits.message_size: no protocol sends as much; write"),
    ({"limits.message_size": "1B"}, "limits.message_size: no client could work with it; write"),
    ({"limits.startup_size": "4B"}, "limits.startup_size: no client could work with it; write"),
    # what cannot be seen
    ({"node.state_dir": "/a\0b"}, "node.state_dir: a control character or a line break in it"),
    ({"listeners.0.tls.certificate": "a\0"}, ".certificate: a control character or a line break"),
    ({"resources.0.credentials.password.file": "a\nb"}, ".file: a control character or a line"),
    (
        {"resources.0.credentials.password": {"command": ["a\0b"]}},
        ".command: a control character or a line break in it; write",
    ),
    # where it listens
    ({"listeners.0.endpoint": "tcp:99999"}, "listeners[0].endpoint: 99999 is no port; write a p"),
    ({"listeners.0.endpoint": "tcp:-1"}, "listeners[0].endpoint: -1 is no port; write a port"),
    (
        {"listeners.0.endpoint": "tcp:5432:interface=999.1.1.1"},
        'listeners[0].endpoint: "999.1.1.1" is no address of this machine; write "interface=1',
    ),
    (
        {"listeners.0.endpoint": "unix:/" + "x" * 200},
        "listeners[0].endpoint: the path is too long; write one of 107 bytes at most",
    ),
    ({"listeners.0.endpoint": "0.0.0.0:5432"}, '"0.0.0.0:5432" is no endpoint known here; write'),
    (
        {"node.metrics": "tcp:5432:interface=127.0.0.1"},
        "node.metrics: listeners[0].endpoint listens there; write another port",
    ),
    # whom it asks
    ({"issuers.0.url": "http://login.example"}, "issuers[0].url: http to another machine; write"),
    ({"issuers.0.url": "https://login.example "}, "issuers[0].url: "),
    ({"issuers.0.url": "https://x.example/?a=1"}, "issuers[0].url: an issuer has no query"),
    ({"issuers.0.url": "https://x.example:99999"}, "issuers[0].url: "),
    ({"issuers.0.jwks_url": "file:///etc/keys"}, "issuers[0].jwks_url: "),
    ({"issuers.0.leeway": "10m"}, 'issuers[0].leeway: longer than a minute; write "60s" or less'),
    (ldap(url="ldap://ldap.example"), "directory.url: ldap to another machine; write ldaps://"),
    (ldap(url="ldaps://ldap.example/dc=x"), "directory.url: a path in it: where to search is"),
    (ldap(url="https://ldap.example", start_tls=True), "directory.url: "),
    (ldap(base="the clinic"), 'directory.base: "the clinic" is no distinguished name; write "dc'),
    (ldap(group_base="x"), 'directory.group_base: "x" is no distinguished name; write "dc='),
    (ldap(user_filter="(uid={subject}"), "directory.user_filter: "),
    (ldap(user_filter="(&(uid={subject})({x}))"), ".user_filter: nothing is filled in for {x}; w"),
    (ldap(group_filter="member={dn}"), "directory.group_filter: "),
    (ldap(starttls=True), "directory.starttls: unknown key; write start_tls"),
    (ldap(kind=None), 'directory.kind: missing: groups are read from this file; write kind = "'),
    # backends
    ({"resources.0.target": "postgres://db.example/phi"}, "resources[0].target: "),
    ({"resources.0.target": "db example:5432"}, "resources[0].target: "),
    ({"resources.0.target": "300.1.1.1:5432"}, "resources[0].target: "),
    ({"resources.0.tls": {"ca_file": "nope.pem"}}, "resources[0].tls.ca_file: no such file"),
    ({"resources.0.parameters": ["role"]}, '.parameters: "role" is never a client\'s to set; wr'),
    ({"resources.0.parameters": ["a b"]}, '.parameters: "a b" is no name of a parameter; write'),
    (
        {"resources.0.credentials.password": {"environment": "A=B"}},
        ".password.environment: a variable's name has no equals sign; write",
    ),
    # rules and labels
    ({"rules.0.overrides": ["hipaa-baseline/ddl"]}, '"hipaa-baseline/ddl" is not known; write a'),
    ({"rules.0.match.times": {"zone": "../../etc/passwd"}}, ".times.zone: "),
    ({"rules.0.match.times": {"from": "25:00"}}, '.times.from: "25:00" is no time of day; write'),
    ({"labels.0.kind": REMOVE}, 'labels[0].kind: missing; write kind = "SSN"'),
    ({"policy.guards": ["nope"]}, 'policy.guards: "nope" cannot be loaded (ModuleNotFound'),
    # the log
    ({"recording": {"directory": "/nope/a/b"}}, "recording.directory: no such directory /nope/a"),
    ({"embedded_issuer": {"file": "x.toml"}}, "embedded_issuer.file: no such file"),
]


@pytest.mark.parametrize(
    ("changes", "expected"),
    MISTAKES,
    ids=[f"{n}-{next(iter(c))}" for n, (c, _) in enumerate(MISTAKES)],
)
def test_a_mistake(
    file: File, changes: dict[str, Any], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if changes.get("directory", {}).get("kind", "") is None:
        changes = {"directory": {k: v for k, v in changes["directory"].items() if k != "kind"}}
    assert run(file.write(changes)) == 1
    out, told = capsys.readouterr()
    assert out == ""
    lines = told.splitlines()
    assert any(expected in line for line in lines), told
    assert all(line.startswith(f"{file.path}: ") and "; write " in line for line in lines)
    assert len(set(lines)) == len(lines)
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (
            lambda text: b"\xef\xbb\xbf" + text.encode(),
            "begins with a byte order mark; write UTF-8",
        ),
        (lambda text: text.encode("utf-16"), "not UTF-8; write TOML"),
        (lambda text: b"x = " + b"[" * 100_000, "lists or tables too deep; write fewer levels"),
        (lambda text: text.replace("[node]", '[node]\nname = "x"').encode(), "not TOML: Cannot"),
        (lambda text: text.replace("[[listeners]]", "[listeners]").encode(), "listeners: a table "),
        (lambda text: text.replace('"gw.example"', "2026-01-01").encode(), "node.name: a date whe"),
    ],
    ids=["BOM", "UTF-16", "deep", "twice", "no list", "a date"],
)
def test_a_file_that_is_damaged(
    file: File,
    damage: Callable[[str], bytes],
    expected: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file.write({})
    file.path.write_bytes(damage(file.path.read_text()))
    assert run(file.path) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"{file.path}: {expected}")
    assert "; write " in lines[0]


def test_a_mistake_in_the_embedded_issuer_s_own_file(
    file: File, capsys: pytest.CaptureFixture[str]
) -> None:
    issuer = file.directory / "issuer.toml"
    issuer.write_text('url = "http://issuer.example"\n')
    assert run(file.write({"embedded_issuer": {"file": "issuer.toml"}})) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert all(line.startswith(f"{issuer}: ") for line in lines)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("tcp:5432", "tcp:5432:interface=10.0.0.1"),
        ("tcp:5432:interface=10.0.0.1", "tcp:port=5432:interface=10.0.0.1"),
        ("unix:/run/pg", "unix:/run/pg"),
        ("systemd:domain=INET:index=0", "systemd:domain=INET:index=0"),
    ],
)
def test_two_listeners_at_one_place(file: File, one: str, other: str) -> None:
    second = {**file.valid["listeners"][0], "name": "b", "endpoint": other}
    (problem,) = file.problems({"listeners.0.endpoint": one, "listeners.1": second})
    expected = "listeners[1].endpoint: listeners[0].endpoint listens there; write another port"
    assert problem.startswith(expected)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("tcp:5432", "tcp:5433"),
        ("tcp:0", "tcp:0"),
        ("tcp:5432:interface=10.0.0.1", "tcp:5432:interface=10.0.0.2"),
        ("systemd:domain=INET:index=0", "systemd:domain=INET:index=1"),
    ],
)
def test_two_listeners_at_two(file: File, one: str, other: str) -> None:
    second = {**file.valid["listeners"][0], "name": "b", "endpoint": other}
    file.load(listeners__0__endpoint=one, listeners__1=second)


NEVER = "note: rules[0] read never matches"


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        (
            {"rules.0.match.http": {"method": ["GET"]}},
            f"{NEVER}: it is about http, and its resources speak postgres",
        ),
        (
            {"rules.0.match.classes": ["fhir.read", "sftp.read"]},
            f"{NEVER}: it is about http or ssh, and its resources speak postgres",
        ),
        ({"rules.0.match.relations": ["a.b.c"]}, f"{NEVER} a.b.c: a relation is schema.name"),
        (
            {
                "rules.0": {"name": "all", "verdict": "block"},
                "rules.1": {"name": "b", "verdict": "block"},
            },
            "note: rules[1] b never has a say: rules[0] all blocks everything before it",
        ),
        (
            {"rules.0.match": REMOVE},
            "note: rules[0] read allows everybody who may open a resource all that no rule blocks",
        ),
        (
            {"labels.0.column": "public.Patients.ssn"},
            "note: label public.Patients.ssn: PostgreSQL makes names small that are not in quotes: "
            "is it public.patients.ssn?",
        ),
        (
            {"resources.0.credentials.password": {"environment": "HOOPGATE_NOT_SET"}},
            "note: resource clinic: the variable HOOPGATE_NOT_SET is not set here",
        ),
        (
            {"issuers.0.maximum_lifetime": "72h"},
            "note: issuer login: tokens that are good for 3d are accepted",
        ),
        (
            {"issuers.0.types": ["at+jwt", "JWT"]},
            "note: issuer login: ID tokens have type JWT: only audiences keep them out",
        ),
        (
            {"recording": {"retention_time": "365d"}},
            "note: recording.retention_time is below the six years of 45 CFR 164.316(b)(2)(i)",
        ),
    ],
)
def test_what_was_hardly_meant(
    file: File, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], note: str
) -> None:
    assert run(file.write({})) == 0
    assert note not in capsys.readouterr().out
    assert run(file.write(changes)) == 0
    assert note in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    "changes",
    [
        {"rules.0.match.classes": ["read", "fhir.read"]},
        {"rules.0.match.relations": ["public.patients", "patients", "*.a.*"]},
        {"rules.1": {"name": "b", "verdict": "block"}},
    ],
)
def test_what_may_match_is_not_told(
    file: File, capsys: pytest.CaptureFixture[str], changes: dict[str, Any]
) -> None:
    assert run(file.write(changes)) == 0
    assert "never" not in capsys.readouterr().out


def test_an_address_of_another_machine(file: File, capsys: pytest.CaptureFixture[str]) -> None:
    endpoint = "tcp:5432:interface=192.0.2.1"
    assert run(file.write({"listeners.0.endpoint": endpoint})) == 0
    told = capsys.readouterr().out
    assert f"note: listener main: {endpoint} cannot be had now" in told
    assert "is it an address of this machine?" in told


def test_a_port_that_is_taken(file: File, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        endpoint = f"tcp:{other.getsockname()[1]}:interface=127.0.0.1"
        assert run(file.write({"listeners.0.endpoint": endpoint})) == 0
    told = capsys.readouterr().out
    assert f"note: listener main: {endpoint} cannot be had now (Address already in use)" in told
