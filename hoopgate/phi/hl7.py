"""HL7 v2 messages (ER7) without what identifies patients.

Per segment a list says which fields stay: codes, times to the year, what a message needs to be
routed. All other fields become constants, so a segment, a field or a component that the list does
not know shows nothing. Text in OBX and NTE is masked whole.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Final

from hoopgate.phi import fhir_ages
from hoopgate.phi.documents import Unreadable, replacement
from hoopgate.phi.safe_harbor import OLDEST_AGE
from hoopgate.plans import PathMask

#: Segment → fields that stay as they are.
_KEPT: Final = {
    "MSH": (1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 15, 16, 17, 18, 19, 20, 21),
    "EVN": (1,),
    "PID": (1, 8, 15, 16, 17, 22, 24, 26, 27, 28, 30, 35, 36),
    "PD1": (1, 2, 5, 6, 7, 11),
    "PV1": (1, 2, 4, 10, 14, 15, 16, 18, 20, 36, 41),
    "PV2": (2, 3, 7, 22, 25),
    "NK1": (1, 3, 7),
    "GT1": (1, 10, 11, 20),
    "IN1": (1, 15, 17, 27),
    "IN2": (),
    "IN3": (),
    "AL1": (1, 2, 3, 4),
    "DG1": (1, 2, 3, 6, 15, 17),
    "PR1": (1, 2, 3, 6),
    "OBR": (1, 4, 5, 11, 15, 24, 25, 26, 27),
    "ORC": (1, 5, 6),
    "OBX": (1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 17),
    "RXA": (1, 2, 5, 6, 7, 20),
    "RXE": (2, 3, 4, 5, 6),
    "RXO": (1, 2, 3, 4),
    "MSA": (1,),
    "ERR": (3, 4),
    "NTE": (1,),
    "SPM": (1, 4),
    "TXA": (1, 2, 17, 19),
    "SCH": (6, 7, 8, 25),
}
#: Fields with a date, of which the year stays.
_DATES: Final = {
    "MSH": (7,),
    "EVN": (2,),
    "PID": (29,),
    "PV1": (44, 45),
    "OBR": (6, 7, 8, 14, 22),
    "ORC": (9, 15),
    "OBX": (14, 19),
    "DG1": (5,),
    "PR1": (5,),
    "RXA": (3, 4),
}
_NUMBERS: Final = re.compile(r"[<>=0-9.:/+^~-]*")
#: HL7 v2 2A.2.46: a number and no telephone's; of repetitions each is one.
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?(~[+-]?[0-9]{1,15}(\.[0-9]{1,15})?)*")
_DIGITS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_CODE: Final = re.compile(r"[^\s\x00-\x20\x7f]*")
_CODES: Final = None  #: in _SHAPES: a code or a list of them, with their words
#: Of what stays: what it has to look like, or it is text. By type of an OBX-5, else by field.
_SHAPES: Final = {
    **dict.fromkeys(("NM", "SI"), _NUMBER),
    "SN": _NUMBERS,
    **dict.fromkeys(("ID", "IS"), _CODE),
    **dict.fromkeys(("CE", "CWE", "CF", "CNE"), _CODES),
    **dict.fromkeys(("OBX-4", "OBX-7", "RXA-6", "RXO-2", "RXO-3", "RXE-3", "RXE-4"), _NUMBERS),
}
_SEGMENT: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
_YEAR: Final = re.compile(r"([0-9]{4})[0-9.+-]*")
_SEGMENTS: Final = 10_000


class HL7Masker:
    """Masks messages; ``PID-5`` in the data dictionary says otherwise of a field."""

    def __init__(self, masks: Sequence[PathMask]) -> None:
        self._masks = {mask.path: mask for mask in reversed(masks)}
        self._oldest = time.gmtime().tm_year - OLDEST_AGE

    def mask(self, text: str) -> str:
        """A message, or several behind each other, as the client may see it.

        :raises Unreadable: it is no HL7 v2.
        """
        text = text.strip("\x0b\x1c\r\n")  # MLLP's frame
        lines = [line for line in re.split(r"\r\n|\r|\n", text) if line]
        if not lines or not lines[0].startswith("MSH") or len(lines) > _SEGMENTS:
            raise Unreadable("the content is no HL7 v2 message")
        shown = []
        separator = ""
        for line in lines:
            if line.startswith("MSH"):
                separator = line[3:4]
                marks = line[4:].partition(separator)[0]
                # The last one, since version 2.7, says where text was cut off.
                if separator.isalnum() or marks not in ("^~\\&", "^~\\&#"):
                    raise Unreadable("the message's separators are unusual")
            shown.append(self._segment(line, separator))
        return "\r".join(shown) + "\r"

    def _segment(self, line: str, separator: str) -> str:
        name, *fields = line.split(separator)
        if _SEGMENT.fullmatch(name) is None:
            raise Unreadable("a segment has no name")
        # MSH-1 is the separator itself.
        first = 2 if name == "MSH" else 1
        kept, dates = _KEPT.get(name, ()), _DATES.get(name, ())
        kind = fields[1] if name == "OBX" and len(fields) > 1 else ""
        shown = []
        for number, value in enumerate(fields, first):
            mask = self._masks.get(f"{name}-{number}")
            if not value or value == '""':
                shown.append(value)
            elif mask is not None:
                shown.append(replacement(value, mask) or "")
            elif name == "MSH" and number in kept:
                shown.append(value)
            elif number in kept or (number == 5 and kind in _SHAPES):
                shape = _SHAPES.get(kind if number == 5 else f"{name}-{number}", _CODES)
                if name == "OBX" and number == 5:
                    value = _shortened(value, kind, fields)
                shown.append(_shaped(value, shape) or f"[{name}-{number}]")
            elif number in dates:
                found = _YEAR.fullmatch(value)
                shown.append(f"{max(int(found[1]), self._oldest):04}" if found else "")
            else:
                shown.append(f"[{name}-{number}]")
        return separator.join([name, *shown])


def _shortened(value: str, kind: str, fields: Sequence[str]) -> str:
    """An observed age of 90 and more is 90: by its unit (OBX-6), or by what is observed (OBX-3)."""
    if kind not in ("NM", "SN"):
        return value
    most = fhir_ages.limit(*fields[5].split("^")[:2]) if len(fields) > 5 else None
    if most is None and len(fields) > 2 and fhir_ages.is_age(fields[2].split("^")):
        most = OLDEST_AGE
    if most is None:
        return value
    limit = most
    return _DIGITS.sub(lambda one: str(limit) if float(one[0]) >= limit else one[0], value)


def _shaped(value: str, shape: re.Pattern[str] | None) -> str:
    """What of a value has the shape that its type has; "" when nothing does."""
    if shape is not None:
        return value if shape.fullmatch(value) else ""
    found = [_coded(one) for one in value.split("~")]
    return "~".join(found) if any(found) else ""


def _coded(value: str) -> str:
    """A coded element (HL7 v2 2A.2.3): two codes with their words and systems. Words without a code
    are text, and so is what stands behind, the original text first of all."""
    parts = value.split("^")[:8]
    for code in (0, 3):
        if len(parts) > code and not (parts[code] and _CODE.fullmatch(parts[code])):
            parts[code : code + 2] = [""] * len(parts[code : code + 2])
    return "^".join(parts).rstrip("^") if any(parts[:2] + parts[3:5]) else ""
