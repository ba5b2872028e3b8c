"""Which stream stands between a client and the program that it was allowed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hoopgate.actions import Decision, Work
from hoopgate.events import OperationFacts
from hoopgate.phi.files import labelled
from hoopgate.plans import BodyPlan, MaskPlan
from hoopgate.shell.readers import shown_whole
from hoopgate.ssh.masking import FileMasker, MaskedStream, WholeStream
from hoopgate.ssh.output import BoundedStream, MakeStream, Means, PlainStream, Stream
from hoopgate.ssh.sftp import Bounds, SFTPStream
from hoopgate.verdicts import Mask

if TYPE_CHECKING:
    from hoopgate.settings.model import Resource


def make_stream(resource: Resource) -> MakeStream:
    """Streams for a resource's programs."""
    settings = resource.ssh
    assert settings is not None
    bounds = Bounds(
        settings.bulk_bytes, settings.bulk_files, settings.bulk_removals, settings.mask_bytes
    )
    mask = FileMasker(binary=settings.binary) if resource.phi else None

    def give_out(means: Means, path: str, content: bytes, plan: MaskPlan) -> Work:
        assert mask is not None
        return means.work(mask.request(path, content, plan))

    def make(kind: str, decision: Decision, means: Means) -> Stream:
        if kind == "sftp":
            return SFTPStream(means.ask, bounds, mask, partial(give_out, means))
        (facts,) = decision.facts
        if kind == "exec" and "sftp.read" in facts.classes:
            return BoundedStream(bounds.read_bytes, means)
        if mask is None:
            return PlainStream()
        shown = _labelled_file(decision)
        if shown is not None:
            return WholeStream(mask, *shown, bounds.mask_bytes, means)
        return MaskedStream(terminal="terminal" in facts.flags)

    return make


def _labelled_file(decision: Decision) -> tuple[str, BodyPlan] | None:
    """The file that an allowed command shows as it is, where the data dictionary knows it."""
    facts, verdict = decision.facts[0], decision.verdict
    if not isinstance(facts, OperationFacts) or not isinstance(verdict, Mask):
        return None
    words = [word for word, _ in facts.attributes.get("ssh.word", ())]
    plan = verdict.plans[0]
    word = shown_whole(words) if words else None
    path = dict(facts.attributes.get("ssh.resolved", ())).get(word or "", "")
    if not path or not isinstance(plan, BodyPlan) or not labelled(path, plan.paths):
        return None
    return path, plan
