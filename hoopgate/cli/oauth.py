"""The commands' side of OAuth: discovery, token requests, proofs of a client."""

from __future__ import annotations

import base64
import http.client
import os
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from hoopgate.errors import HoopgateError
from hoopgate.identity.fetch import MAXIMUM_ANSWER_BYTES, FetchFailed, checked_url
from hoopgate.identity.jose import JSONRefused, strict_json
from hoopgate.identity.jwks import DISCOVERY_PATH
from hoopgate.identity.secrets import read_secret
from hoopgate.settings.model import Secret

TIMEOUT_SECONDS = 15.0

Fields = Sequence[tuple[str, str]]


class OAuthRefused(HoopgateError):
    """An OAuth endpoint's answer is no (RFC 6749 5.2).

    :ivar error: its code, e.g. ``authorization_pending``.
    :ivar answer: all of it.
    """

    def __init__(self, host: str, status: int, answer: Mapping[str, Any]) -> None:
        self.error = str(answer.get("error", ""))[:64]
        self.answer = answer
        detail = str(answer.get("error_description", ""))[:256]
        super().__init__(f"{host}: HTTP status {status}: {self.error}: {detail}")


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Whose certificates are believed: those of ``ca_file``, else the system's.

    :raises HoopgateError: it cannot be read.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise HoopgateError(f"{ca_file}: cannot be read as certificates ({error})") from None


def ask(
    url: str,
    context: ssl.SSLContext,
    fields: Fields | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """One JSON answer to a GET, or to a form. No redirects, no proxy: the form may hold a secret.

    :raises OAuthRefused: the answer is no.
    :raises FetchFailed: there is none.
    """
    checked_url(url)
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection = (
        http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT_SECONDS, context=context)
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_SECONDS)
    )
    path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
    sent = dict(headers or {})
    body = None
    if fields is not None:
        sent["Content-Type"] = "application/x-www-form-urlencoded"
        body = urlencode(fields)
    try:
        connection.request("GET" if body is None else "POST", path, body, sent)
        response = connection.getresponse()
        data = response.read(MAXIMUM_ANSWER_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        raise FetchFailed(f"{parts.netloc}: {_reason(error)}") from None
    finally:
        connection.close()
    try:
        answer: dict[str, Any] = strict_json(data[:MAXIMUM_ANSWER_BYTES]) if data else {}
    except JSONRefused:
        raise FetchFailed(f"{host}: HTTP status {response.status}, not JSON") from None
    if response.status != 200:
        raise OAuthRefused(host, response.status, answer)
    return answer


def _reason(error: Exception) -> str:
    """Why a server was not reached, without numbers and places in a library's source."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); --ca-file names whose is"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    said = error.strerror if isinstance(error, OSError) else ""
    return said or str(error) or type(error).__name__


def discover(issuer: str, context: ssl.SSLContext) -> dict[str, Any]:
    """An issuer's metadata.

    :raises HoopgateError: there is none, or it is of another issuer.
    """
    metadata = ask(issuer.rstrip("/") + DISCOVERY_PATH, context)
    if metadata.get("issuer") != issuer:
        raise HoopgateError("the discovery document is of another issuer")
    return metadata


def endpoint(metadata: Mapping[str, Any], name: str) -> str:
    """The address of an endpoint.

    :raises HoopgateError: the issuer has none.
    """
    found = metadata.get(name)
    if not isinstance(found, str):
        raise HoopgateError(f"the issuer has no {name.replace('_', ' ')}")
    return found


def basic(client_id: str, secret_file: Path) -> dict[str, str]:
    """HTTP Basic of a client's secret (RFC 6749 2.3.1)."""
    secret = read_secret(Secret(file=secret_file))
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 in one step.

    :raises HoopgateError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
    except OSError as error:
        raise HoopgateError(f"{path}: {error.strerror}") from None
