"""npm's ``oidc-provider`` as an issuer: another's idea of client credentials, devices and codes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from testbed.certificates import Certificates
from testbed.parts import NODE_MODULES, node, node_package
from testbed.ports import free_port
from testbed.process import Server

_SCRIPT = Path(__file__).with_name("oidc_provider.mjs")
RESOURCE = "urn:hoopgate:gateway"


class OIDCProvider:
    """Runs the provider on a free port of 127.0.0.1.

    Whoever logs in at its pages is who he says he is: name and any password.

    :param clients: metadata by RFC 7591; :func:`program` and others make some.
    :ivar url: the issuer's URL.
    """

    def __init__(
        self,
        directory: Path,
        certificates: Certificates,
        clients: Sequence[Mapping[str, Any]],
        *,
        scopes: Sequence[str],
        claims: Mapping[str, Any] | None = None,
    ) -> None:
        node_package("oidc-provider")
        self.directory = directory
        self.certificates = certificates
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self._keys = [_key("first")]
        self._settings = {
            "issuer": self.url,
            "port": self.port,
            "modules": str(NODE_MODULES),
            "certificate": str(certificates.server.certificate),
            "key": str(certificates.server.key),
            "clients": list(clients),
            "scopes": list(scopes),
            "claims": dict(claims or {}),
            "resource": RESOURCE,
            "algorithm": "RS256",
        }
        self._server: Server | None = None

    def __enter__(self) -> OIDCProvider:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, on its port, with its keys."""
        path = self.directory / "oidc-provider.json"
        path.write_text(json.dumps({**self._settings, "jwks": {"keys": self._keys}}))
        log = self.directory / "oidc-provider.log"
        log.unlink(missing_ok=True)
        self._server = Server([node(), _SCRIPT, path], log=log)
        server = self._server
        server.wait_until(lambda: "\nready" in "\n" + server.log_text(), 120)

    def stop(self) -> None:
        """Stop it; what it issued is forgotten."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def rotate(self) -> None:
        """Sign with another key from now on; the old one is not published any more."""
        self.stop()
        self._keys = [_key("second")]
        self.start()


def _key(kid: str) -> dict[str, Any]:
    private = rsa.generate_private_key(65537, 2048)
    found: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(private, as_dict=True)
    return {**{k: v for k, v in found.items() if k != "key_ops"}, "kid": kid, "use": "sig"}


def program(name: str, secret: str, **more: Any) -> dict[str, Any]:
    """A client with credentials of its own."""
    return {
        "client_id": name,
        "client_secret": secret,
        "grant_types": ["client_credentials"],
        "redirect_uris": [],
        "response_types": [],
        **more,
    }


def public(name: str, grants: Sequence[str], redirect_uris: Sequence[str] = ()) -> dict[str, Any]:
    """A client without a secret."""
    return {
        "client_id": name,
        "token_endpoint_auth_method": "none",
        "grant_types": list(grants),
        "redirect_uris": list(redirect_uris),
        "response_types": ["code"] if redirect_uris else [],
        "application_type": "web" if redirect_uris else "native",
    }
