"""Where secrets, keys and certificates are. A secret is read when it is used, never held."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is: exactly one of the three is set.

    :ivar file: read at every use, trailing newline dropped; must not be readable by others.
    :ivar environment: name of an environment variable.
    :ivar command: run without a shell, its standard output is the secret (10 s at most).
    """

    file: Path | None = None
    environment: str | None = None
    command: tuple[str, ...] | None = None


class TLSMode(Enum):
    """How the gateway speaks TLS to a backend or directory. There is no "prefer"."""

    DISABLE = "disable"  #: plaintext: loopback and unix sockets only
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"  #: the default: chain and host name


@dataclass(frozen=True, slots=True)
class ServerTLS:
    """The gateway's own certificate on a listener (PEM files)."""

    certificate: Path
    key: Path
