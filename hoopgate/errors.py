"""The exceptions that rooms of hoopgate raise to each other.

A codec or a state machine raises :class:`RemoteProtocolError` for what a peer sent and
:class:`LocalProtocolError` for what our own side tried; any other exception out of it is a bug.
Messages never quote payload: what a peer sent may be PHI.
"""

from __future__ import annotations


class HoopgateError(Exception):
    """Base of every error that hoopgate raises on purpose."""


class RemoteProtocolError(HoopgateError):
    """A peer sent bytes that its protocol does not allow. The connection cannot go on."""


class LocalProtocolError(HoopgateError):
    """Our own code asked a state machine for something its state does not allow: a bug."""


class LimitExceeded(RemoteProtocolError):
    """A peer sent more (bytes, messages, fields) than the configured bound.

    :ivar shown: what the other side is to be sent of what came before.
    """

    def __init__(self, message: str, shown: bytes = b"") -> None:
        super().__init__(message)
        self.shown = shown


class Refused(HoopgateError):
    """Access or an operation was refused. ``code`` is for programs, ``str()`` for people.

    :ivar code: a stable dotted word, e.g. ``identity.expired`` or ``scope.missing``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class IdentityRefused(Refused):
    """A credential was not accepted, or its holder may not open the resource."""


class DirectoryUnavailable(Refused):
    """The group directory did not answer in time or failed. Treated as a denial."""


class UnresolvableStatement(Refused):
    """The server could not say what a statement reads: it is not judged, so not run."""


class RecorderFailed(HoopgateError):
    """The log can no longer make entries durable. Nothing more is forwarded."""


class RecorderFull(HoopgateError):
    """The log has no room for new requests; open sessions may still be closed."""


class SettingsError(HoopgateError):
    """hoopgate.toml is wrong. ``problems`` holds one line per mistake: file, key, what, remedy."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class HeadAway(HoopgateError):
    """The head of a log that is kept elsewhere cannot be read or moved now; later it may."""
