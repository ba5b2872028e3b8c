"""What tokens stand for: kept in the node's state, sealed, bounded, forgotten after a while.

Tokens are made by the hundred thousand a second where rows come by; what they stand for is written
behind them, in batches, sealed on the way. A crash, or a flood that the disk cannot follow, leaves
tokens that cannot be used: whoever needs one reads its row again. Nothing else is lost by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger, LogLevel

from hoopgate.errors import HoopgateError, Refused
from hoopgate.gateway.logging import log_event
from hoopgate.identity.secrets import SecretSource, read_secret
from hoopgate.interfaces import IStateStore
from hoopgate.phi.tokens import ID_BYTES, Epoch, Token, Tokeniser, parse_keys
from hoopgate.settings.model import Resource, TokenSettings

log = Logger()

#: Values sealed and written at once: half a millisecond of the reactor.
BATCH: Final = 200
#: Values of one resource that may wait to be written; more are not kept.
MOST_WAITING: Final = 50_000
_UNDER_WAY: Final = 4
#: Tokens known to be kept, so that they are not written again with every row.
_RECENT: Final = 200_000
_WRITE_SECONDS: Final = 0.05
_TIDY_SECONDS: Final = 300.0
#: Rows deleted by one statement: the state's thread has others to serve.
_TIDIED: Final = 5_000


class Vault:
    """What the tokens of one resource stand for.

    :param now: wall clock, seconds since the epoch.
    """

    def __init__(
        self,
        resource: str,
        settings: TokenSettings,
        keys: Mapping[int, Epoch],
        store: IStateStore,
        reactor: IReactorTime,
        now: Callable[[], float],
    ) -> None:
        self._resource = resource
        self._settings = settings
        self._store = store
        self._reactor = reactor
        self._now = now
        self._waiting: dict[bytes, tuple[str, bytes, bytes]] = {}
        self._recent: dict[bytes, None] = {}
        self._recent_until = 0.0
        self._timer: IDelayedCall | None = None
        self._under_way: set[Deferred[None]] = set()
        self._overflowing = False
        self.tokeniser = Tokeniser(keys, self._keep)

    def _keep(self, kind: str, value: bytes, digest: bytes) -> None:
        id = digest[:ID_BYTES]
        if id in self._recent and self._now() < self._recent_until:
            return
        if len(self._waiting) >= MOST_WAITING:
            if not self._overflowing:
                self._overflowing = True
                log_event(log, "tokens.not_kept", LogLevel.warn, resource=self._resource)
            return
        self._overflowing = False
        if len(self._recent) >= _RECENT or self._now() >= self._recent_until:
            # What is still used is written again before it is forgotten.
            self._recent.clear()
            self._recent_until = self._now() + self._settings.lifetime_seconds / 8
        self._recent[id] = None
        self._waiting[id] = kind, value, digest
        if self._timer is None and len(self._under_way) < _UNDER_WAY:
            self._timer = self._reactor.callLater(_WRITE_SECONDS, self._write)

    def _write(self) -> None:
        """Seal and hand over one batch, then come back for the next in a turn of its own."""
        self._timer = None
        now = int(self._now())
        epoch = self.tokeniser.current
        batch = [self._waiting.pop(id) for id in list(self._waiting)[:BATCH]]
        if not batch:
            return
        values: list[object] = []
        for kind, value, digest in batch:
            id = digest[:ID_BYTES]
            sealed = epoch.seal(digest, value, self._context(kind, epoch.number))
            values += (self._resource, id, epoch.number, sealed, now)
        rows = ", ".join(["(?, ?, ?, ?, ?)"] * len(batch))
        done: Deferred[None] = self._store.execute(
            f"INSERT INTO tokens (resource, id, epoch, sealed, made) VALUES {rows}"  # noqa: S608
            " ON CONFLICT (resource, id) DO UPDATE SET made = excluded.made",
            values,
        ).addCallbacks(lambda _: None, self._not_written)
        self._under_way.add(done)
        done.addBoth(self._written, done)
        self._again()

    def _not_written(self, failure: object) -> None:
        self._recent.clear()
        log_event(log, "tokens.not_kept", LogLevel.warn, resource=self._resource)

    def _written(self, _: object, done: Deferred[None]) -> None:
        self._under_way.discard(done)
        self._again()

    def _again(self) -> None:
        if self._waiting and self._timer is None and len(self._under_way) < _UNDER_WAY:
            self._timer = self._reactor.callLater(0, self._write)

    def _context(self, kind: str, epoch: int) -> bytes:
        return f"{self._resource}\0{kind}\0{epoch}".encode()

    def replace(self, keys: Mapping[int, Epoch]) -> None:
        """New keys are in force; what waits was made under the old one."""
        while self._waiting:
            self._write()
        self._recent.clear()
        self.tokeniser.replace(keys)

    async def values(self, tokens: Iterable[Token]) -> dict[Token, bytes]:
        """What ``tokens`` stand for; those that are not known here are left out.

        :raises HoopgateError: the state cannot be read.
        """
        found: dict[Token, bytes] = {}
        asked: dict[bytes, Token] = {}
        for token in tokens:
            epoch = self.tokeniser.keys.get(token.epoch)
            if epoch is None:
                continue
            # What was handed over already is read behind it: the store does one thing at a time.
            waiting = self._waiting.get(token.id)
            if waiting is None:
                asked[token.id] = token
            elif waiting[0] == token.kind and epoch is self.tokeniser.current:
                found[token] = waiting[1]
        if asked:
            since = int(self._now() - self._settings.lifetime_seconds)
            places = ", ".join("?" * len(asked))
            rows = await self._store.execute(
                "SELECT id, epoch, sealed FROM tokens WHERE resource = ? AND made >= ?"  # noqa: S608
                f" AND id IN ({places})",
                (self._resource, since, *asked),
            )
            for id, number, sealed in rows:
                assert isinstance(id, bytes) and isinstance(sealed, bytes)
                token = asked[id]
                if number == token.epoch:
                    context = self._context(token.kind, token.epoch)
                    value = self.tokeniser.keys[token.epoch].open(sealed, context, token)
                    if value is not None:
                        found[token] = value
        return found

    async def tidy(self) -> None:
        """Forget what is too old, too much, or under a key that was taken away."""
        epochs = ", ".join(map(str, sorted(self.tokeniser.keys)))
        since = int(self._now() - self._settings.lifetime_seconds)
        await self._store.execute(
            "DELETE FROM tokens WHERE rowid IN (SELECT rowid FROM tokens WHERE resource = ?"  # noqa: S608
            f" AND (made < ? OR epoch NOT IN ({epochs})) LIMIT {_TIDIED})",
            (self._resource, since),
        )
        [(count,)] = await self._store.execute(
            "SELECT count(*) FROM tokens WHERE resource = ?", (self._resource,)
        )
        assert isinstance(count, int)
        await self._store.execute(
            "DELETE FROM tokens WHERE rowid IN"
            " (SELECT rowid FROM tokens WHERE resource = ? ORDER BY made LIMIT ?)",
            (self._resource, min(max(count - self._settings.entries, 0), _TIDIED)),
        )

    async def stop(self) -> None:
        """Write what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            self._write()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if len(self._under_way) >= _UNDER_WAY:
                await gatherResults([_followed(one) for one in self._under_way])
        await gatherResults([_followed(one) for one in self._under_way])


def _followed(deferred: Deferred[None]) -> Deferred[None]:
    """Fires when ``deferred`` does; its own callbacks are not touched."""
    waiting: Deferred[None] = Deferred()
    deferred.addBoth(lambda _: waiting.callback(None))
    return waiting


class Tokens:
    """The tokens of every resource that has keys for them."""

    def __init__(
        self,
        resources: Mapping[str, Resource],
        store: IStateStore,
        reactor: IReactorTime,
        now: Callable[[], float],
    ) -> None:
        self._settings = {
            name: one.tokens for name, one in resources.items() if one.tokens is not None
        }
        self._store = store
        self._reactor = reactor
        self._now = now
        self._vaults: dict[str, Vault] = {}
        self._tidying = LoopingCall(self._tidy)
        self._tidying.clock = reactor

    def open_blocking(self) -> None:
        """Read the keys, as a node starts.

        :raises Refused: a secret cannot be read, or is no list of keys.
        """
        for name, settings in self._settings.items():
            try:
                keys = parse_keys(read_secret(settings.keys))
            except Refused as refused:
                raise Refused(refused.code, f"resources.{name}.tokens.keys: {refused}") from None
            self._vaults[name] = Vault(name, settings, keys, self._store, self._reactor, self._now)

    def start(self) -> None:
        """Begin to tidy up."""
        if self._vaults:
            self._tidying.start(_TIDY_SECONDS, now=True)

    def tokeniser(self, resource: str) -> Tokeniser | None:
        """Makes the tokens of ``resource``; None where there are no keys."""
        vault = self._vaults.get(resource)
        return None if vault is None else vault.tokeniser

    async def values(self, resource: str, tokens: Iterable[Token]) -> dict[Token, bytes]:
        """See :meth:`Vault.values`."""
        vault = self._vaults.get(resource)
        return {} if vault is None else await vault.values(tokens)

    async def reload(self, secrets: SecretSource) -> None:
        """Read the keys again; a secret that cannot be used keeps the old ones."""
        for name, vault in self._vaults.items():
            try:
                vault.replace(parse_keys(await secrets.read(self._settings[name].keys)))
                await vault.tidy()
            except HoopgateError as error:
                log_event(log, "tokens.keys_kept", LogLevel.error, resource=name, reason=str(error))

    async def stop(self) -> None:
        """Write what waits."""
        if self._tidying.running:
            self._tidying.stop()
        for vault in self._vaults.values():
            await vault.stop()

    async def _tidied(self) -> None:
        for name, vault in self._vaults.items():
            try:
                await vault.tidy()
            except HoopgateError:
                log_event(log, "tokens.not_tidied", LogLevel.warn, resource=name)

    def _tidy(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._tidied())
