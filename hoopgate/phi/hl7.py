"""HL7 v2 messages (ER7) without what identifies patients.

Per segment a list says which fields stay: codes, times to the year, what a message needs to be
routed. All other fields become constants, so a segment, a field or a component that the list does
not know shows nothing. Text in OBX and NTE is masked whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from hoopgate.phi.documents import Unreadable, replacement
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
#: Types of OBX-5 that hold no text: numbers and codes.
_RESULTS: Final = frozenset({"NM", "SN", "CE", "CWE", "CF", "CNE", "ID", "IS", "SI"})
_SEGMENT: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
_YEAR: Final = re.compile(r"([0-9]{4})[0-9.+-]*")
_SEGMENTS: Final = 10_000


class HL7Masker:
    """Masks messages; ``PID-5`` in the data dictionary says otherwise of a field."""

    def __init__(self, masks: Sequence[PathMask]) -> None:
        self._masks = {mask.path: mask for mask in reversed(masks)}

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
                if len(line) < 8 or separator.isalnum() or line[8:9] not in ("", separator):
                    raise Unreadable("the message's separators are unusual")
                if line[4:8] != "^~\\&":
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
        result = name == "OBX" and len(fields) > 1 and fields[1] in _RESULTS
        shown = []
        for number, value in enumerate(fields, first):
            mask = self._masks.get(f"{name}-{number}")
            if not value or value == '""':
                shown.append(value)
            elif mask is not None:
                shown.append(replacement(value, mask) or "")
            elif number in kept or (number == 5 and result):
                shown.append(value)
            elif number in dates:
                found = _YEAR.fullmatch(value)
                shown.append(found[1] if found else "")
            else:
                shown.append(f"[{name}-{number}]")
        return separator.join([name, *shown])
