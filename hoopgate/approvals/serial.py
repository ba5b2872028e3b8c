"""Steps of one request: one at a time, and each to its end."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredLock

T = TypeVar("T")


class Locks:
    """A lock per key, for as long as somebody wants it."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[DeferredLock, list[None]]] = {}

    async def hold(self, key: str, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What ``call`` gives, called when nobody else has the key's lock."""
        lock, users = self._locks.setdefault(key, (DeferredLock(), []))
        users.append(None)
        try:
            await lock.acquire()
            try:
                return await call()
            finally:
                lock.release()
        finally:
            users.pop()
            if not users:
                del self._locks[key]


def to_the_end(
    coroutine: Coroutine[Any, Any, T], unwanted: Callable[[T], object] | None = None
) -> Deferred[T]:
    """Run to the end even when the caller stops waiting: half a step is a leaf without its change.

    :param unwanted: called with a result that nobody waits for any more.
    """
    cancelled = False

    def cancel(_: Deferred[T]) -> None:
        nonlocal cancelled
        cancelled = True

    outer: Deferred[T] = Deferred(cancel)
    inner = Deferred.fromCoroutine(coroutine)

    def done(result: T) -> None:
        if not cancelled:
            outer.callback(result)
        elif unwanted is not None:
            unwanted(result)

    def failed(failure: Any) -> None:
        if not cancelled:
            outer.errback(failure)

    inner.addCallbacks(done, failed)
    return outer
