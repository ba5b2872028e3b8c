"""Presidio's recognisers of identifiers by pattern, as detectors of a scan.

Optional (the extra ``presidio``), and far from any traffic: it looks at sampled values at the
command line alone. What it adds are other countries' identifiers, with their checksums. Its models
of language are not used; what hoopgate's own patterns know better is left out, and so is what would
look something up in the network.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from hoopgate.errors import HoopgateError
from hoopgate.phi.detectors.patterns import LONGEST
from hoopgate.phi.detectors.words import words

#: Shapes that hoopgate has patterns for, and those that say nothing of a person by themselves.
_LEFT_OUT: Final = frozenset(
    {
        *("CREDIT_CARD", "CRYPTO", "DATE_TIME", "EMAIL_ADDRESS", "IBAN_CODE", "IP_ADDRESS"),
        *("MAC_ADDRESS", "MEDICAL_LICENSE", "PHONE_NUMBER", "URL", "US_MBI", "US_NPI", "US_SSN"),
        "UUID",
    }
)
#: Presidio's own score of a pattern from which a match needs no word beside it.
_SURE: Final = 0.5
#: Words of Presidio's that are in half of all names of columns.
_COMMON: Final = frozenset({"id", "number", "no", "num", "code", "card", "the", "of", "de"})


@dataclass(frozen=True, slots=True)
class Recogniser:
    """One of Presidio's recognisers, in the form of a detector of hoopgate's own.

    :ivar least: scores below do not count.
    """

    kind: str
    name: str
    strength: float
    least: float
    context: frozenset[str]
    recogniser: Any = field(repr=False, compare=False)
    alone: bool = True

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where ``text`` holds one."""
        for found in self.recogniser.analyze(text[:LONGEST], [self.kind], None):
            if found.score >= self.least:
                yield found.start, found.end


def recognisers() -> tuple[Recogniser, ...]:
    """Those of Presidio that is installed here.

    :raises HoopgateError: it is not.
    """
    try:
        presidio = importlib.import_module("presidio_analyzer")
        known = importlib.import_module("presidio_analyzer.predefined_recognizers")
    except ImportError:
        raise HoopgateError(
            "--presidio: Presidio is not installed here; pip install 'hoopgate[presidio]'"
        ) from None
    found: list[Recogniser] = []
    class_: Any
    for _, class_ in sorted(inspect.getmembers(known, inspect.isclass)):
        base = presidio.PatternRecognizer
        if class_ is base or not issubclass(class_, base):
            continue
        recogniser = class_()
        entities = recogniser.supported_entities
        if len(entities) == 1 and entities[0] not in _LEFT_OUT:
            found += _detectors(entities[0], recogniser)
    return tuple(found)


def _detectors(entity: str, recogniser: Any) -> Iterator[Recogniser]:
    """Where Presidio is sure, or its checksum is right; where it is not, with a word of its own."""
    name = entity.replace("_", " ")
    yield Recogniser(entity, name, 0.75, _SURE, frozenset(), recogniser)
    said = frozenset(word for text in recogniser.context or () for word in words(text)) - _COMMON
    if said:
        yield Recogniser(entity, f"{name} by its name, too", 0.7, 0.0, said, recogniser)
