"""SASL mechanisms: SCRAM-SHA-256(-PLUS) towards servers, OAUTHBEARER towards clients. Sans-I/O.

Sources: RFC 5802, RFC 7677, RFC 5929 (tls-server-end-point), RFC 7628; PostgreSQL's
``fe-auth-scram.c`` and ``auth-oauth.c`` for what its peers send.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
import stringprep
import unicodedata
from collections.abc import Collection

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from hoopgate.errors import IdentityRefused, LimitExceeded, LocalProtocolError, RemoteProtocolError

SCRAM = b"SCRAM-SHA-256"
SCRAM_PLUS = b"SCRAM-SHA-256-PLUS"

_PRINTABLE = re.compile(rb"[\x21-\x2b\x2d-\x7e]+")  # RFC 5802 section 7: no comma
_MESSAGE_LIMIT = 4096


class ScramClient:
    """One login by SCRAM-SHA-256. Each step once, in order.

    :param mechanisms: what the server offers.
    :param binding: tls-server-end-point data of the TLS connection, None where there is none.
    :param nonce: for tests; printable ASCII without comma.
    :ivar mechanism: the one to name in the SASLInitialResponse.
    :ivar verified: the server has shown that it knows the password.
    :raises RemoteProtocolError: the server offers neither SCRAM-SHA-256 nor, with TLS, -PLUS.
    """

    def __init__(
        self,
        password: str,
        mechanisms: Collection[bytes],
        binding: bytes | None = None,
        *,
        minimum_iterations: int = 4096,
        maximum_iterations: int = 100_000,
        nonce: str | None = None,
    ) -> None:
        if binding is not None and SCRAM_PLUS in mechanisms:
            self.mechanism = SCRAM_PLUS
            self._gs2 = b"p=tls-server-end-point,,"
            self._binding = binding
        elif SCRAM in mechanisms:
            # "y": we could bind, the server says it cannot. One that can will then refuse, for
            # somebody has removed -PLUS from its offer (RFC 5802 section 6).
            self.mechanism = SCRAM
            self._gs2 = b"n,," if binding is None else b"y,,"
            self._binding = b""
        else:
            raise RemoteProtocolError("the server offers no SASL mechanism that is accepted")
        self._password = saslprep(password).encode()
        self._iterations = (minimum_iterations, maximum_iterations)
        self._nonce = (nonce or base64.b64encode(secrets.token_bytes(18)).decode()).encode()
        self._signature: bytes | None = None
        self._step = 0
        self.verified = False

    def first(self) -> bytes:
        """The client-first-message. The user name is empty: the start-up message has it."""
        self._advance(0)
        return self._gs2 + self._first_bare()

    def final(self, server_first: bytes) -> bytes:
        """The client-final-message, from the server-first-message.

        :raises LimitExceeded: more iterations than accepted (a server may not burn our time).
        :raises RemoteProtocolError: malformed, fewer iterations than accepted, or another nonce.
        """
        self._advance(1)
        values = _attributes(server_first, b"rsi")
        nonce, salt_text, count = values[b"r"], values[b"s"], values[b"i"]
        if not nonce.startswith(self._nonce) or len(nonce) == len(self._nonce):
            raise RemoteProtocolError("the server's nonce does not extend ours")
        if _PRINTABLE.fullmatch(nonce) is None:
            raise RemoteProtocolError("malformed SCRAM message")
        salt = _base64(salt_text)
        if not salt or re.fullmatch(rb"[1-9][0-9]{0,9}", count) is None:
            raise RemoteProtocolError("malformed SCRAM message")
        minimum, maximum = self._iterations
        iterations = int(count)
        if iterations > maximum:
            raise LimitExceeded("the server asks for too many SCRAM iterations")
        if iterations < minimum:
            raise RemoteProtocolError("the server asks for too few SCRAM iterations")
        without_proof = b"c=" + base64.b64encode(self._gs2 + self._binding) + b",r=" + nonce
        message = b",".join((self._first_bare(), server_first, without_proof))
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, iterations)
        self._password = b""
        client_key = _hmac(salted, b"Client Key")
        signature = _hmac(hashlib.sha256(client_key).digest(), message)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self._signature = _hmac(_hmac(salted, b"Server Key"), message)
        return without_proof + b",p=" + base64.b64encode(proof)

    def verify(self, server_final: bytes) -> None:
        """Check that the server knows the password too.

        :raises RemoteProtocolError: it does not, or refuses.
        """
        self._advance(2)
        assert self._signature is not None
        if server_final.startswith(b"e="):
            raise RemoteProtocolError("the server refused the SCRAM proof")
        signature = _base64(_attributes(server_final, b"v")[b"v"])
        if not hmac.compare_digest(signature, self._signature):
            raise RemoteProtocolError("the server does not know the password")
        self.verified = True

    def _first_bare(self) -> bytes:
        return b"n=,r=" + self._nonce

    def _advance(self, step: int) -> None:
        if self._step != step:
            raise LocalProtocolError("a SCRAM step out of order")
        self._step = step + 1


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _attributes(message: bytes, names: bytes) -> dict[bytes, bytes]:
    """The named attributes of a message, which must open it in this order.

    Extensions may follow, a mandatory one (``m=``) may not (RFC 5802 section 5.1).
    """
    parts = message.split(b",") if len(message) <= _MESSAGE_LIMIT else []
    found = {part[:1]: part[2:] for part in parts[: len(names)] if part[1:2] == b"="}
    if list(found) != [names[i : i + 1] for i in range(len(names))]:
        raise RemoteProtocolError("malformed SCRAM message")
    return found


def _base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise RemoteProtocolError("malformed SCRAM message") from None


def saslprep(password: str) -> str:
    """RFC 4013, as ``pg_saslprep``: a password it does not allow is used as it is."""
    if password.isascii():
        return password
    mapped = "".join(
        " " if stringprep.in_table_c12(c) else c for c in password if not stringprep.in_table_b1(c)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    prohibited = (
        stringprep.in_table_c12,
        stringprep.in_table_c21_c22,
        stringprep.in_table_c3,
        stringprep.in_table_c4,
        stringprep.in_table_c5,
        stringprep.in_table_c6,
        stringprep.in_table_c7,
        stringprep.in_table_c8,
        stringprep.in_table_c9,
        stringprep.in_table_a1,
    )
    if not prepared or any(test(c) for c in prepared for test in prohibited):
        return password
    if any(map(stringprep.in_table_d1, prepared)):
        # RFC 3454 section 6: right-to-left text begins and ends so, and nothing else is in it.
        ends = stringprep.in_table_d1(prepared[0]) and stringprep.in_table_d1(prepared[-1])
        if not ends or any(map(stringprep.in_table_d2, prepared)):
            return password
    return prepared


def server_end_point(certificate: bytes) -> bytes | None:
    """tls-server-end-point data of a certificate (DER); None where RFC 5929 defines none."""
    try:
        algorithm = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    except (UnsupportedAlgorithm, ValueError):
        return None
    if algorithm is None:  # Ed25519 and its like have no hash of their own
        return None
    name = "sha256" if algorithm.name in ("md5", "sha1") else algorithm.name
    return hashlib.new(name, certificate).digest()


# --- OAUTHBEARER -------------------------------------------------------------------------------

_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_KEY_VALUE = re.compile(rb"([A-Za-z]+)=([\x21-\x7e \t\r\n]*)")


class OAuthBearer:
    """The server's side of one OAUTHBEARER exchange.

    :param configuration: URL of the issuer's discovery document, told to a client without token.
    :param scope: the scope it should ask for.
    """

    def __init__(self, configuration: str, scope: str) -> None:
        self._where = {"openid-configuration": configuration, "scope": scope}
        self._challenged = False

    def initial(self, body: bytes) -> str | bytes:
        """Read a SASLInitialResponse (the body of a PasswordMessage).

        :return: the token, not verified yet; or, for a client that has none and wants to know where
            to get one, the data of an AuthenticationSASLContinue.
        :raises RemoteProtocolError: malformed, another mechanism, channel binding, an
            authorization identity.
        """
        mechanism, terminator, rest = body.partition(b"\0")
        if not terminator or len(rest) < 4:
            raise RemoteProtocolError("malformed SASL response")
        if mechanism != b"OAUTHBEARER":
            raise RemoteProtocolError("the client chose a mechanism that was not offered")
        data = rest[4:]
        if int.from_bytes(rest[:4], "big") != len(data):
            raise RemoteProtocolError("malformed SASL response")
        token = self._token(data)
        return self.failure() if token is None else token

    def failure(self, code: str = "") -> bytes:
        """Data of the AuthenticationSASLContinue that tells a failure (RFC 7628 3.2.2).

        :param code: of the refusal.
        """
        self._challenged = True
        # RFC 6750 3.1: the token is good, and for something else.
        status = "insufficient_scope" if code == "scope.missing" else "invalid_token"
        failure = {"status": status, **self._where}
        return json.dumps({key: value for key, value in failure.items() if value}).encode()

    def response(self, body: bytes, refusal: IdentityRefused | None = None) -> str | bytes:
        """Read the SASLResponse to a failure: one byte 0x01, and no login.

        :raises IdentityRefused: always, when the protocol was kept; ``refusal`` if given.
        :raises RemoteProtocolError: when it was not.
        """
        if not self._challenged or body != b"\1":
            raise RemoteProtocolError("malformed SASL response")
        raise refusal or IdentityRefused("identity.missing", "no token was given")

    @staticmethod
    def _token(data: bytes) -> str | None:
        # RFC 7628 section 3.1: gs2-header, then key=value pairs, each closed by 0x01, then 0x01.
        parts = data.split(b"\1")
        if len(parts) < 3 or parts[-2:] != [b"", b""] or parts[0] not in (b"n,,", b"y,,"):
            raise RemoteProtocolError("malformed OAUTHBEARER message")
        values: dict[bytes, bytes] = {}
        for part in parts[1:-2]:
            pair = _KEY_VALUE.fullmatch(part)
            if pair is None or pair[1] in values:
                raise RemoteProtocolError("malformed OAUTHBEARER message")
            values[pair[1]] = pair[2]
        if b"auth" not in values:
            raise RemoteProtocolError("malformed OAUTHBEARER message")
        if not values[b"auth"]:
            return None
        bearer = _BEARER.fullmatch(values[b"auth"])
        if bearer is None:
            raise IdentityRefused("identity.malformed", "the credential is not a bearer token")
        return bearer[1].decode("ascii")
