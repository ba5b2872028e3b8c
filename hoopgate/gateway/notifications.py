"""Tells people that something waits for them: a durable queue, delivered with back-off.

A notice is a row of the state store before anything is sent, so a restart loses none; it is sent
at least once. One that was not taken within a day is given up.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from hoopgate.approvals import notices
from hoopgate.approvals.model import Request
from hoopgate.approvals.states import Step
from hoopgate.errors import HoopgateError
from hoopgate.gateway import mail
from hoopgate.gateway.logging import log_event
from hoopgate.identity.fetch import JSONFetcher
from hoopgate.interfaces import IStateStore
from hoopgate.settings.model import Notification, Secret

log = Logger()

#: Seconds until the first repetition; each is twice as long after the one before, at most an hour.
FIRST: Final = 5.0
LONGEST: Final = 3600.0
GIVEN_UP: Final = 86_400.0
_AT_ONCE: Final = 8


class Secrets(Protocol):
    """What is needed of :class:`hoopgate.identity.secrets.SecretSource`."""

    def read(self, secret: Secret) -> Deferred[str]: ...


class Notifications:
    """The queue and who empties it.

    :param link: address of a request's page, by its id; empty without a console.
    :param node: this gateway's name.
    :raises SettingsError: a ``ca_file`` cannot be used.
    """

    def __init__(
        self,
        channels: Sequence[Notification],
        store: IStateStore,
        secrets: Secrets,
        reactor: Any,
        *,
        link: Callable[[str], str],
        node: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._channels = {one.name: one for one in channels}
        self._fetchers = {
            one.name: JSONFetcher(reactor, one.ca_file) for one in channels if one.kind == "webhook"
        }
        self._store = store
        self._secrets = secrets
        self._reactor = reactor
        self._link = link
        self._node = node
        self._now = now
        self._timer: IDelayedCall | None = None
        self._running = False
        self._again = False
        self._stopped = False

    def start(self) -> None:
        """Deliver what an earlier process left."""
        if self._channels:
            self._look()

    def stop(self) -> None:
        """Send nothing more; what is under way is sent again by the next process."""
        self._stopped = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def told(self, request: Request, step: Step) -> None:
        """An observer of approvals."""
        wanted = [
            one.name
            for one in self._channels.values()
            if step.value in one.steps and (not one.reviewers or one.reviewers & request.reviewers)
        ]
        if wanted:
            found = notices.notice(request, step, self._link(request.id), self._node)
            Deferred.fromCoroutine(self._file(wanted, request.id, step, found))

    async def _file(
        self, channels: Sequence[str], request: str, step: Step, found: Mapping[str, Any]
    ) -> None:
        now = float(self._now())
        try:
            for channel in channels:
                await self._store.execute(
                    "INSERT INTO notifications (channel, request, step, notice, made, due)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (channel, request, step.value, json.dumps(found), now, now),
                )
        except HoopgateError as error:
            log_event(log, "notification.lost", approval=request, code=type(error).__name__)
            return
        self._look()

    def _look(self) -> None:
        if self._running:
            self._again = True
        elif not self._stopped:
            self._running = True
            Deferred.fromCoroutine(self._deliver_due()).addErrback(self._bug)

    def _bug(self, failure: Any) -> None:
        self._running = False
        log.failure("notification.bug", failure)
        self._wait(LONGEST)

    async def _deliver_due(self) -> None:
        try:
            while True:
                self._again = False
                rows = await self._store.execute(
                    "SELECT id, channel, request, step, notice, made, attempts FROM notifications"
                    " WHERE due <= ? ORDER BY due, id LIMIT ?",
                    (float(self._now()), _AT_ONCE),
                )
                await DeferredList([Deferred.fromCoroutine(self._one(*row)) for row in rows])
                if self._stopped or not (rows or self._again):
                    break
            waiting = await self._store.execute("SELECT min(due) FROM notifications")
        except HoopgateError:
            waiting = [(float(self._now()) + LONGEST,)]  # no store: it will have said so itself
        self._running = False
        ((due,),) = waiting
        if isinstance(due, float):
            self._wait(max(0.0, due - self._now()))

    def _wait(self, seconds: float) -> None:
        if self._stopped:
            return
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = self._reactor.callLater(min(seconds, LONGEST), self._look)

    async def _one(self, *row: Any) -> None:
        key, name, request, step, text, made, attempts = row
        channel = self._channels.get(name)
        if channel is not None:
            try:
                await self._send(channel, key, json.loads(text))
            except HoopgateError as error:
                if self._now() - made < GIVEN_UP:
                    await self._later(key, attempts)
                    return
                log_event(log, "notification.lost", approval=request, code=type(error).__name__)
            else:
                log_event(log, "notification.sent", approval=request, step=step)
        await self._store.execute("DELETE FROM notifications WHERE id = ?", (key,))

    async def _later(self, key: int, attempts: int) -> None:
        pause = min(LONGEST, FIRST * 2.0 ** min(attempts, 20))
        due = self._now() + pause * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load
        await self._store.execute(
            "UPDATE notifications SET due = ?, attempts = attempts + 1 WHERE id = ?", (due, key)
        )

    async def _send(self, channel: Notification, key: int, found: Mapping[str, Any]) -> None:
        if channel.kind == "webhook":
            assert channel.secret is not None
            secret = await self._secrets.read(channel.secret)
            body = notices.slack(found)
            timestamp = int(self._now())
            headers = {
                "Content-Type": "application/json",
                "Hoopgate-Delivery": f"{self._node}-{key}",
                "Hoopgate-Timestamp": str(timestamp),
                "Hoopgate-Signature": notices.signature(secret, timestamp, body),
            }
            await self._fetchers[channel.name].deliver(channel.url, body, headers)
            return
        password = "" if channel.password is None else await self._secrets.read(channel.password)
        named = f"{found['request']}.{found['step']}.{key}"
        message = notices.mail(found, channel.sender, channel.recipients, named)
        await mail.send(self._reactor, channel, password, message)
