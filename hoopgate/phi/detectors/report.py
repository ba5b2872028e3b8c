"""The reviewable file: TOML that can be appended to ``hoopgate.toml`` once a person has read it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from hoopgate.events import ColumnRef
from hoopgate.phi.detectors.proposals import WHO, Proposal
from hoopgate.phi.labels import LabelSet
from hoopgate.plans import Method
from hoopgate.settings.model import UNLABELLED, Label, LabelClass

_META: Final = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Finding:
    """A proposal beside what the settings say of the column.

    :ivar present: the label in force, None when nobody has labelled it.
    """

    proposal: Proposal
    present: Label | None

    @property
    def contradicts(self) -> bool:
        """The settings call it public, and it looks like somebody's. The database's own number of
        a patient may be public: whoever labelled it has decided so."""
        proposed = self.proposal.label
        return (
            self.present is not None
            and self.present.level is LabelClass.PUBLIC
            and proposed is not None
            and proposed.level is not LabelClass.PUBLIC
            and proposed.kind != WHO
        )

    @property
    def kind(self) -> str:
        """``warning``, ``labelled``, ``label``, ``public`` or ``unknown``."""
        if self.contradicts:
            return "warning"
        if self.present is not None:
            return "labelled"
        label = self.proposal.label
        if label is None:
            return "unknown"
        return "public" if label.level is LabelClass.PUBLIC else "label"


def findings(proposals: Iterable[Proposal], labels: LabelSet) -> list[Finding]:
    """Compare with the labels in force."""
    found = []
    for proposal in proposals:
        present = labels.lookup(proposal.column)
        if present is not None and present.kind == UNLABELLED:
            present = None
        found.append(Finding(proposal, present))
    return found


def as_toml(
    resource: str, found: Sequence[Finding], problems: Sequence[str], made: str
) -> Iterator[str]:
    """The lines of the file. What would open a column is commented out."""
    yield f"# Labels proposed for the resource {_comment(resource)}, {made}."
    yield "# Read every line; then append this file to hoopgate.toml and run `hoopgate check`."
    yield "# Lines that would show a column are commented out: they are for you to decide."
    yield "# A column without a label counts as secret (policy.unlabelled)."
    for problem in problems:
        yield f"# NOT SAMPLED: {_comment(problem)}"
    for warning in (one for one in found if one.contradicts):
        proposal = warning.proposal
        assert proposal.label is not None
        yield ""
        yield (
            f"# WARNING: {_comment(str(proposal.column))} is labelled public, and may be"
            f" {proposal.label.kind} ({proposal.confidence:.0%}): {_reasons(proposal)}"
        )
    for finding in found:
        if finding.kind == "label":
            yield ""
            yield from _label(finding.proposal)
    yield from _public(resource, [one.proposal for one in found if one.kind == "public"])
    unknown = [one.proposal for one in found if one.kind == "unknown"]
    if unknown:
        yield ""
        yield "# Nothing tells what these hold. They stay secret until somebody labels them:"
        yield from (f"#   {_comment(str(one.column))} ({_comment(one.type)})" for one in unknown)


def _label(proposal: Proposal) -> Iterator[str]:
    label = proposal.label
    assert label is not None
    yield f"# {proposal.confidence:.0%} sure: {_reasons(proposal)}"
    if "." in "".join(_names(proposal.column)):
        yield "# there is a dot in its name, for which ? stands: it matches any character"
    yield "[[labels]]"
    yield f"resource = {_string(label.resource)}"
    yield f"column = {_string(as_column(proposal.column))}"
    yield f"kind = {_string(label.kind)}"
    if label.level is not LabelClass.SECRET:
        yield f'level = "{label.level.value}"'
    if label.method is not Method.REDACT:
        yield f'method = "{label.method.value}"'
    if label.patient:
        yield "patient = true"


def _public(resource: str, proposals: Sequence[Proposal]) -> Iterator[str]:
    if not proposals:
        return
    yield ""
    yield "# These may be public. Take the # away from those that you know to hold no PHI:"
    yield "# [[labels]]"
    yield f"# resource = {_string(resource)}"
    yield '# level = "public"'
    yield "# column = ["
    for one in proposals:
        yield f"#     {_string(as_column(one.column))},  # {one.confidence:.0%}: {_reasons(one)}"
    yield "# ]"


def as_column(column: ColumnRef) -> str:
    """What a label writes for this column and for no other: wildcards in names stand for
    themselves. A dot cannot be written; ``?`` is the nearest."""
    return ".".join(_META.sub(r"[\g<0>]", name).replace(".", "?") for name in _names(column))


def _names(column: ColumnRef) -> tuple[str, str, str]:
    return column.schema, column.relation, column.column


def _reasons(proposal: Proposal) -> str:
    return _comment("; ".join(proposal.reasons))


def _string(text: str) -> str:
    """A basic string of TOML 1.0: JSON's, with DEL escaped, too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    """Names are anybody's: a line's end in one must not end the comment."""
    return "".join(one if one.isprintable() else " " for one in text)
