"""The embedded issuer in this process, and what its tests say to it."""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import jwt
import tomli_w
from testbed.reactor import on_reactor, reactor
from twisted.internet.defer import Deferred

from hoopgate.identity.client_secrets import hash_secret
from hoopgate.identity.issuer import EmbeddedIssuer
from hoopgate.identity.issuer_keys import MAXIMUM_LIFETIME
from hoopgate.identity.issuer_settings import load_issuer_settings
from hoopgate.identity.jose import parse_key_set

SECRET = "correct horse/battery+staple é:%"
HASH = hash_secret(SECRET)
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Clock:
    """Real time, put forward."""

    offset = 0.0

    def __call__(self) -> float:
        return time.time() + self.offset


class Running:
    """An issuer in this process."""

    def __init__(self, config: Path) -> None:
        self.clock = Clock()
        self.issuer = on_reactor(EmbeddedIssuer, load_issuer_settings(config), reactor, self.clock)
        self.url = on_reactor(lambda: Deferred.fromCoroutine(self.issuer.start()))
        self.port = urlsplit(self.url).port

    def request(
        self,
        path: str,
        body: str | bytes | None = None,
        method: str | None = None,
        **headers: str,
    ) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method or ("GET" if body is None else "POST"), path, body, named)
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, json.loads(data) if data else {}, answer.headers
        finally:
            connection.close()

    def post(
        self, fields: Mapping[str, Any], authorization: str | None = None
    ) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        headers = {"Content_Type": "application/x-www-form-urlencoded"}
        if authorization is not None:
            headers["Authorization"] = authorization
        body = urlencode({"grant_type": "client_credentials", **fields}, doseq=True)
        return self.request("/token", body, **headers)

    def claims(self, answer: tuple[int, dict[str, Any], Mapping[str, str]]) -> dict[str, Any]:
        """The claims of an answer's token, verified as a stranger would."""
        status, document, headers = answer
        assert status == 200, document
        assert headers["Cache-Control"] == "no-store"
        assert document["token_type"] == "Bearer"
        text = document["access_token"]
        keys = json.dumps(self.request("/jwks")[1]).encode()
        public = parse_key_set(keys, ["ES256"])[jwt.get_unverified_header(text)["kid"]]
        decoded: dict[str, Any] = jwt.decode(
            text, public.public_key, algorithms=["ES256"], options={"verify_aud": False}
        )
        assert decoded["exp"] - decoded["iat"] == document["expires_in"] <= MAXIMUM_LIFETIME
        return decoded


def basic(client_id: str = "agent", secret: str = SECRET) -> str:
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def by_post(client_id: str = "agent", secret: str = SECRET, **more: Any) -> dict[str, Any]:
    return {"client_id": client_id, "client_secret": secret, **more}


def config(directory: Path, clients: Mapping[str, Any], **changed: Any) -> Path:
    table = {
        "issuer": "http://127.0.0.1:0",
        "listen": "tcp:0:interface=127.0.0.1",
        "clients": clients,
        **changed,
    }
    path = directory / "issuer.toml"
    path.write_text(tomli_w.dumps({k: v for k, v in table.items() if v is not None}))
    return path


def agent(**changed: Any) -> dict[str, Any]:
    table = {
        "secret_hash": HASH,
        "scopes": ["pg:clinic", "pg:other"],
        "resources": ["hoopgate", "https://console.example.org"],
        "claims": {"owner": "dr.smith", "act": {"sub": "orchestrator"}},
        **changed,
    }
    return {name: value for name, value in table.items() if value is not None}
