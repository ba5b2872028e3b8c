"""How a labelled value is replaced where it comes out. The wire's forms are the protocols' own."""

from __future__ import annotations

from hoopgate.plans import ColumnMask, Method
from hoopgate.settings.model import Label, LabelClass


def column_mask(label: Label, type: int, *, direct: bool, year: bool = False) -> ColumnMask:
    """The mask of an output column.

    Tokens and generalised values are made of a stored value as it is. An expression over it could
    carry more than they give away (``make_date(day(dob), 1, 1)`` generalised shows the day; the
    token of ``ssn LIKE '1%'`` shows the digit), so an expression is redacted whole.

    :param type: the server's type of the output column.
    :param direct: the column is one stored value, unchanged, or a date whose year is made of the
        years of such ones.
    :param year: the column is all made of their years.
    """
    method = label.method
    if method in (Method.TOKEN, Method.GENERALISE) and not (direct or year):
        method = Method.REDACT
    if method is Method.GENERALISE and label.level is LabelClass.SECRET:
        method = Method.REDACT  # a year of a secret date is still of the secret
    return ColumnMask(label.kind, method, type, label.as_text, year)
