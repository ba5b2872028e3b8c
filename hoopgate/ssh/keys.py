"""The gateway's own keys: host keys of its listeners, and the authority for user certificates."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)
from twisted.conch.ssh.keys import Key

from hoopgate.ssh.signatures import SIGNATURES

HOST_KEY: Final = "ssh_host_ed25519_key"
AUTHORITY: Final = "ssh_user_ca"


def own_key(path: Path) -> Ed25519PrivateKey:
    """The ed25519 key at ``path``, made when there is none; its public part is beside it.

    :raises OSError: it cannot be read or written.
    :raises ValueError: it is no such key.
    """
    if not path.exists():
        _make(path)
    key = load_ssh_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path} is no ed25519 key")
    return key


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    path.with_name(f"{path.name}.pub").write_bytes(public + b" hoopgate\n")
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(private)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)


def host_keys(keys: Iterable[Key]) -> dict[bytes, Key]:
    """Signature algorithm → the key that signs with it."""
    found: dict[bytes, Key] = {}
    for key in keys:
        for name in key.supportedSignatureAlgorithms():
            if name in SIGNATURES:
                found.setdefault(name, key)
    return found
