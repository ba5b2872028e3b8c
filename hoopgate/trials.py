"""Trials: a write runs in a transaction, and a person sees what it did before it is committed.

Shared by the protocols that have transactions, sans-I/O. What differs between them is how a
transaction is begun and ended, and how an answer says that a statement is complete.

1. The verdict on a statement is a Hold of its effect: the session begins a transaction of the
   gateway's own and runs the statement in it. Its answer is kept (:class:`Trial`).
2. The session asks again, with what it did (:class:`hoopgate.events.Effect`).
3. It is committed when that is allowed, and the client gets the answer; else it is rolled back, and
   the client gets a refusal. A session that ends before ends with its connection, and so with a
   rollback: nothing else has to happen.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, final

from hoopgate.events import StatementFacts

#: Bytes of an answer that are kept while a person looks at what the statement did.
MOST_KEPT: Final = 16 * 2**20

#: What a transaction takes back. Everything else a statement does may stay when it is rolled back.
_WRITES: Final = frozenset({"insert", "update", "delete", "merge"})
_UNDONE: Final = _WRITES | {"read"}
_LASTING: Final = frozenset(
    {"file_function", "superuser_function", "code_string_function", "state_function"}
)

#: Reason, message and remedy.
UNFIT: Final = (
    "approval.effect",
    "The rule has the effect of a write approved, and that of this statement cannot be shown.",
    "Send one INSERT, UPDATE, DELETE or MERGE, alone, outside a transaction.",
)
TOO_LARGE: Final = (
    "approval.effect",
    "The statement returns more than is kept while its effect is approved.",
    "Return fewer rows.",
)


def fit(facts: Iterable[StatementFacts]) -> bool:
    """Whether what a request does is one write that a rollback takes back wholly."""
    statements = tuple(facts)
    if len(statements) != 1:
        return False
    (one,) = statements
    return (
        not one.kind
        and not one.classes.isdisjoint(_WRITES)
        and one.classes <= _UNDONE
        and one.flags.isdisjoint(_LASTING)
    )


@final
class Trial:
    """The answer to a statement that is tried.

    :ivar began: its transaction has begun: from here on nothing is shown.
    :ivar affected: rows that it has changed; None: it is not complete.
    :ivar failed: the server refused it.
    :ivar ending: it is being committed or rolled back.
    :ivar too_large: more came than is kept; nothing is, and it has to be rolled back.
    """

    def __init__(self, limit: int = MOST_KEPT) -> None:
        self.began = False
        self.affected: int | None = None
        self.failed = False
        self.ending = False
        self.too_large = False
        self._limit = limit
        self._kept: list[bytes] = []
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes kept."""
        return self._size

    def keep(self, data: bytes) -> None:
        """Show ``data`` later, if at all."""
        self._size += len(data)
        if self._size > self._limit and not self.failed:
            self.too_large = True
            self.drop()
        elif not self.too_large:
            self._kept.append(data)

    def drop(self) -> None:
        """Never show what was kept."""
        self._kept.clear()
        self._size = 0

    def release(self) -> bytes:
        """What was kept, to be shown now."""
        kept = b"".join(self._kept)
        self.drop()
        return kept
