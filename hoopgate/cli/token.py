"""``hoopgate token``: get an access token by client credentials and print it."""

from __future__ import annotations

import argparse
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hoopgate.cli.oauth import ask, basic, discover, endpoint, trust, write_private
from hoopgate.errors import HoopgateError
from hoopgate.identity.client_auth import ASSERTION_TYPE
from hoopgate.identity.secrets import read_private_file

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
    answer = by_client(
        options.issuer,
        options.client_id,
        secret_file=options.client_secret_file,
        private_key=options.private_key,
        resources=options.resource,
        scopes=options.scope,
        ca_file=options.ca_file,
    )
    if options.output is None:
        print(answer["access_token"])
    else:
        write_private(options.output, answer["access_token"] + "\n")
    return 0


def by_client(
    issuer: str,
    client_id: str,
    *,
    secret_file: Path | None,
    private_key: Path | None,
    resources: Sequence[str],
    scopes: Sequence[str],
    ca_file: Path | None,
) -> dict[str, Any]:
    """The issuer's answer to client credentials (RFC 6749 4.4): it holds a token.

    :raises HoopgateError: no token.
    """
    context = trust(ca_file)
    url = endpoint(discover(issuer, context), "token_endpoint")
    fields = [("grant_type", "client_credentials")]
    fields += [("resource", resource) for resource in resources]
    if scopes:
        fields.append(("scope", " ".join(scopes)))
    headers = {}
    if secret_file is not None:
        headers = basic(client_id, secret_file)
    elif private_key is not None:
        fields.append(("client_assertion_type", ASSERTION_TYPE))
        fields.append(("client_assertion", sign_assertion(private_key, client_id, issuer)))
    answer = ask(url, context, fields, headers)
    if not isinstance(answer.get("access_token"), str):
        raise HoopgateError("the issuer's answer holds no token")
    return answer


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
