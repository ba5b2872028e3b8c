"""Which stream stands between a client and the program that it was allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hoopgate.events import Action, Command, Decision
from hoopgate.ssh.session import MakeStream, PlainStream, Stream

if TYPE_CHECKING:
    from hoopgate.settings.model import Resource


def make_stream(resource: Resource) -> MakeStream:
    """Streams for a resource's programs."""

    def make(kind: str, decision: Decision, ask: Callable[[Command], Action]) -> Stream:
        return PlainStream()

    return make
