"""Sends one message by SMTP (RFC 5321), with TLS that is verified before anything is said."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.ssl import optionsForClientTLS
from twisted.mail.smtp import ESMTPSenderFactory

from hoopgate.errors import HoopgateError
from hoopgate.identity.fetch import trust_root
from hoopgate.settings.model import Notification

SECONDS = 30.0


class MailFailed(HoopgateError):
    """The server did not take it. The message quotes nothing of what it said."""


async def send(reactor: Any, to: Notification, password: str, message: bytes) -> None:
    """
    :raises MailFailed: no connection, no TLS, no log-in, or a recipient was refused.
    """
    done: Deferred[Any] = Deferred()
    options = optionsForClientTLS(to.host, trust_root(to.ca_file))
    factory = ESMTPSenderFactory(
        to.user.encode() or None,
        password.encode() or None,
        to.sender,
        list(to.recipients),
        BytesIO(message),
        done,
        retries=0,
        timeout=SECONDS,
        contextFactory=options if to.tls == "starttls" else None,
        requireAuthentication=bool(to.user),
        requireTransportSecurity=to.tls == "starttls",
        hostname=to.host,
    )
    factory.noisy = False
    # A server that lets nobody log in without TLS is asked for STARTTLS; ours is there already.
    endpoint: Any = HostnameEndpoint(reactor, to.host, to.port, timeout=SECONDS)
    if to.tls == "tls":
        endpoint = wrapClientTLS(options, endpoint)
    try:
        connecting: Deferred[Any] = endpoint.connect(factory)
        protocol = await connecting.addTimeout(SECONDS, reactor)
        try:
            sent, _ = await done.addTimeout(SECONDS, reactor)
        finally:
            if protocol.transport is not None:
                protocol.transport.abortConnection()
    except Exception as error:  # noqa: BLE001 - Twisted's own, TLS's, the network's
        raise MailFailed(type(error).__name__) from None
    if sent != len(to.recipients):
        raise MailFailed("a recipient was refused")
