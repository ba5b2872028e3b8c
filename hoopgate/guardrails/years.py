"""Where the years of dates may be shown as they are.

The lineage says that a column is made of years (:mod:`hoopgate.sql.years`); the labels say whether
its dates come as years.
"""

from __future__ import annotations

from hoopgate.events import OutputColumn
from hoopgate.phi.labels import LabelSet
from hoopgate.phi.safe_harbor import BIRTHS
from hoopgate.plans import Method
from hoopgate.settings.model import LabelClass


def form_shown(column: OutputColumn, labels: LabelSet) -> str:
    """``column.form`` where all that is labelled among the column's sources is generalised dates,
    of which it has nothing but the years; else "".

    Years of birth come with an end, and what is computed of them could go past it; so of them only
    the year itself counts, and they do not mix with others.
    """
    if not column.form:
        return ""
    births: set[bool] = set()
    for source in column.sources:
        label = labels.lookup(source)
        if label is None or label.level is LabelClass.PUBLIC:
            continue
        if source not in column.kept:
            return ""
        if label.level is not LabelClass.QUASI or label.method is not Method.GENERALISE:
            return ""
        births.add(label.kind.upper() in BIRTHS)
    if len(births) > 1 or (True in births and column.form == "whole"):
        return ""
    return column.form


def whole_years(column: OutputColumn, labels: LabelSet) -> bool:
    """Whether a column shows all that there is in it, which is years of no birth: then it may be
    kept anywhere."""
    if form_shown(column, labels) not in ("year", "whole"):
        return False
    found = labels.strictest(column.sources)
    return found is None or found.kind.upper() not in BIRTHS
