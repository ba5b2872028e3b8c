"""Where else the head of the log is kept, and what a node does when it cannot be moved on."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from twisted.logger import Logger, LogLevel

from hoopgate.errors import SettingsError
from hoopgate.gateway.logging import log_event
from hoopgate.gateway.metrics import DEGRADED, OK
from hoopgate.identity.secrets import read_secret

if TYPE_CHECKING:
    from hoopgate.gateway.metrics import Metrics
    from hoopgate.recorder.gate import Log
    from hoopgate.recorder.head import Head
    from hoopgate.settings.model import Node, Recording

log = Logger()


def shared_heads(recording: Recording, node: Node) -> list[Head]:
    """The heads that the settings name beside the state directory's. Nothing is connected yet.

    :raises SettingsError: the client for it is not installed, or a certificate is none.
    """
    about = recording.head
    if about is None:
        return []
    try:
        from hoopgate.state.heads import PostgresHead
    except ImportError:
        raise SettingsError(
            ["recording.head needs a client for PostgreSQL: pip install 'hoopgate[shared]'"]
        ) from None
    context = None
    if about.tls:
        try:
            context = ssl.create_default_context(cafile=about.ca_file and str(about.ca_file))
        except (OSError, ssl.SSLError) as error:
            raise SettingsError([f"recording.head.ca_file: {error}"]) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    password = about.password
    return [
        PostgresHead(
            recording.origin,
            node.name,
            host=about.host,
            port=about.port,
            database=about.database,
            user=about.user,
            password=None if password is None else lambda: read_secret(password),
            context=context,
        )
    ]


def watch_heads(recorder: Log, recording: Recording, metrics: Metrics) -> None:
    """Tell when the shared head cannot be moved on: nothing is signed meanwhile."""
    if recording.head is None:
        return
    state = [OK]

    def changed(away: bool) -> None:
        state[0] = DEGRADED if away else OK
        if away:
            log_event(log, "head.away", LogLevel.error)
        else:
            log_event(log, "head.back")

    recorder.outside.on_head = changed
    metrics.health.check("head", lambda: state[0])
