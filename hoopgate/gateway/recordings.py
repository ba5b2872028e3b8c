"""The admin API's part on recordings: holds, releases, shreds, and views."""

from __future__ import annotations

import pwd
import re
import socket
import struct
from contextlib import suppress
from typing import Any

from hoopgate.errors import Refused
from hoopgate.events import Principal
from hoopgate.gateway.web import QuietRequest
from hoopgate.recorder.keeping import Keeping
from hoopgate.settings.model import Resource

SCOPE = "hoopgate:audit"

#: What a token is verified for: not a backend, but the right to keep or destroy recordings.
AUDIT = Resource(
    name="recordings", protocol="admin", target="", host="", database="", scope=SCOPE, user=""
)

_PATH = re.compile(
    rb"/v1/recordings/(?P<id>[A-Za-z0-9._-]{1,64})/(?P<step>hold|release|shred|view)"
)
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED


class Recordings:
    """Answers for ``/v1/recordings/``."""

    def __init__(self, keeping: Keeping) -> None:
        self._keeping = keeping

    def step(self, request: QuietRequest) -> tuple[str, str] | None:
        """Session and step that a request is about; None: another path."""
        match = _PATH.fullmatch(request.path)
        return (match["id"].decode(), match["step"].decode()) if match else None

    async def keep(
        self, session: str, step: str, reference: str, who: Principal
    ) -> dict[str, object]:
        """:raises Refused: see :class:`Keeping`."""
        make = {
            "hold": self._keeping.hold,
            "release": self._keeping.release,
            "shred": self._keeping.shred,
        }[step]
        by = {"issuer": who.issuer[:200], "subject": who.subject[:200]}
        index = await make(session, reference, by)
        return {"session": session, "step": step, "reference": reference, "leaf": index}

    async def view(self, request: QuietRequest, session: str) -> dict[str, object]:
        """:raises Refused: ``recording.unknown``; ``identity.missing``: nobody is there."""
        uid = _peer(request)
        by: dict[str, object] = {"uid": uid}
        with suppress(KeyError):
            by["user"] = pwd.getpwuid(uid).pw_name
        return {"session": session, "leaf": await self._keeping.view(session, by)}


def _peer(request: QuietRequest) -> int:
    """The user at the other end of the unix socket, by the kernel's word."""
    try:
        transport: Any = request.transport
        data = transport.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except (AttributeError, OSError):
        raise Refused("identity.missing", "the caller is not on this machine") from None
    _, uid, _ = _CREDENTIALS.unpack(data)
    return int(uid)
