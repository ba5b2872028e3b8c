"""What a period's leaves have to say about sections of 45 CFR part 164, and what they have not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hoopgate.evidence.facts import Facts, detail_of, gap_list


@dataclass(frozen=True, slots=True)
class Section:
    """A line of the mapping.

    :ivar cite: within 45 CFR.
    :ivar asks: what the section asks for, in short.
    :ivar shows: what the log of this period shows of it.
    :ivar rest: what stays to be shown otherwise.
    """

    cite: str
    asks: str
    shows: str
    rest: str


#: Steps of approvals that a reviewer takes.
_DECISIONS = ("endorse", "approve", "deny", "revoke")


def sections(facts: Facts) -> list[Section]:
    """The mapping for one period."""
    sessions = list(facts.sessions.values())
    people = {(s.text("issuer"), s.text("subject")) for s in sessions}
    reasons = Counter(s.reason for s in sessions if s.end is not None)
    expired = sum(n for r, n in reasons.items() if r.startswith(("identity.", "idle", "limit.")))
    crypted = sum(1 for s in sessions if isinstance(s.fields.get("tls"), dict))
    verdicts = facts.verdicts
    approvals = Counter(str(detail_of(leaf).get("step", "")) for leaf in facts.of("approval"))
    views = len(facts.of("replay.view"))
    purges = len(facts.of("purge"))
    gaps = sum(1 for _ in gap_list(facts))
    return [
        Section(
            "164.312(a)(1), (a)(2)(i)",
            "Access control; unique user identification",
            f"{_n(len(sessions), 'session')} of {_n(len(people), 'identity', 'identities')}: each "
            "names issuer, subject, groups and, where there are some, the agents acting and the "
            f"person they act for. {_n(verdicts.get('block', 0), 'request')} refused by rule.",
            "That nobody reaches the systems past the gateway.",
        ),
        Section(
            "164.312(a)(2)(iii)",
            "Automatic logoff",
            f"{_n(expired, 'session')} ended because the identity or the idle time ran out.",
            "Logoff at workstations.",
        ),
        Section(
            "164.312(b)",
            "Audit controls",
            f"{_n(facts.leaves, 'leaf', 'leaves')} in an unbroken range of a signed Merkle log. A "
            "request is sent on only after its leaf is on the disk.",
            "Activity outside of the gateway.",
        ),
        Section(
            "164.312(c)(1), (c)(2)",
            "Integrity",
            "Of the log: any altered, removed or reordered record is found by the verification. "
            f"{_n(gaps, 'gap')} known and recorded.",
            "Integrity of the records in the systems behind the gateway.",
        ),
        Section(
            "164.312(d)",
            "Person or entity authentication",
            f"{_n(len(sessions), 'session')} opened by a token that the issuer signed, with the "
            "directory's groups of that moment.",
            "How the issuer had authenticated the person or agent.",
        ),
        Section(
            "164.312(e)(1)",
            "Transmission security",
            f"{_n(crypted, 'session')} of {len(sessions)} with TLS between client and gateway; "
            "version and cipher stand in the session's first leaf.",
            "Connections that do not go through the gateway.",
        ),
        Section(
            "164.308(a)(1)(ii)(D)",
            "Information system activity review",
            f"{_n(views, 'view')} of recordings logged; "
            f"{_n(sum(approvals[step] for step in _DECISIONS), 'decision')} of reviewers.",
            "That somebody reviews, regularly, and acts on it.",
        ),
        Section(
            "164.316(b)(2)(i)",
            "Retention for six years",
            f"{_n(purges, 'recording')} destroyed in this period; the verification of the whole "
            "log finds any that was before its retention ended, or under a legal hold.",
            "Backups, and the retention of this bundle.",
        ),
        Section(
            "164.502(b), 164.514(d)",
            "Minimum necessary",
            f"{_n(verdicts.get('mask', 0), 'answer')} with labelled values replaced, "
            f"{_n(verdicts.get('block', 0), 'request')} refused, "
            f"{_n(approvals['request'], 'request')} put before a person.",
            "That labels and rules say what is necessary.",
        ),
        Section(
            "164.528",
            "Accounting of disclosures",
            "The index of patients, where the bundle has one, says by keyed hash which sessions "
            "were shown or named a patient's identifier, when, and to whom.",
            "Purpose of a disclosure; disclosures by other ways; patients whose identifiers were "
            "redacted in the answers.",
        ),
    ]


LIMITS = (
    "That nothing was sent past the gateway: no log can show that. Close the systems' other doors.",
    "That the log was not rewritten by somebody who holds its signing key: the witnesses' "
    "cosignatures, the timestamps and checkpoints kept elsewhere bound that.",
    "That the clock was right: leaves carry the wall clock of the gateway; jumps are recorded, "
    "timestamps of an authority bound the rest.",
    "What the recordings hold: they are encrypted, and opened only with an auditor's key "
    "(hoopgate replay).",
    "That an issuer or directory told the truth about an identity.",
)


def _n(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
