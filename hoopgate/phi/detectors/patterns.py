"""What identifiers look like: RE2 patterns, so that no value costs more than its length.

A detector is a tripwire, not a judge: it says what a person should look at. Kinds follow the
identifiers of 45 CFR 164.514(b)(2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import re2

from hoopgate.phi.detectors import checks

#: Characters of a value that are looked at.
LONGEST: Final = 512


@dataclass(frozen=True, slots=True)
class Detector:
    """One shape.

    :ivar kind: what a label would call it.
    :ivar name: for people.
    :ivar strength: 0 to 1: how much a column whose every value matches is this.
    :ivar check: tells an identifier from other text of its shape; None: the shape is all there is.
    :ivar context: words one of which must be in the column's or its relation's names or comments.
    :ivar alone: only where it is the whole value: within a text the shape says nothing.
    """

    kind: str
    name: str
    pattern: str
    strength: float
    check: Callable[[str], bool] | None = None
    context: frozenset[str] = frozenset()
    alone: bool = False
    _compiled: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", re2.compile(self.pattern))

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where ``text`` (its first :data:`LONGEST` characters) holds one."""
        for found in self._compiled.finditer(text[:LONGEST]):
            if self.check is None or self.check(found.group(0)):
                yield found.span()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Words for whom a record is about, or who works on it.
PEOPLE: Final = _words(
    "patient patients person persons people member members client clients customer customers user"
    " users staff employee employees physician physicians doctor doctors provider providers nurse"
    " contact contacts guarantor subscriber subscribers relative relatives kin guardian beneficiary"
    " practitioner practitioners resident residents donor participant participants subject"
)

_GIVEN: Final = (
    "James|Mary|Robert|Patricia|John|Jennifer|Michael|Linda|David|Elizabeth|William|Barbara|Richard"
    "|Susan|Joseph|Jessica|Thomas|Sarah|Charles|Karen|Christopher|Lisa|Daniel|Nancy|Matthew|Betty"
    "|Anthony|Sandra|Mark|Margaret|Donald|Ashley|Steven|Kimberly|Andrew|Emily|Paul|Donna|Joshua"
    "|Michelle|Kenneth|Carol|Kevin|Amanda|Brian|Melissa|George|Deborah|Timothy|Stephanie|Ronald"
    "|Rebecca|Jason|Laura|Edward|Helen|Jeffrey|Sharon|Ryan|Cynthia|Jacob|Kathleen|Gary|Amy"
    "|Nicholas|Anna|Eric|Angela|Jonathan|Ruth|Stephen|Brenda|Larry|Pamela|Justin|Virginia|Scott"
    "|Katherine|Brandon|Nicole|Benjamin|Catherine|Samuel|Christine|Gregory|Maria|Alexander|Ada"
    "|Jose|Ben|Juan|Luis|Carlos|Ana|Sofia|Mohammed|Fatima|Wei|Li|Ali|Eva|Ida|Emma|Olivia|Noah"
)
_STREET: Final = (
    "Street|St|Avenue|Ave|Road|Rd|Drive|Dr|Lane|Ln|Boulevard|Blvd|Court|Ct|Way|Place|Pl|Terrace"
    "|Circle|Highway|Hwy|Parkway|Pkwy"
)
_BYTE: Final = "(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
#: A Medicare beneficiary's letters leave out S, L, O, I, B and Z (CMS, "Understanding the MBI").
_MBI: Final = "AC-HJKMNP-RT-Y"

DETECTORS: Final = (
    Detector(
        "SSN", "social security number", r"\b\d{3}[- ]\d{2}[- ]\d{4}\b", 0.95, checks.ssn
    ),
    # Also where letters or digits touch it ("SSN123-45-6789"): what has this shape is hidden.
    Detector("SSN", "number in the shape of an SSN", r"\d{3}-\d{2}-\d{4}", 0.6),
    Detector(
        "SSN", "nine digits in an issued range", r"\b\d{9}\b", 0.6, checks.ssn,
        _words("ssn ssns social security tax taxpayer tin itin"), alone=True,
    ),
    Detector("EMAIL", "e-mail address", r"\b[\w.+%-]{1,64}@[\w-]+(?:\.[\w-]+)+\b", 0.97),
    Detector(
        "PHONE", "telephone number",
        r"(?:\+1[ .-]?)?(?:\(\d{3}\) ?|\b\d{3}[ .-])\d{3}[ .-]\d{4}\b", 0.85,
    ),
    Detector("PHONE", "international telephone number", r"\+[1-9]\d{7,14}\b", 0.85),
    Detector("MRN", "medical record number", r"(?i)\bMRN[-: #]{0,3}[A-Z]?\d{4,12}\b", 0.95),
    Detector(
        "MBI", "Medicare beneficiary number",
        rf"\b[1-9][{_MBI}][0-9{_MBI}]\d-?[{_MBI}][0-9{_MBI}]\d-?[{_MBI}]{{2}}\d{{2}}\b", 0.95,
    ),
    Detector("NPI", "national provider identifier", r"\b[12]\d{9}\b", 0.8, checks.npi, alone=True),
    Detector(
        "DEA", "DEA registration number", r"\b[ABCDEFGHJKLMPRSTUX][A-Z9]\d{7}\b", 0.85, checks.dea
    ),
    Detector("CARD", "payment card number", r"\b\d(?:[ -]?\d){12,18}\b", 0.85, checks.luhn),
    Detector(
        "ACCOUNT", "bank account (IBAN)", r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}\b", 0.95,
        checks.iban,
    ),
    Detector("VEHICLE", "vehicle number (VIN)", r"\b[A-HJ-NPR-Z0-9]{17}\b", 0.85, checks.vin),
    Detector("IP", "network address", rf"\b{_BYTE}(?:\.{_BYTE}){{3}}\b", 0.8),
    Detector("DEVICE", "hardware address", r"\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b", 0.85),
    Detector("URL", "web address", r"\bhttps?://[^\s\"'<>]+", 0.7),
    Detector(
        "ADDRESS", "street address",
        rf"\b\d{{1,5}} (?:[NSEW]\.? )?[A-Z][A-Za-z']+(?: [A-Z][A-Za-z']+){{0,3}} (?:{_STREET})\b",
        0.9,
    ),
    Detector("DATE", "date", r"\b(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])\b", 0.6),
    Detector(
        "DATE", "date", r"\b(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])/(?:19|20)?\d\d\b", 0.6
    ),
    Detector(
        "ZIP", "postal code", r"^\d{5}(?:-\d{4})?$", 0.6,
        context=_words("zip zipcode postal postcode plz"), alone=True,
    ),
    Detector(
        "NAME", "given name and another word",
        rf"\b(?:{_GIVEN})\s(?:[A-Z]\.?\s)?[A-Z][A-Za-z'\x{{2019}}-]+\b", 0.9,
    ),
    Detector(
        "NAME", "two or three capitalised words",
        r"^\p{Lu}[\p{L}'\x{2019}-]+,?(?: \p{Lu}\.?)? \p{Lu}[\p{L}'\x{2019}-]+$", 0.6,
        context=PEOPLE | _words("name names fullname surname"), alone=True,
    ),
)  # fmt: skip
