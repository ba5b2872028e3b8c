"""Checkpoints kept elsewhere, against the log as it is now: the way to see that it was rolled back,
rewritten by somebody who holds its key, or shown to two auditors differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hoopgate.recorder.errors import BadLog, BadNote
from hoopgate.recorder.note import Verifier, open_checkpoint
from hoopgate.recorder.policy import Policy
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.tree import frontier


def check_known(
    log: LogReader, known: Iterable[tuple[str, bytes]], retired: Sequence[Verifier] = ()
) -> None:
    """The log continues each of these checkpoints.

    :param known: name, and signed note.
    :param retired: keys, beside those of the log, that may have signed them.
    :raises BadNote: one was not signed by a trusted key.
    :raises BadLog: the log does not continue one. Both checkpoints prove it: keep both.
    """
    for name, note in known:
        try:
            checkpoint = open_checkpoint(note, (*log.verifiers, *retired))
        except BadNote as error:
            raise BadNote(f"{name}: {error}") from None
        if checkpoint.origin != log.checkpoint.origin:
            raise BadLog(f"{name} is of another log, {checkpoint.origin}")
        if checkpoint.size > log.size:
            raise BadLog(
                f"{name} was signed over {checkpoint.size} leaves and the log has {log.size}: it "
                "was rolled back; keep both checkpoints, they prove it"
            )
        if frontier(checkpoint.size, log.tiles.subtree).root() != checkpoint.root:
            raise BadLog(
                f"{name}: the log's first {checkpoint.size} leaves are not those that were signed "
                "then: it was rewritten or forked; keep both checkpoints, they prove it"
            )


def check_witnessed(log: LogReader, policy: Policy, note: bytes) -> tuple[int, dict[str, int]]:
    """The log continues its cosigned checkpoint.

    :param note: the cosigned checkpoint, with its signatures.
    :return: the leaves that witnesses vouch for, and when each of them did (seconds since the
        epoch).
    :raises BadNote: the policy is not met, or a signature is wrong.
    :raises BadLog: the log does not continue it.
    """
    checkpoint, times = policy.check(note)
    check_known(log, [("the cosigned checkpoint", note)])
    return checkpoint.size, times
