"""hoopgate.toml: what a valid file means, and what each mistake is answered with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from settings_file import REMOVE, File
from testbed.certificates import Certificates, write_private

from hoopgate.errors import SettingsError
from hoopgate.plans import Method
from hoopgate.settings.load import load, load_policy, needs_restart
from hoopgate.settings.model import (
    FileDirectory,
    LabelClass,
    LDAPDirectory,
    Limits,
    Recording,
    Secret,
    ServerTLS,
    TimeWindow,
    TLSMode,
)


@pytest.fixture
def file(tmp_path: Path, certificates: Certificates) -> File:
    return File(tmp_path, certificates)


# --- valid files -------------------------------------------------------------------------------


def test_a_label_may_name_several_columns_and_public_needs_no_kind(file: File) -> None:
    settings = file.load(
        labels=[
            {"resource": "clinic", "column": "a.b.c", "kind": "X"},
            {"resource": "clinic", "column": ["a.b.*", "a.c.*"], "level": "public"},
        ]
    )
    assert [(one.column, one.kind) for one in settings.policy.labels] == [
        ("a.b.c", "X"),
        ("a.b.*", "PUBLIC"),
        ("a.c.*", "PUBLIC"),
    ]
    assert settings.policy.unlabelled is LabelClass.SECRET
    assert file.load(policy__unlabelled="public").policy.unlabelled is LabelClass.PUBLIC


def test_defaults(file: File, tmp_path: Path) -> None:
    settings = file.load()
    pair = file.certificates.server
    assert settings.path == file.path
    assert settings.node.name == "gw.example"
    assert settings.node.metrics is None
    assert settings.limits == Limits()
    assert settings.recording == Recording(tmp_path / "state" / "log", "gw.example/hoopgate")
    assert settings.listeners[0].tls == ServerTLS(pair.certificate, pair.key)
    assert settings.listeners[0].authentication == "token"
    assert settings.issuers[0].algorithms == ("RS256", "ES256", "EdDSA")
    resource = settings.resources["clinic"]
    assert resource.target == "tcp:host=db.example:port=5432"
    assert resource.host == "db.example"
    assert resource.scope == "hoopgate:clinic"
    assert resource.password == Secret(file=tmp_path / "password")
    assert resource.tls.mode is TLSMode.VERIFY_FULL
    assert resource.phi
    label = settings.policy.labels[0]
    assert (label.level, label.method) == (LabelClass.SECRET, Method.REDACT)
    assert settings.directory == FileDirectory(
        {"analysts": frozenset({"agent"}), "reviewers": frozenset({"dana"})}
    )
    assert settings.embedded_issuer is None


def test_a_relative_path_on_the_command_line_survives_a_change_of_directory(
    file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write({})
    monkeypatch.chdir(file.directory)
    settings = load(Path("hoopgate.toml"))
    monkeypatch.chdir("/")
    assert load_policy(settings.path) == settings.policy


def test_numbers_carry_their_unit(file: File) -> None:
    settings = file.load(
        limits={"idle_time": "2h", "message_size": "8MiB", "cancels_per_second": 5},
        recording={"checkpoint_time": "50ms", "window_size": "64KiB", "window_time": "20ms"},
        node__drain_time="1m",
    )
    assert settings.limits == Limits(
        idle_seconds=7200.0, message_bytes=8 * 2**20, cancels_per_second=5.0
    )
    assert settings.recording.checkpoint_ms == 50
    assert (settings.recording.window_bytes, settings.recording.window_ms) == (65536, 20)
    assert settings.node.drain_seconds == 60.0


def test_ldap(file: File) -> None:
    settings = file.load(
        directory={
            "kind": "ldap",
            "url": "ldaps://ldap.example",
            "base": "dc=example",
            "bind_dn": "cn=gateway",
            "bind_password": {"environment": "LDAP_PASSWORD"},
            "ca_file": str(file.certificates.ca),
            "timeout": "2s",
            "cache_time": "30s",
        }
    )
    assert settings.directory == LDAPDirectory(
        url="ldaps://ldap.example",
        base="dc=example",
        bind_dn="cn=gateway",
        bind_password=Secret(environment="LDAP_PASSWORD"),
        ca_file=file.certificates.ca,
        timeout=2.0,
        cache_seconds=30.0,
    )


def test_rules(file: File) -> None:
    rule = {
        "name": "export",
        "verdict": "approve",
        "reviewers": ["reviewers"],
        "expires": "5m",
        "match": {
            "resources": ["cli*"],
            "issuers": ["login"],
            "labels": ["SSN"],
            "relations": ["public.*"],
            "times": {"days": ["mon", "fri"], "from": "08:30", "to": "24:00", "zone": "UTC"},
        },
    }
    found = file.load(rules=[rule]).policy.rules[0]
    assert found.expires == 300.0
    assert found.reviewers == {"reviewers"}
    assert found.match.issuers == {"https://login.example"}
    assert found.match.relations == {"public.*"}
    assert found.match.times == TimeWindow(frozenset({0, 4}), 510, 1440, "UTC")


def test_a_message_may_be_laid_out(file: File) -> None:
    told = "Exports need a person.\n    Ask in #data.\n"
    rule = {"name": "x", "verdict": "block", "message": told, "remedy": "Ask."}
    found = file.load(rules=[rule]).policy.rules[0]
    assert (found.message, found.remedy) == ("Exports need a person. Ask in #data.", "Ask.")
    (problem,) = file.problems({"rules": [{**rule, "message": "a\x1b[31mb"}]})
    assert problem.startswith("rules[0].message: a control character in it; write")
    (problem,) = file.problems({"rules": [{**rule, "message": "\n"}]})
    assert problem.startswith("rules[0].message: empty; write")


@pytest.mark.parametrize(
    ("target", "endpoint", "host"),
    [
        ("10.0.0.1:5433", "tcp:host=10.0.0.1:port=5433", "10.0.0.1"),
        ("[2001:db8::1]:5432", r"tcp:host=2001\:db8\:\:1:port=5432", "2001:db8::1"),
        ("tcp:db.example:5432", "tcp:db.example:5432", "db.example"),
        ("tcp:host=db.example:port=5432", "tcp:host=db.example:port=5432", "db.example"),
    ],
)
def test_targets(file: File, target: str, endpoint: str, host: str) -> None:
    resource = file.load(resources__0__target=target).resources["clinic"]
    assert (resource.target, resource.host) == (endpoint, host)


def test_a_unix_socket_has_no_tls(file: File) -> None:
    target = "unix:/run/postgresql/.s.PGSQL.5432"
    problem = file.problems({"resources.0.target": target})
    assert problem == ['resources[0].tls.mode: a unix socket has no TLS; write "disable"']
    settings = file.load(resources__0__target=target, resources__0__tls={"mode": "disable"})
    assert settings.resources["clinic"].host == ""


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp:5432:interface=127.0.0.1",
        r"tcp6:5432:interface=\:\:1",
        "unix:/run/hoopgate/.s.PGSQL.5432",
        "systemd:domain=UNIX:index=0",
    ],
)
def test_plaintext_stays_on_the_machine(file: File, endpoint: str) -> None:
    changes = {"listeners__0__tls": REMOVE, "listeners__0__endpoint": endpoint}
    assert file.load(**changes).listeners[0].tls is None


def test_oauthbearer_clients_are_sent_to_an_issuer(file: File) -> None:
    """PROTOCOLS A12: to the one that is named, or to the only one."""
    assert file.load().listeners[0].issuer_url == ""
    settings = file.load(listeners__0__authentication="oauthbearer")
    assert settings.listeners[0].issuer_url == settings.issuers[0].url
    second = {"name": "second", "url": "https://second.example", "audiences": ["gw"]}
    file.valid["issuers"].append(second)
    with pytest.raises(
        SettingsError, match=r"listeners\[0\]\.issuer: missing: which of the issuers"
    ):
        file.load(listeners__0__authentication="oauthbearer")
    settings = file.load(listeners__0__authentication="oauthbearer", listeners__0__issuer="second")
    assert settings.listeners[0].issuer_url == "https://second.example"


def test_systemd_sockets_are_not_opened(file: File) -> None:
    endpoint = "systemd:domain=INET:index=0"
    assert file.load(listeners__0__endpoint=endpoint).listeners[0].endpoint == endpoint


# --- mistakes ----------------------------------------------------------------------------------

MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"node.name": REMOVE}, 'node.name: missing; write name = "gw-1.example.org"'),
    ({"node.name": ""}, 'node.name: empty; write "gw-1.example.org"'),
    ({"node.name": 3}, "node.name: an integer where a string belongs; write"),
    ({"node.nmae": "x"}, "node.nmae: unknown key; write name"),
    ({"listners": []}, "listners: unknown key; write listeners"),
    ({"node.drain_time": 30}, "node.drain_time: an integer where a string belongs; write a string"),
    ({"node.drain_time": "30"}, 'node.drain_time: "30" is not understood; write a number and'),
    ({"node.drain_time": "0s"}, "node.drain_time: must be more than zero"),
    ({"node.workers": 0}, "node.workers: 0 is too small; write 1 or more"),
    ({"node.workers": True}, "node.workers: a boolean where an integer belongs"),
    ({"node.metrics": "tcp:9187"}, "node.metrics: reachable from other machines"),
    ({"node.state_dir": "/nowhere/at/all"}, "node.state_dir: no such directory /nowhere/at"),
    ({"limits.message_size": "64 megs"}, 'limits.message_size: "64 megs" is not understood'),
    ({"limits.cancels_per_second": -1}, "limits.cancels_per_second: -1 is not a positive number"),
    ({"recording.origin": "my log"}, "recording.origin: a space or a plus in it"),
    ({"listeners": []}, "listeners: missing: nobody could connect"),
    ({"listeners.0.protocol": "postgre"}, 'listeners[0].protocol: "postgre" is not known; write p'),
    ({"listeners.0.endpoint": "tcp:abc"}, 'listeners[0].endpoint: "tcp:abc" is no endpoint string'),
    ({"listeners.0.endpoint": "5432"}, 'listeners[0].endpoint: "5432" is no endpoint known here'),
    ({"listeners.0.endpoint": "tcp:1:wrong=2"}, "listeners[0].endpoint: "),
    ({"listeners.0.endpoint": "ssl:5432"}, "listeners[0].endpoint: ssl: encrypts below"),
    ({"listeners.0.endpoint": "systemd:index=0"}, "listeners[0].endpoint: domain and index"),
    ({"listeners.0.tls": REMOVE}, "listeners[0].tls: missing: tokens would cross the network"),
    ({"listeners.0.tls": "on"}, "listeners[0].tls: a string where a table belongs"),
    ({"listeners.0.tls.key": REMOVE}, "listeners[0].tls.key: missing"),
    ({"listeners.0.tls.key": "nope"}, "listeners[0].tls.key: no such file"),
    (
        {"listeners.0.issuer": "test"},
        'listeners[0].issuer: has no meaning for authentication "token"; write authentication = ',
    ),
    (
        {"listeners.0.authentication": "oauthbearer", "listeners.0.issuer": "nobody"},
        'listeners[0].issuer: "nobody" is not known',
    ),
    ({"listeners.0.resources": []}, "listeners[0].resources: an empty list says nothing"),
    (
        {"listeners.0.resources": ["clinc"]},
        'listeners[0].resources: "clinc" is not known; write cl',
    ),
    (
        {"listeners.0.resources": ["clinic"] * 2},
        'listeners[0].resources: "clinic" is in the list tw',
    ),
    ({"listeners.0.resources": [1]}, "listeners[0].resources: something in the list is not a str"),
    ({"listeners.0.authentication": "md5"}, 'listeners[0].authentication: "md5" is not known'),
    ({"listeners.0.name": "a b"}, 'listeners[0].name: "a b" is no name'),
    ({"issuers": []}, "issuers: missing: no token would be accepted"),
    ({"issuers.0.url": "http://login.example"}, "issuers[0].url: http to another machine"),
    ({"issuers.0.url": "login.example"}, 'issuers[0].url: "login.example" is no https URL'),
    ({"issuers.0.url": "https://[::1"}, 'issuers[0].url: "https://[::1" is no https URL'),
    ({"issuers.0.jwks_url": "http://x.example"}, "issuers[0].jwks_url: http to another machine"),
    ({"issuers.0.algorithms": ["HS256"]}, 'issuers[0].algorithms: "HS256" is not known'),
    ({"issuers.0.algorithms": ["none"]}, 'issuers[0].algorithms: "none" is not known'),
    ({"issuers.0.audiences": REMOVE}, "issuers[0].audiences: missing"),
    ({"resources": []}, "resources: missing"),
    ({"resources.0.target": "db.example"}, 'resources[0].target: "db.example" is no address'),
    ({"resources.0.target": "db.example:0"}, "resources[0].target: "),
    ({"resources.0.target": "tls:db.example:5432"}, "resources[0].target: TLS to a backend is set"),
    ({"resources.0.credentials": REMOVE}, "resources[0].credentials: missing"),
    ({"resources.0.credentials.user": REMOVE}, "resources[0].credentials.user: missing"),
    (
        {"resources.0.credentials.password": {}},
        "resources[0].credentials.password: not exactly one",
    ),
    (
        {"resources.0.credentials.password.environment": "X"},
        "resources[0].credentials.password: not exactly one source",
    ),
    (
        {"resources.0.credentials.password": {"command": ["no-such-program"]}},
        "resources[0].credentials.password.command: no-such-program is no program",
    ),
    (
        {"resources.0.tls": {"mode": "disable"}},
        "resources[0].tls.mode: PHI would cross the network",
    ),
    ({"resources.0.tls": {"mode": "prefer"}}, 'resources[0].tls.mode: "prefer" is not known'),
    ({"directory.kind": "nis"}, 'directory.kind: "nis" is not known'),
    ({"directory.groups.analysts": "agent"}, "directory.groups.analysts: a string where a list"),
    ({"labels.0.resource": "clinc"}, 'labels[0].resource: "clinc" is not known; write clinic'),
    ({"labels.0.column": "ssn"}, 'labels[0].column: "ssn" is not three names'),
    ({"labels.0.method": "hide"}, 'labels[0].method: "hide" is not known'),
    ({"labels.0.level": "top"}, 'labels[0].level: "top" is not known'),
    ({"resources.0.phi": False}, 'labels[0].resource: "clinic" is set to hold no PHI'),
    ({"policy.packs": ["hipaa"]}, 'policy.packs: "hipaa" is not known'),
    ({"policy.guards": ["no.such:thing"]}, 'policy.guards: "no.such:thing" cannot be loaded'),
    ({"policy.guards": ["os:sep"]}, 'policy.guards: "os:sep" is not callable'),
    ({"rules.0.verdict": "permit"}, 'rules[0].verdict: "permit" is not known'),
    ({"rules.0.verdict": REMOVE}, 'rules[0].verdict: missing; write verdict = "allow" or "block"'),
    ({"rules.0.verdict": "approve"}, "rules[0].reviewers: missing: nobody could approve"),
    (
        {"rules.0.reviewers": ["reviewers"]},
        'rules[0].reviewers: has no meaning for verdict "allow"',
    ),
    ({"rules.0.monitor": True}, "rules[0].monitor: an allow has nothing to report"),
    ({"rules.0.overrides": ["hipaa-baseline/x"]}, 'rules[0].overrides: "hipaa-baseline/x" is not'),
    (
        {"rules.0.match.groups": ["analyst"]},
        'rules[0].match.groups: "analyst" is not known; write a',
    ),
    ({"rules.0.match.groups": []}, "rules[0].match.groups: an empty list says nothing"),
    ({"rules.0.match.resources": ["x*"]}, 'rules[0].match.resources: "x*" is not known'),
    ({"rules.0.match.labels": ["SNN"]}, 'rules[0].match.labels: "SNN" is not known; write one of'),
    (
        {"rules.0.match.issuers": ["logn"]},
        'rules[0].match.issuers: "logn" is not known; write login',
    ),
    (
        {"rules.0.match.classes": ["reads"]},
        'rules[0].match.classes: "reads" is not known; write r',
    ),
    (
        {"rules.0.match.flags": ["nowhere"]},
        'rules[0].match.flags: "nowhere" is not known; write n',
    ),
    ({"rules.0.match.group": ["x"]}, "rules[0].match.group: unknown key; write groups"),
    ({"rules.0.match.times": {"days": ["monday"]}}, 'rules[0].match.times.days: "monday" is not'),
    ({"rules.0.match.times": {"from": "8:00"}}, 'rules[0].match.times.from: "8:00" is no time of'),
    (
        {"rules.0.match.times": {"from": "22:00", "to": "06:00"}},
        "rules[0].match.times.to: not after from",
    ),
    (
        {"rules.0.match.times": {"zone": "Mars"}},
        'rules[0].match.times.zone: "Mars" is no time zone',
    ),
    (
        {"rules.1": {"name": "read", "verdict": "allow"}},
        'rules[1].name: two rules are called "read"',
    ),
    ({"embedded_issuer": {"file": "nope"}}, "embedded_issuer.file: no such file"),
]


@pytest.mark.parametrize(
    ("changes", "expected"), MISTAKES, ids=[expected.partition(";")[0] for _, expected in MISTAKES]
)
def test_a_mistake_names_key_fault_and_remedy(
    file: File, changes: dict[str, Any], expected: str
) -> None:
    problems = file.problems(changes)
    assert any(problem.startswith(expected) for problem in problems), problems
    assert all("; write " in problem for problem in problems)


@pytest.mark.parametrize("changes", [changes for changes, _ in MISTAKES])
def test_one_mistake_is_one_or_two_lines(file: File, changes: dict[str, Any]) -> None:
    # Where one thing is missing, what refers to it may be reported too; never a cascade.
    assert len(file.problems(changes)) <= 3


def test_all_mistakes_at_once(file: File) -> None:
    problems = file.problems(
        {"node.name": REMOVE, "issuers.0.algorithms": ["HS256"], "rules.0.match.groups": ["x"]}
    )
    assert [problem.partition(":")[0] for problem in problems] == [
        "node.name",
        "issuers[0].algorithms",
        "rules[0].match.groups",
    ]


LDAP = {"kind": "ldap", "url": "ldaps://ldap.example", "base": "dc=example"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"url": "ldap://ldap.example"}, "directory.url: ldap to another machine"),
        ({"url": "https://ldap.example"}, 'directory.url: "https://ldap.example" is no ldaps URL'),
        ({"start_tls": True}, "directory.start_tls: ldaps is encrypted from the first byte"),
        ({"user_filter": "(uid=x)"}, "directory.user_filter: no {subject} in it"),
        ({"bind_dn": "cn=x"}, "directory.bind_dn: bind_dn and bind_password go together"),
        ({"groups": "nested"}, 'directory.groups: "nested" is not known'),
        ({"nested": 0}, "directory.nested: 0 is too small"),
    ],
)
def test_ldap_mistakes(file: File, change: dict[str, Any], expected: str) -> None:
    assert file.problems({"directory": LDAP | change})[0].startswith(expected)


def test_ldap_with_start_tls_or_on_loopback(file: File) -> None:
    for change in ({"url": "ldap://ldap.example", "start_tls": True}, {"url": "ldap://127.0.0.1"}):
        assert isinstance(file.load(directory=LDAP | change).directory, LDAPDirectory)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"node = [", "not TOML"),
        (b"\xff\xfe", "not UTF-8"),
        (None, "no such file"),
    ],
)
def test_unreadable_files(file: File, content: bytes | None, expected: str) -> None:
    if content is not None:
        file.path.write_bytes(content)
    with pytest.raises(SettingsError, match=expected):
        load(file.path)


# --- files that the settings name --------------------------------------------------------------


def test_the_secret_is_for_us_alone(file: File) -> None:
    (file.directory / "password").chmod(0o644)
    (problem,) = file.problems({})
    assert "resources[0].credentials.password.file: " in problem
    assert "is open to all users; write its mode anew: chmod o= " in problem
    (file.directory / "password").chmod(0o640)
    file.load()


def test_an_empty_secret_is_none(file: File) -> None:
    (file.directory / "password").write_bytes(b"")
    assert "is empty" in file.problems({})[0]


def _expired(certificates: Certificates, _: Path) -> tuple[Path, Path]:
    pair = certificates.issue("expired", days=-1)
    return pair.certificate, pair.key


def _early(certificates: Certificates, _: Path) -> tuple[Path, Path]:
    pair = certificates.issue("early", days=60)
    return pair.certificate, pair.key


def _mixed(certificates: Certificates, _: Path) -> tuple[Path, Path]:
    return certificates.server.certificate, certificates.issue("other").key


def _open_key(certificates: Certificates, _: Path) -> tuple[Path, Path]:
    pair = certificates.issue("open")
    os.chmod(pair.key, 0o604)
    return pair.certificate, pair.key


def _garbage(certificates: Certificates, directory: Path) -> tuple[Path, Path]:
    (directory / "garbage").write_text("nothing")
    return directory / "garbage", certificates.server.key


def _garbage_key(certificates: Certificates, directory: Path) -> tuple[Path, Path]:
    write_private(directory / "garbage", b"nothing")
    return certificates.server.certificate, directory / "garbage"


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (_expired, "tls.certificate: .* expired on"),
        (_early, "tls.certificate: .* is not valid before"),
        (_mixed, "tls.key: .* does not belong to the certificate"),
        (_open_key, "tls.key: .* is open to all users"),
        (_garbage, "tls.certificate: .* holds no PEM certificate"),
        (_garbage_key, "tls.key: .* holds no PEM private key"),
    ],
)
def test_tls_material(file: File, make: Any, expected: str) -> None:
    certificate, key = make(file.certificates, file.directory)
    tls = {"certificate": str(certificate), "key": str(key)}
    with pytest.raises(SettingsError, match=expected) as caught:
        file.load(listeners__0__tls=tls)
    assert len(caught.value.problems) == 1


def test_a_backend_by_client_certificate(file: File) -> None:
    pair = file.certificates.issue("gateway", client=True)
    credentials = {"user": "gateway", "certificate": str(pair.certificate), "key": str(pair.key)}
    resource = file.load(resources__0__credentials=credentials).resources["clinic"]
    assert resource.certificate == ServerTLS(pair.certificate, pair.key)
    assert resource.password is None


# --- reloading and the digest ------------------------------------------------------------------


def test_the_digest_names_what_judges(file: File) -> None:
    digest = file.load().policy.digest
    assert len(digest) == 64
    assert file.load(node__drain_time="5s", limits={"sessions": 5}).policy.digest == digest
    others = [
        file.load(policy__min_group=11).policy.digest,
        file.load(labels__0__kind="ID").policy.digest,
        file.load(rules__0__verdict="block").policy.digest,
        file.load(policy__guards=["dataclasses:make_dataclass"]).policy.digest,
    ]
    assert len({digest, *others}) == 5


def test_the_digest_is_of_the_meaning_not_the_layout(file: File) -> None:
    groups = {"a": ["x"], "b": ["x"]}
    first = file.load(directory__groups=groups, rules__0__match__groups=["a", "b"]).policy.digest
    file.write({"directory.groups": groups, "rules.0.match.groups": ["b", "a"]})
    file.path.write_text("# a comment\n" + file.path.read_text())
    assert load(file.path).policy.digest == first


def test_the_order_of_rules_is_part_of_the_digest(file: File) -> None:
    one, two = ({"name": name, "verdict": "block"} for name in ("one", "two"))
    assert file.load(rules=[one, two]).policy.digest != file.load(rules=[two, one]).policy.digest


def test_a_reload_takes_the_policy_and_says_what_it_leaves(file: File) -> None:
    running = file.load()
    assert needs_restart(running) == ()
    file.write({"rules.0.name": "renamed", "node.drain_time": "5s", "limits.sessions": 5})
    policy = load_policy(running.path)
    assert policy.rules[0].name == "renamed"
    assert policy.digest != running.policy.digest
    assert needs_restart(running) == ("node", "limits")


def test_a_reload_needs_no_secrets(file: File) -> None:
    running = file.load()
    (file.directory / "password").unlink()
    assert load_policy(running.path) == running.policy
    with pytest.raises(SettingsError):
        load(running.path)


def test_a_bad_reload_raises(file: File) -> None:
    running = file.load()
    file.write({"rules.0.verdict": "permit"})
    with pytest.raises(SettingsError, match="permit"):
        load_policy(running.path)


def test_settings_hold_no_secret(file: File) -> None:
    assert "hunter2" not in repr(file.load())
