"""A clinic's web services behind the gateway: what the tests of HTTP start from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from testbed.certificates import Certificates, write_private
from testbed.fhirserver import BASE, FHIRServer, patients
from testbed.gateway import Gateway
from testbed.issuer import TestIssuer, client
from testbed.mcpserver import MCPServer
from testbed.ports import free_port
from testbed.upstream import Upstream

AGENTS = {
    "executor": "executor-secret",
    "reader": "reader-secret",
    "stranger": "stranger-secret",
}
REVIEWERS = {"rita": "rita-secret"}
UPSTREAM_PASSWORD = "the-upstreams-own-password"

RULES: list[dict[str, Any]] = [
    {
        "name": "no-secrets",
        "verdict": "block",
        "match": {"resources": ["web"], "http": {"path": ["/secret*"]}},
        "reason": "path.secret",
        "message": "Nobody may go there.",
    },
    {
        "name": "publish",
        "verdict": "approve",
        "match": {"resources": ["web"], "http": {"path": ["/publish*"]}},
        "reviewers": ["privacy-office"],
        "expires": "2m",
        "message": "Publishing needs a person.",
    },
    {"name": "agents", "verdict": "allow", "match": {"groups": ["agents"]}},
]

SCOPES = ("web", "own", "json", "oauth", "keyed", "odda", "oddb")

#: For both of the twins; of what is not named here nothing is shown.
ODD_LABELS: list[dict[str, Any]] = [
    {"resource": resource, **label}
    for resource in ("odda", "oddb")
    for label in (
        {"place": ["/id", "id"], "level": "public"},
        {"place": ["/name", "name"], "kind": "NAME"},
        {"place": "/ssn", "kind": "SSN"},
    )
]


class Web:
    """A running gateway with its issuer and its upstream."""

    def __init__(
        self,
        gateway: Gateway,
        issuer: TestIssuer,
        upstream: Upstream | MCPServer,
        certificates: Certificates,
    ) -> None:
        self.gateway = gateway
        self.issuer = issuer
        self.upstream = upstream
        self.certificates = certificates

    def token(self, who: str = "executor") -> str:
        """A fresh token."""
        return self.issuer.token(who, resources=["hoopgate"])

    def url(self, path: str = "/web/") -> str:
        """A URL of the gateway."""
        return f"https://127.0.0.1:{self.gateway.port}{path}"


def web_settings(
    directory: Path,
    certificates: Certificates,
    issuer: TestIssuer,
    resources: list[dict[str, Any]],
    rules: list[dict[str, Any]],
    labels: list[dict[str, Any]],
    **sections: Any,
) -> dict[str, Any]:
    """Settings with one TLS listener for ``resources``."""
    return {
        "node": {
            "name": "gw.testbed.example",
            "state_dir": str(directory / "state"),
            "metrics": f"tcp:{free_port()}:interface=127.0.0.1",
            "drain_time": "2s",
        },
        "listeners": [
            {
                "name": "web",
                "protocol": "http",
                "endpoint": f"tcp:{free_port()}:interface=127.0.0.1",
                "tls": {
                    "certificate": str(certificates.server.certificate),
                    "key": str(certificates.server.key),
                },
                "resources": [one["name"] for one in resources],
            }
        ],
        "issuers": [
            {
                "name": "embedded",
                "url": issuer.url,
                "audiences": ["hoopgate"],
                "ca_file": str(certificates.ca),
            }
        ],
        "directory": {"groups": {"agents": ["executor"], "privacy-office": ["rita"]}},
        "resources": resources,
        "labels": copy.deepcopy(labels),
        "policy": {"packs": ["hipaa-baseline"]},
        "rules": copy.deepcopy(rules),
        **sections,
    }


def web_resource(name: str, port: int, **more: Any) -> dict[str, Any]:
    """A table of ``[[resources]]`` for a server on this machine."""
    return {
        "name": name,
        "protocol": "http",
        "target": f"127.0.0.1:{port}",
        "tls": {"mode": "disable"},
        **more,
    }


def web_clients(*scopes: str) -> dict[str, dict[str, Any]]:
    """The issuer's clients."""
    table = {"executor": client(AGENTS["executor"], scopes=list(scopes))}
    table["reader"] = client(AGENTS["reader"], scopes=list(scopes))
    table["stranger"] = client(AGENTS["stranger"], scopes=["other"])
    table["rita"] = client(REVIEWERS["rita"], scopes=["hoopgate:approve"])
    return table


@contextmanager
def running_web(
    directory: Path,
    certificates: Certificates,
    *,
    adjust: Callable[[dict[str, Any]], None] = lambda settings: None,
) -> Iterator[Web]:
    """Start upstream, issuer and gateway: the resource ``web`` holds no PHI, ``own`` neither and
    takes the client's own credential; ``odda`` and ``oddb`` differ in the patient alone."""
    secret = directory / "upstream.password"
    write_private(secret, UPSTREAM_PASSWORD.encode())
    with (
        Upstream(directory) as upstream,
        Upstream(directory, ("Ann Canary-Long", "111-11-1111")) as one,
        Upstream(directory, ("Bo Canary", "222-22-2222")) as other,
        TestIssuer(
            web_clients(*(f"hoopgate:{name}" for name in SCOPES)),
            {**AGENTS, **REVIEWERS},
            certificates,
        ) as issuer,
    ):
        resources = [
            web_resource(
                "web",
                upstream.port,
                phi=False,
                http={"base": "/base", "credential": "basic"},
                credentials={"user": "gateway", "password": {"file": str(secret)}},
            ),
            web_resource(
                "oauth",
                upstream.port,
                phi=False,
                http={
                    "credential": "oauth",
                    "token_url": f"http://127.0.0.1:{upstream.port}/token",
                    "token_scope": "system/*.read",
                },
                credentials={"user": "gateway", "password": {"file": str(secret)}},
            ),
            web_resource(
                "keyed",
                upstream.port,
                phi=False,
                http={"credential": "header", "header": "X-Api-Key", "hosts": ["keyed.example"]},
                credentials={"password": {"file": str(secret)}},
            ),
            web_resource("own", upstream.port, phi=False, http={"pass_authorization": True}),
            web_resource("json", upstream.port),
            *(web_resource(f"odd{key}", twin.port) for key, twin in (("a", one), ("b", other))),
        ]
        settings = web_settings(directory, certificates, issuer, resources, RULES, ODD_LABELS)
        adjust(settings)
        with Gateway(directory, settings, certificates) as gateway:
            yield Web(gateway, issuer, upstream, certificates)


FHIR_RULES: list[dict[str, Any]] = [
    {
        "name": "bulk",
        "verdict": "approve",
        "match": {"resources": ["ehra"], "flags": ["bulk"]},
        "reviewers": ["privacy-office"],
        "expires": "2m",
        "message": "Bulk data needs a person.",
    },
    {"name": "agents", "verdict": "allow", "match": {"groups": ["agents"]}},
]


class Twins:
    """Two FHIR servers that differ in PHI alone, as ``ehra`` and ``ehrb`` behind one gateway."""

    def __init__(
        self,
        gateway: Gateway,
        issuer: TestIssuer,
        servers: tuple[FHIRServer, FHIRServer],
        certificates: Certificates,
    ) -> None:
        self.gateway = gateway
        self.issuer = issuer
        self.servers = servers
        self.certificates = certificates

    def token(self, who: str = "executor") -> str:
        """A fresh token."""
        return self.issuer.token(who, resources=["hoopgate"])

    def url(self, path: str = "") -> str:
        """A URL of the gateway."""
        return f"https://127.0.0.1:{self.gateway.port}{path}"


@contextmanager
def running_twins(
    directory: Path,
    certificates: Certificates,
    count: int = 12,
    *,
    adjust: Callable[[dict[str, Any]], None] = lambda settings: None,
    populations: tuple[list[dict[str, Any]], list[dict[str, Any]]] | None = None,
) -> Iterator[Twins]:
    """Start both servers, issuer and gateway.

    :param populations: resources of either; None: of ``count`` patients of our own making.
    """
    these, those = populations or (patients(count, 1), patients(count, 2))
    with (
        FHIRServer(directory, these, "a") as one,
        FHIRServer(directory, those, "b") as other,
        TestIssuer(
            web_clients("hoopgate:ehra", "hoopgate:ehrb"), {**AGENTS, **REVIEWERS}, certificates
        ) as issuer,
    ):
        resources = [
            web_resource(name, server.port, http={"format": "fhir", "base": BASE})
            for name, server in (("ehra", one), ("ehrb", other))
        ]
        settings = web_settings(directory, certificates, issuer, resources, FHIR_RULES, [])
        adjust(settings)
        with Gateway(directory, settings, certificates) as gateway:
            yield Twins(gateway, issuer, (one, other), certificates)


MCP_RULES: list[dict[str, Any]] = [
    {
        "name": "environment",
        "verdict": "block",
        "match": {"http": {"tool": ["get-env"]}},
        "reason": "tool.environment",
        "message": "The server's environment is nobody's business.",
    },
    {
        "name": "sums",
        "verdict": "block",
        "match": {"http": {"tool": ["get-sum"], "body": ["/params/arguments/a=13"]}},
        "reason": "tool.thirteen",
        "message": "Not that number.",
    },
    {
        "name": "images",
        "verdict": "approve",
        "match": {"http": {"tool": ["get-tiny-image"]}},
        "reviewers": ["privacy-office"],
        "expires": "2m",
        "message": "Images need a person.",
    },
    {
        "name": "agents",
        "verdict": "allow",
        "match": {
            "groups": ["agents"],
            "classes": ["mcp.session", "mcp.list", "mcp.read", "mcp.prompt"],
        },
    },
    {
        "name": "tools",
        "verdict": "allow",
        "match": {
            "groups": ["agents"],
            "classes": ["mcp.call"],
            "functions": ["echo", "get-*", "trigger-long-running-operation"],
        },
    },
]
MCP_LABELS: list[dict[str, Any]] = [
    {"resource": "records", "place": "/temperature", "kind": "TEMPERATURE"},
    {"resource": "records", "place": "/conditions", "kind": "CONDITIONS"},
    {"resource": "records", "place": "/humidity", "level": "public"},
]


@contextmanager
def running_mcp(directory: Path, certificates: Certificates) -> Iterator[Web]:
    """One MCP server, as ``tools`` without PHI and as ``records`` with it."""
    with (
        MCPServer(directory) as server,
        TestIssuer(
            web_clients("hoopgate:tools", "hoopgate:records"),
            {**AGENTS, **REVIEWERS},
            certificates,
        ) as issuer,
    ):
        resources = [
            web_resource("tools", server.port, phi=False, http={"format": "mcp"}),
            web_resource("records", server.port, http={"format": "mcp"}),
        ]
        settings = web_settings(directory, certificates, issuer, resources, MCP_RULES, MCP_LABELS)
        with Gateway(directory, settings, certificates) as gateway:
            yield Web(gateway, issuer, server, certificates)
