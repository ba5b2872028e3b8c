"""The masking plan: the seam between who decides what is masked and who rewrites bytes.

``guardrails/masking.py`` makes plans from resolutions and labels; each protocol's ``masking.py``
carries them out. Nothing in here knows a wire format.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any


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
    :ivar as_text: what is shown is words, and the column is described as text to the client.
    :ivar year: generalised, it is what dates of this kind have been made: a year, or made of years.
    """

    label: str
    method: Method
    type: int
    as_text: bool = False
    year: bool = False


@dataclass(frozen=True, slots=True)
class TokenUse:
    """A parameter that is compared with a column whose values come as tokens.

    :ivar number: of the parameter: 1 is ``$1``.
    :ivar kind: of the token that is taken.
    :ivar type: the server's type of the parameter; an array holds tokens.
    :ivar required: nothing but a token (or NULL) may be bound to it.
    """

    number: int
    kind: str
    type: int
    required: bool


@dataclass(frozen=True, slots=True)
class Spend:
    """What a statement takes of budgets.

    :ivar predicates: quasi-identifiers choose its rows.
    :ivar width: labelled columns among its output.
    :ivar columns: digest of which these are.
    :ivar patient: the output column that says whom a row is about; -1: none does.
    :ivar subject: one of the columns that are taken, for who is told that it may not be.
    """

    predicates: bool
    width: int
    columns: bytes
    patient: int
    subject: str


@dataclass(frozen=True, slots=True)
class MaskPlan:
    """How the rows of one result are rewritten, and what running the statement rests on.

    :ivar columns: one entry per output column, in order; None leaves the column as it is.
    :ivar names: the output columns' names as resolved, same length as ``columns``.
    :ivar tokens: parameters that take tokens.
    :ivar spend: what it takes of budgets, where there are any.
    """

    columns: tuple[ColumnMask | None, ...]
    names: tuple[str, ...] = ()
    tokens: tuple[TokenUse, ...] = ()
    spend: Spend | None = None

    @property
    def masks(self) -> bool:
        """True when at least one column is rewritten."""
        return any(column is not None for column in self.columns)


@dataclass(frozen=True, slots=True)
class PathMask:
    """How the values at one place of a document are replaced.

    :ivar path: a JSON pointer with ``*`` for any member or item (``/patients/*/ssn``), or the
        elements of a FHIR resource (``Patient.name.family``); for CSV the column's name.
    :ivar method: None keeps the value: somebody has said that it is public.
    """

    path: str
    label: str
    method: Method | None


@dataclass(frozen=True, slots=True)
class BodyPlan(MaskPlan):
    """How the body of an answer is rewritten; ``columns`` is empty.

    :ivar paths: what the data dictionary says of single places, the most specific first.
    :ivar unlabelled: False: what no path names is public.
    :ivar clear: nothing is masked: the resource holds no PHI.
    :ivar permits: of MCP, whether a tool of that name may be called, or asked for.
    """

    paths: tuple[PathMask, ...] = ()
    unlabelled: bool = True
    clear: bool = False
    permits: Callable[[str], bool] | None = None

    @property
    def masks(self) -> bool:
        """True: whatever comes is looked at."""
        return True


def _dissolved(plan: Any) -> tuple[type, tuple[object, ...]]:
    return type(plan), tuple([getattr(plan, one.name) for one in fields(plan)])


# Plans go to children that mask. What mypyc compiles, pickle cannot fill in by itself.
for _kind in (ColumnMask, TokenUse, Spend, MaskPlan, PathMask, BodyPlan):
    copyreg.pickle(_kind, _dissolved)
