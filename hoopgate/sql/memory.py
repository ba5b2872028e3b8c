"""The memory of answers, whichever server gave them: what is known of statements, until when."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

from hoopgate.events import Resolution

#: Seconds a resolution is remembered at most, though the schema seems the same.
TTL: Final = 600.0
#: Resolutions remembered.
CAPACITY: Final = 4096

Key = TypeVar("Key", bound=Hashable)


class Memory(Generic[Key]):
    """Resolutions of one database, by what they depend on.

    :param clock: seconds; must not go back.
    :param ttl: seconds a resolution is remembered at most.
    :param capacity: resolutions remembered.
    :ivar generation: counts changes of the schema.
    :ivar confirmed_at: the schema was last seen to be the same at this time (of the clock).
    """

    def __init__(self, clock: Callable[[], float], ttl: float, capacity: int) -> None:
        self._clock = clock
        self._ttl = ttl
        self._capacity = capacity
        self._known: OrderedDict[Key, tuple[float, Resolution]] = OrderedDict()
        self.generation = 0
        self.confirmed_at = float("-inf")

    def cached(self, key: Key) -> Resolution | None:
        """A resolution that is known and fresh."""
        found = self._known.get(key)
        if found is None:
            return None
        if self._clock() - found[0] > self._ttl:
            del self._known[key]
            return None
        self._known.move_to_end(key)
        return found[1]

    def expire(self) -> None:
        """The schema may have changed just now: nothing is confirmed."""
        self.confirmed_at = float("-inf")

    def _remember(self, key: Key, asked_at: float, resolution: Resolution) -> None:
        self._known[key] = (asked_at, resolution)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)

    def _forget(self) -> None:
        self.generation += 1
        self._known.clear()
