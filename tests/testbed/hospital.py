"""A gateway with a resource of each protocol, and the endpoint that exchanges tokens."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from hoopgate.identity.client_secrets import hash_secret
from testbed.certificates import Certificates, write_private
from testbed.clinic import AGENT_PASSWORD, LABELS, SCHEMA
from testbed.clinic_mysql import labels as mysql_labels
from testbed.clinic_mysql import make_database
from testbed.gateway import Gateway
from testbed.issuer import TestIssuer, client
from testbed.mariadb import MariaDB
from testbed.ports import free_port
from testbed.postgres import Postgres
from testbed.sshd import SSHServer
from testbed.upstream import Upstream
from testbed.ward import FILES

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
OWN = "urn:hoopgate:params:oauth:token-type:"

AGENTS = {
    name: f"{name}-of-the-hospital"
    for name in ("planner", "executor", "helper", "stranger", "operator")
}
#: A person, with a password at the issuer.
PERSON, PERSON_PASSWORD = "rita", "rita-of-the-hospital"
DATABASE = "hospital"
RESOURCES = ("pg", "my", "ward", "web")
SCOPES = [f"hoopgate:{name}" for name in RESOURCES]
GROUPS = {
    "agents": ["planner", "executor", "helper", PERSON],
    "operators": ["operator"],
}
RULES: list[dict[str, Any]] = [
    {
        "name": "no-secrets",
        "verdict": "block",
        "match": {"resources": ["web"], "http": {"path": ["/secret*"]}},
        "reason": "path.secret",
        "message": "Nobody may go there.",
    },
    {
        "name": "writes",
        "verdict": "approve",
        "match": {"resources": ["pg", "my"], "classes": ["update"]},
        "reviewers": ["operators"],
        "expires": "2m",
        "message": "Writing needs a person.",
    },
    {
        "name": "publish",
        "verdict": "approve",
        "match": {"resources": ["web"], "http": {"path": ["/publish*"]}},
        "reviewers": ["operators"],
        "expires": "2m",
        "message": "Publishing needs a person.",
    },
    {"name": "agents", "verdict": "allow", "match": {"groups": ["agents"]}},
]
COMMANDS: list[dict[str, Any]] = [
    {"name": "identity", "programs": ["id", "true"]},
    {"name": "words", "programs": ["echo", "sleep"], "arguments": ["*"]},
]


class Hospital:
    """A running gateway with its issuer.

    :ivar ports: of the listeners, by name.
    :ivar url: of the exchange.
    """

    def __init__(
        self,
        gateway: Gateway,
        issuer: TestIssuer,
        ports: Mapping[str, int],
        url: str,
        postgres: Postgres,
        mariadb: MariaDB,
    ) -> None:
        self.gateway = gateway
        self.issuer = issuer
        self.ports = ports
        self.url = url
        self.postgres = postgres
        self.mariadb = mariadb
        self.ca: Path = gateway.certificates.ca
        self._tls = ssl.create_default_context(cafile=self.ca)

    def token(self, who: str = "executor", *scopes: str) -> str:
        """A fresh token of the issuer's."""
        return self.issuer.token(who, resources=["hoopgate"], scopes=scopes)

    def ask(
        self, path: str, form: Mapping[str, str] | None = None, token: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON of the exchange's answer."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        body = None
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(form)
        port = int(self.url.rpartition(":")[2])
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=self._tls)
        try:
            connection.request("GET" if form is None else "POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def exchange(self, resource: str, who: str = "executor", **more: str) -> dict[str, Any]:
        """A credential of ``who`` for a resource; it has to be given."""
        status, page = self.try_exchange(resource, who, **more)
        assert status == 200, page
        return page

    def try_exchange(
        self, resource: str, who: str = "executor", **more: str
    ) -> tuple[int, dict[str, Any]]:
        """Ask for one."""
        form = {
            "grant_type": GRANT,
            "subject_token_type": ACCESS,
            "resource": resource,
            **({} if "subject_token" in more else {"subject_token": self.token(who)}),
            **more,
        }
        return self.ask("/token", {name: value for name, value in form.items() if value})

    def revoke(self, credential: str, who: str = "executor") -> tuple[int, dict[str, Any]]:
        """End a credential by its name."""
        return self.ask("/revoke", {"token": credential}, self.token(who))


@contextmanager
def running_hospital(
    directory: Path,
    certificates: Certificates,
    postgres: Postgres,
    mariadb: MariaDB,
    *,
    adjust: Callable[[dict[str, Any]], None] = lambda settings: None,
) -> Iterator[Hospital]:
    """Make the databases, start servers, issuer and gateway.

    :param adjust: changes the settings before the gateway starts.
    """
    postgres.create_database(DATABASE, SCHEMA.read_text())
    postgres.psql(f"ALTER ROLE agent PASSWORD '{AGENT_PASSWORD}'", DATABASE)
    make_database(mariadb, DATABASE)
    clients: dict[str, Any] = {
        name: client(secret, scopes=SCOPES) for name, secret in AGENTS.items()
    }
    clients["planner"]["claims"] = {"may_act": {"sub": "executor"}}
    clients["executor"]["claims"] = {"act": {"sub": "orchestrator"}}
    clients["stranger"]["scopes"] = ["other"]
    clients["cli"] = client(scopes=SCOPES, device=True, refresh=3600)
    users = {PERSON: {"password_hash": hash_secret(PERSON_PASSWORD), "scopes": SCOPES}}
    with (
        SSHServer(None, FILES) as sshd,
        Upstream(directory) as upstream,
        TestIssuer(clients, AGENTS, certificates, users=users) as issuer,
    ):
        listeners, ports = _listeners(certificates)
        port = free_port()
        url = f"https://127.0.0.1:{port}"
        console = free_port()
        settings = {
            "node": {
                "name": "gw.testbed.example",
                "state_dir": str(directory / "state"),
                "metrics": f"tcp:{free_port()}:interface=127.0.0.1",
                "drain_time": "2s",
            },
            "listeners": listeners,
            "exchange": {
                "endpoint": f"tcp:{port}:interface=127.0.0.1",
                "url": url,
                "tls": _pair(certificates),
                "operators": ["operators"],
            },
            "console": {
                "endpoint": f"tcp:{console}:interface=127.0.0.1",
                "url": f"https://127.0.0.1:{console}",
                "tls": _pair(certificates),
            },
            "issuers": [
                {
                    "name": "embedded",
                    "url": issuer.url,
                    "audiences": ["hoopgate"],
                    "ca_file": str(certificates.ca),
                }
            ],
            "limits": {"grace_time": "2s", "hold_time": "1s"},
            "directory": {"groups": GROUPS},
            "resources": _resources(directory, certificates, postgres, mariadb, sshd, upstream),
            "labels": [
                *({"resource": "pg", **label} for label in LABELS),
                *({"resource": "my", **label} for label in mysql_labels(DATABASE)),
            ],
            "commands": [{"resources": ["ward"], **one} for one in COMMANDS],
            "policy": {"packs": []},
            "rules": RULES,
        }
        adjust(settings)
        with Gateway(directory, settings, certificates) as gateway:
            yield Hospital(gateway, issuer, ports, url, postgres, mariadb)


def _pair(certificates: Certificates) -> dict[str, str]:
    return {
        "certificate": str(certificates.server.certificate),
        "key": str(certificates.server.key),
    }


def _listeners(certificates: Certificates) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """One for each protocol, and for the databases one for passwords and one for tokens."""
    kinds = {
        "pg": ("postgres", "pg", "scram"),
        "pg-token": ("postgres", "pg", "token"),
        "my": ("mariadb", "my", "credential"),
        "my-token": ("mariadb", "my", "token"),
        "ssh": ("ssh", "ward", ""),
        "http": ("http", "web", ""),
    }
    ports = {name: free_port() for name in kinds}
    listeners = []
    for name, (protocol, resource, authentication) in kinds.items():
        table: dict[str, Any] = {
            "name": name,
            "protocol": protocol,
            "endpoint": f"tcp:{ports[name]}:interface=127.0.0.1",
            "resources": [resource],
        }
        if authentication:
            table["authentication"] = authentication
        if protocol != "ssh":
            table["tls"] = _pair(certificates)
        listeners.append(table)
    return listeners, ports


def _resources(
    directory: Path,
    certificates: Certificates,
    postgres: Postgres,
    mariadb: MariaDB,
    sshd: SSHServer,
    upstream: Upstream,
) -> list[dict[str, Any]]:
    secret = directory / "backend.password"
    write_private(secret, AGENT_PASSWORD.encode())
    account = {"user": "agent", "password": {"file": str(secret)}}
    tls = {"mode": "verify-full", "ca_file": str(certificates.ca)}
    return [
        {
            "name": "pg",
            "protocol": "postgres",
            "target": f"{postgres.host}:{postgres.port}",
            "database": DATABASE,
            "credentials": account,
            "tls": tls,
        },
        {
            "name": "my",
            "protocol": "mariadb",
            "target": f"{mariadb.host}:{mariadb.port}",
            "database": DATABASE,
            "credentials": account,
            "tls": tls,
        },
        {
            "name": "ward",
            "protocol": "ssh",
            "target": f"{sshd.host}:{sshd.port}",
            "phi": False,
            "credentials": {"user": sshd.user},
            "ssh": {"known_hosts": str(sshd.known_hosts), "key": str(sshd.key)},
        },
        {
            "name": "web",
            "protocol": "http",
            "target": f"127.0.0.1:{upstream.port}",
            "tls": {"mode": "disable"},
            "phi": False,
        },
    ]
