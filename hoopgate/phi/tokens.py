"""Tokens: what stands for a value that may be compared and not be read, ``[MRN:1.8f0c…]``.

A token is made of the kind, the number of the key that made it (its *epoch*, hexadecimal) and 80
bits of HMAC-SHA-256 over kind and value under that key: equal values of a kind have equal tokens,
and nobody without the key can make one, test a guess or go back. What a token stands for is kept
apart (:mod:`hoopgate.state.tokens`), sealed under a key of the same epoch, so that a key that is
taken away takes what its tokens mean with it.

Pure: no I/O, no clock.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hoopgate.errors import Refused

#: What a kind may look like to be in a token.
KIND: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
#: A whole token: kind, epoch, identity.
TOKEN: Final = re.compile(
    r"\[([A-Za-z][A-Za-z0-9_-]{0,31}):([1-9a-f][0-9a-f]{0,3})\.([0-9a-f]{20})\]"
)

ID_BYTES: Final = 10
#: Epochs are 1 to this.
MOST_EPOCHS: Final = 0xFFFF
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart."""

    kind: str
    epoch: int
    id: bytes

    def __str__(self) -> str:
        return f"[{self.kind}:{self.epoch:x}.{self.id.hex()}]"


def read(text: str) -> Token | None:
    """``text`` as a token; None when it is anything else."""
    match = TOKEN.fullmatch(text)
    if match is None:
        return None
    return Token(match[1], int(match[2], 16), bytes.fromhex(match[3]))


@final
class Epoch:
    """One key: makes tokens, and seals what they stand for.

    :param key: 32 bytes.
    """

    def __init__(self, number: int, key: bytes) -> None:
        self.number = number
        self.mac = _derive(key, b"hoopgate token")
        self._cipher = AESGCM(_derive(key, b"hoopgate token map"))

    def digest(self, kind: bytes, value: bytes) -> bytes:
        """HMAC over kind and value. The first 80 bits are the token's; the last 96 are the nonce
        that the value is sealed with: it is sealed alike whenever it comes, and no two values have
        the same nonce."""
        return hmac.digest(self.mac, kind + b"\0" + value, "sha256")

    def seal(self, digest: bytes, value: bytes, context: bytes) -> bytes:
        """``value`` encrypted; the nonce is in front."""
        nonce = digest[-_NONCE_BYTES:]
        return nonce + self._cipher.encrypt(nonce, value, context)

    def open(self, sealed: bytes, context: bytes, token: Token) -> bytes | None:
        """What was sealed; None when it is not what ``token`` stands for."""
        try:
            value = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
        except (InvalidTag, ValueError):
            return None
        digest = self.digest(token.kind.encode(), value)
        return value if hmac.compare_digest(digest[:ID_BYTES], token.id) else None


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), _KEY_BYTES, salt=None, info=purpose).derive(key)


def parse_keys(text: str) -> dict[int, Epoch]:
    """Keys of a resource by their epoch, out of a secret with a line for each: the epoch's number
    and 64 hexadecimal digits. Lines that begin with ``#`` say something to people.

    :raises Refused: ``token.keys``; it quotes nothing of the secret.
    """
    found: dict[int, Epoch] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        epoch = int(words[0]) if words[0].isascii() and words[0].isdigit() else 0
        if not 1 <= epoch <= MOST_EPOCHS or len(words) != 2 or not _HEX_KEY.fullmatch(words[1]):
            raise Refused(
                "token.keys", f"line {number} is not an epoch's number and 64 hexadecimal digits"
            )
        if epoch in found:
            raise Refused("token.keys", f"line {number} gives epoch {epoch} a second key")
        found[epoch] = Epoch(epoch, bytes.fromhex(words[1]))
    if not found:
        raise Refused("token.keys", "there is no key in it")
    return found


_HEX_KEY: Final = re.compile(r"[0-9A-Fa-f]{64}")

#: Takes a token that was made: kind, value, its digest.
Keep = Callable[[str, bytes, bytes], None]


@final
class Tokeniser:
    """Makes the tokens of one resource, under the key with the highest epoch.

    :param keep: told of every value a token is made for.
    """

    def __init__(self, keys: Mapping[int, Epoch], keep: Keep) -> None:
        self._keep = keep
        self._kinds: dict[str, tuple[bytes, str]] = {}
        self.replace(keys)

    def replace(self, keys: Mapping[int, Epoch]) -> None:
        """New keys are in force."""
        self.keys = dict(keys)
        self.current = self.keys[max(self.keys)]
        self._kinds.clear()

    def __call__(self, kind: str, value: bytes) -> str:
        """The token of a value."""
        known = self._kinds.get(kind)
        if known is None:
            known = self._kinds[kind] = kind.encode(), f"[{kind}:{self.current.number:x}."
        digest = self.current.digest(known[0], value)
        self._keep(kind, value, digest)
        return known[1] + digest[:ID_BYTES].hex() + "]"
