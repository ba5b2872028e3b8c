"""``hoopgate token``: get an access token by client credentials and print it."""

from __future__ import annotations

import argparse
import base64
import http.client
import os
import secrets
import ssl
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hoopgate.errors import HoopgateError
from hoopgate.identity.client_auth import ASSERTION_TYPE
from hoopgate.identity.fetch import MAXIMUM_ANSWER_BYTES, FetchFailed, checked_url
from hoopgate.identity.jose import JSONRefused, strict_json
from hoopgate.identity.jwks import DISCOVERY_PATH
from hoopgate.identity.secrets import read_private_file, read_secret
from hoopgate.settings.model import Secret

TIMEOUT_SECONDS = 15.0
_ASSERTION_SECONDS = 60


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    command = commands.add_parser("token", help="get an access token by client credentials")
    command.add_argument("--issuer", required=True, metavar="URL")
    command.add_argument("--client-id", required=True, metavar="ID")
    proof = command.add_mutually_exclusive_group(required=True)
    proof.add_argument("--client-secret-file", type=Path, metavar="FILE")
    proof.add_argument("--private-key", type=Path, metavar="FILE", help="PEM, for private_key_jwt")
    command.add_argument("--resource", action="append", default=[], metavar="URL")
    command.add_argument("--scope", action="append", default=[])
    command.add_argument("--ca-file", type=Path, metavar="FILE")
    command.add_argument(
        "--output", type=Path, metavar="FILE", help="write the token there (mode 0600)"
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """:return: exit status.

    :raises HoopgateError: no token.
    """
    try:
        context = ssl.create_default_context(cafile=options.ca_file)
    except OSError as error:
        raise HoopgateError(f"--ca-file: {error}") from None
    metadata = _request(options.issuer.rstrip("/") + DISCOVERY_PATH, context)
    if metadata.get("issuer") != options.issuer:
        raise HoopgateError("the discovery document is of another issuer")
    endpoint = metadata.get("token_endpoint")
    if not isinstance(endpoint, str):
        raise HoopgateError("the issuer has no token endpoint")
    fields = [("grant_type", "client_credentials")]
    fields += [("resource", resource) for resource in options.resource]
    if options.scope:
        fields.append(("scope", " ".join(options.scope)))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if options.client_secret_file is not None:
        secret = read_secret(Secret(file=options.client_secret_file))
        pair = f"{quote_plus(options.client_id)}:{quote_plus(secret)}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    else:
        fields.append(("client_assertion_type", ASSERTION_TYPE))
        assertion = sign_assertion(options.private_key, options.client_id, options.issuer)
        fields.append(("client_assertion", assertion))
    answer = _request(endpoint, context, urlencode(fields), headers)
    token = answer.get("access_token")
    if not isinstance(token, str):
        raise HoopgateError("the issuer's answer holds no token")
    if options.output is None:
        print(token)
    else:
        _write_private(options.output, token)
    return 0


def sign_assertion(private_key: Path, client_id: str, audience: str) -> str:
    """A client assertion (RFC 7523 3) that lives a minute.

    :raises HoopgateError: the key cannot be used.
    """
    try:
        key = load_pem_private_key(read_private_file(private_key), password=None)
    except (ValueError, TypeError) as error:
        raise HoopgateError(f"{private_key}: {error}") from None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        algorithm = "ES384" if key.key_size == 384 else "ES256"
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        algorithm = "EdDSA"
    elif isinstance(key, rsa.RSAPrivateKey):
        algorithm = "RS256"
    else:
        raise HoopgateError(f"{private_key}: write an EC, Ed25519 or RSA key")
    now = int(time.time())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "iat": now,
        "exp": now + _ASSERTION_SECONDS,
        "jti": secrets.token_urlsafe(16),
    }
    try:
        return jwt.encode(
            claims, key, algorithm=algorithm, headers={"typ": "client-authentication+jwt"}
        )
    except jwt.PyJWTError as error:
        raise HoopgateError(f"{private_key}: {error}") from None


def _request(
    url: str,
    context: ssl.SSLContext,
    body: str | None = None,
    headers: dict[str, str] | None = None,
) -> dict[str, Any]:
    """One JSON answer. No redirects, no proxy: the body may hold a secret."""
    checked_url(url)
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection = (
        http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT_SECONDS, context=context)
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_SECONDS)
    )
    path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
    try:
        connection.request("GET" if body is None else "POST", path, body, headers or {})
        response = connection.getresponse()
        data = response.read(MAXIMUM_ANSWER_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        raise FetchFailed(f"{host}: {error or type(error).__name__}") from None
    finally:
        connection.close()
    try:
        answer = strict_json(data[:MAXIMUM_ANSWER_BYTES])
    except JSONRefused:
        raise FetchFailed(f"{host}: HTTP status {response.status}, not JSON") from None
    if response.status != 200:
        reason = str(answer.get("error", ""))[:64]
        detail = str(answer.get("error_description", ""))[:256]
        raise FetchFailed(f"{host}: HTTP status {response.status}: {reason}: {detail}")
    return answer


def _write_private(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(text + "\n")
        temporary.replace(path)
    except OSError as error:
        raise HoopgateError(f"{path}: {error.strerror}") from None
