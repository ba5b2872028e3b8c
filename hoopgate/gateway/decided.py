"""Decisions of one session that need not be made again."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hoopgate.events import Statement, StatementFacts
    from hoopgate.interfaces import IStatementAnalyzer
    from hoopgate.verdicts import Verdict

#: Decisions remembered, the characters of all their texts, and of one.
MOST_REMEMBERED: Final = 512
REMEMBERED_CHARACTERS: Final = 2**18
LONGEST_REMEMBERED: Final = 16_384


@dataclass(slots=True)
class Remembered:
    """A decision without what is of one request alone."""

    verdict: Verdict
    monitored: tuple[str, ...]
    facts: tuple[StatementFacts, ...]
    resolved: bool  #: it rests on the schema
    text: str | None  #: what is run in place of its own
    spends: bool  #: it takes of budgets


class Decisions:
    """Remembers by text, and by what texts share that differ in literals without bearing.

    All of it is of one generation; under another, nothing is known.
    """

    def __init__(self, analyzer: IStatementAnalyzer) -> None:
        self._analyzer = analyzer
        self._generation = -1
        self._size = 0
        self._texts: OrderedDict[tuple[str, tuple[int, ...], bool], Remembered] = OrderedDict()
        #: By the id of the facts that the texts share. As long as it is remembered, what has its
        #: facts' id is its facts.
        self._shared: OrderedDict[tuple[int, tuple[int, ...], bool], Remembered] = OrderedDict()

    def find(self, event: Statement, generation: int, *, tokens: bool) -> Remembered | None:
        """The decision on a text like that; ``tokens``: a literal may be one."""
        if self._generation != generation:
            self._forget(generation)
            return None
        found = self._texts.get((event.text, event.parameter_types, event.executes))
        if found is not None or not self._shared:
            return found
        if len(event.text) > LONGEST_REMEMBERED or (tokens and "[" in event.text):
            return None
        facts = self._analyzer.cached(event.text)
        if facts is None:
            return None
        return self._shared.get((id(facts), event.parameter_types, event.executes))

    def keep(
        self, event: Statement, generation: int, decision: Remembered, *, shared: bool
    ) -> None:
        """Remember ``decision``; ``shared``: for every text that has its facts."""
        if len(event.text) > LONGEST_REMEMBERED:
            return
        if self._generation != generation:
            self._forget(generation)
        key = event.text, event.parameter_types, event.executes
        if key not in self._texts:
            self._size += len(event.text)
        self._texts[key] = decision
        while len(self._texts) > MOST_REMEMBERED or self._size > REMEMBERED_CHARACTERS:
            (text, _, _), _ = self._texts.popitem(last=False)
            self._size -= len(text)
        if shared and decision.text is None:
            self._shared[id(decision.facts), event.parameter_types, event.executes] = decision
            if len(self._shared) > MOST_REMEMBERED:
                self._shared.popitem(last=False)

    def _forget(self, generation: int) -> None:
        self._texts.clear()
        self._shared.clear()
        self._size = 0
        self._generation = generation
