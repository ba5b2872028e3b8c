"""SCRAM-SHA-256 and -PLUS, the server's side (RFC 5802, RFC 7677, RFC 5929). Sans-I/O."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets

from hoopgate.errors import IdentityRefused, LocalProtocolError
from hoopgate.identity.credentials import ScramVerifier
from hoopgate.postgres.scram import SCRAM, SCRAM_PLUS

_FIRST = re.compile(
    rb"(?P<gs2>(?P<flag>n|y|p=(?P<binding>[A-Za-z0-9.-]+)),(?:a=[^,]*)?,)"
    rb"(?P<bare>n=[^,]*,r=(?P<nonce>[\x21-\x2b\x2d-\x7e]{8,256})(?:,.*)?)",
    re.DOTALL,
)
_FINAL = re.compile(
    rb"(?P<without_proof>c=(?P<channel>[A-Za-z0-9+/=]+),r=(?P<nonce>[\x21-\x2b\x2d-\x7e]+)(?:,[^,]*)*)"
    rb",p=(?P<proof>[A-Za-z0-9+/=]+)"
)
_MOST = 4096


class ScramServer:
    """One exchange with a client that claims to know a password.

    :param binding: tls-server-end-point data of this connection; None where there is no TLS.
    :param nonce: for tests.
    """

    def __init__(
        self, verifier: ScramVerifier, binding: bytes | None, nonce: str | None = None
    ) -> None:
        self._verifier = verifier
        self._binding = binding
        self._own_nonce = (nonce or base64.b64encode(secrets.token_bytes(18)).decode()).encode()
        self._step = 0
        self._gs2 = b""
        self._bound = False
        self._nonce = b""
        self._first = b""

    @property
    def mechanisms(self) -> tuple[bytes, ...]:
        """What to offer, the stronger first."""
        return (SCRAM,) if self._binding is None else (SCRAM_PLUS, SCRAM)

    def first(self, mechanism: bytes, message: bytes) -> bytes:
        """The server-first-message, from the client's first.

        :raises IdentityRefused: malformed, or a channel binding that does not fit.
        """
        self._advance(0)
        match = _FIRST.fullmatch(message) if len(message) <= _MOST else None
        if match is None or mechanism not in self.mechanisms:
            raise _malformed()
        flag = match["flag"]
        self._bound = flag.startswith(b"p=")
        if self._bound != (mechanism == SCRAM_PLUS):
            raise _malformed()
        if self._bound and match["binding"] != b"tls-server-end-point":
            raise IdentityRefused("identity.binding", "this channel binding is not supported")
        if flag == b"y" and self._binding is not None:
            # The client thinks that we cannot bind: somebody has taken -PLUS out of our offer.
            raise IdentityRefused("identity.binding", "the channel binding was downgraded")
        self._gs2 = match["gs2"]
        self._nonce = match["nonce"] + self._own_nonce
        answer = b"r=%s,s=%s,i=%d" % (
            self._nonce,
            base64.b64encode(self._verifier.salt),
            self._verifier.iterations,
        )
        self._first = match["bare"] + b"," + answer
        return answer

    def final(self, message: bytes) -> bytes:
        """The server-final-message: the client has proven that it knows the password.

        :raises IdentityRefused: it has not.
        """
        self._advance(1)
        match = _FINAL.fullmatch(message) if len(message) <= _MOST else None
        if match is None or match["nonce"] != self._nonce:
            raise _malformed()
        expected = self._gs2 + (self._binding or b"" if self._bound else b"")
        if not hmac.compare_digest(_base64(match["channel"]), expected):
            raise IdentityRefused("identity.binding", "the channel binding does not match")
        auth_message = self._first + b"," + match["without_proof"]
        signature = hmac.digest(self._verifier.stored_key, auth_message, "sha256")
        proof = _base64(match["proof"])
        if len(proof) != len(signature):
            raise _malformed()
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
        if not hmac.compare_digest(hashlib.sha256(client_key).digest(), self._verifier.stored_key):
            raise IdentityRefused("identity.credential", "the session credential is not in force")
        return b"v=" + base64.b64encode(
            hmac.digest(self._verifier.server_key, auth_message, "sha256")
        )

    def _advance(self, step: int) -> None:
        if self._step != step:
            raise LocalProtocolError("a SCRAM step out of order")
        self._step += 1


def _base64(text: bytes) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _malformed() from None
    if base64.b64encode(data) != text:  # bits behind the last byte: two spellings of one proof
        raise _malformed()
    return data


def _malformed() -> IdentityRefused:
    return IdentityRefused("identity.protocol", "malformed SCRAM message")
