"""The masking plan: the seam between who decides what is masked and who rewrites bytes.

``guardrails/masking.py`` makes plans from resolutions and labels; each protocol's ``masking.py``
carries them out. Nothing in here knows a wire format.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Method(Enum):
    """How a labelled value is replaced. Every method yields a value that is valid for its type."""

    REDACT = "redact"  #: a constant: ``[LABEL]`` where the type is text, else the type's constant
    TOKEN = "token"  #: a keyed deterministic token ``[LABEL:k7f3…]``; constant where not text
    NULL = "null"  #: SQL NULL
    GENERALISE = "generalise"  #: dates to 1 January of the year, ZIP to three digits


@dataclass(frozen=True, slots=True)
class ColumnMask:
    """How one output column is rewritten.

    :ivar label: the kind shown in the token, e.g. ``SSN``.
    :ivar type: the server's type of the output column (PostgreSQL: type OID).
    """

    label: str
    method: Method
    type: int


@dataclass(frozen=True, slots=True)
class MaskPlan:
    """How the rows of one result are rewritten.

    :ivar columns: one entry per output column, in order; None leaves the column as it is.
    :ivar names: the output columns' names as resolved, same length as ``columns``.
    """

    columns: tuple[ColumnMask | None, ...]
    names: tuple[str, ...] = ()

    @property
    def masks(self) -> bool:
        """True when at least one column is rewritten."""
        return any(column is not None for column in self.columns)
