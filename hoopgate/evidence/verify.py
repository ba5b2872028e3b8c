"""Checks a bundle with nothing but the bundle and a policy from elsewhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from hoopgate.evidence.derived import documents, entries, facts_of, leaves
from hoopgate.evidence.disclosures import NAME as INDEX
from hoopgate.evidence.export import MakeIndex
from hoopgate.evidence.facts import Facts, detail_of
from hoopgate.evidence.manifest import BadBundle, Manifest, check_files, read_manifest
from hoopgate.evidence.partial import check_tree, paths_of, provable
from hoopgate.recorder.cosigning import WITNESSED
from hoopgate.recorder.errors import BadLog, BadNote
from hoopgate.recorder.files import read_whole
from hoopgate.recorder.known import check_known, check_witnessed
from hoopgate.recorder.leaf import Leaf, decode, hash_of
from hoopgate.recorder.note import Checkpoint, open_checkpoint
from hoopgate.recorder.policy import Policy
from hoopgate.recorder.reading import LogReader, proof_text
from hoopgate.recorder.retention import Keeper
from hoopgate.recorder.segments import Scan, segment_name
from hoopgate.recorder.timestamping import TIMESTAMPS, Authority, TimestampFailed, timestamps
from hoopgate.recorder.tree import inclusion_proof
from hoopgate.recorder.writer import CLOCK_JUMP_SECONDS


@dataclass(slots=True)
class Verified:
    """What was verified.

    :ivar facts: what the leaves say.
    :ivar witnesses: who cosigned, and when (seconds since the epoch).
    :ivar stamped: leaves that an authority's timestamp covers → when it saw them.
    :ivar unproven: files that are in the manifest and follow from nothing that is signed.
    :ivar absent: digests of rules that sessions were judged by and that are not in the bundle.
    :ivar doubts: why leaves of the period may stand outside of the range all the same.
    """

    manifest: Manifest
    checkpoint: Checkpoint
    facts: Facts
    witnesses: Mapping[str, int]
    stamped: Mapping[int, datetime]
    unproven: list[str]
    absent: list[str]
    doubts: list[str]


def verify_bundle(
    bundle: Path,
    policy: Policy,
    disclosures: MakeIndex | None = None,
    authority: Authority | None = None,
) -> Verified:
    """Verify everything.

    :param policy: whom to trust.
    :param authority: whose timestamps to trust; None: they stay unproven.
    :param disclosures: makes the index of patients anew; None: it stays unproven.
    :raises BadBundle: the bundle is not what it claims.
    :raises BadNote: the checkpoint was not signed by those who are trusted.
    :raises BadLog: the leaves or records are not what was signed.
    :raises OSError: a file cannot be read.
    """
    manifest = read_manifest(bundle)
    check_files(bundle, manifest)
    try:
        log = LogReader(bundle / "log", policy.logs)
    except FileNotFoundError:
        raise BadBundle("log/checkpoint is missing") from None
    if (manifest.origin, manifest.size) != (log.checkpoint.origin, log.size):
        raise BadBundle("the manifest is about another checkpoint")
    check_tree(log, manifest.selection)
    witnesses = _check_witnessed(log, manifest, policy)
    facts = facts_of(log, manifest)
    doubts = _check_range(log, manifest)
    _check_chains(log, manifest)
    _check_purges(log, manifest)
    proven = {"log/checkpoint"}
    if manifest.selection.witnessed:
        proven.add(f"log/{WITNESSED}")
    proven |= {f"log/{path}" for path in paths_of(manifest.selection, log.size)}
    if manifest.recordings:
        proven |= _check_records(log, manifest)
        proven |= _check_wraps(log, manifest)
    proven |= _check_proofs(log, manifest)
    proven |= _check_rules(bundle, manifest, facts)
    proven |= _check_derived(log, manifest, facts)
    stamped = _check_timestamps(log, manifest, authority)
    proven |= {f"log/{TIMESTAMPS}/{size}.checkpoint" for size in stamped}
    tokens = {f"log/{TIMESTAMPS}/{size}.tsr" for size in stamped}
    if authority is not None:
        proven |= tokens
    if disclosures is not None:
        _compare(manifest, INDEX, iter([disclosures(log, manifest, facts)]))
        proven.add(INDEX)
    others = manifest.files.keys() - proven - tokens
    stray = [path for path in others if path.startswith("log/")]
    if stray:
        raise BadBundle(f"{min(stray)} is no part of the log that the bundle needs")
    unproven = sorted(manifest.files.keys() - proven)
    when = {size: time for size, time in stamped.items() if time is not None}
    absent = [rules for rules in facts.rules if f"config/rules/{rules}.json" not in proven]
    return Verified(manifest, log.checkpoint, facts, witnesses, when, unproven, absent, doubts)


def _check_timestamps(
    log: LogReader, manifest: Manifest, authority: Authority | None
) -> dict[int, datetime | None]:
    """Each is of a checkpoint that the log continues, and says when the authority saw it."""
    times: dict[int, datetime | None] = {}
    for size, note, token in timestamps(log.directory):
        name = f"the checkpoint of the timestamp over {size} leaves"
        if not provable(manifest.selection, log.size, size):
            raise BadBundle(f"{name} cannot be proven from here")
        check_known(log, [(name, note)])
        if open_checkpoint(note, log.verifiers).size != size:
            raise BadBundle(f"{name} is of another size")
        times[size] = None
        if authority is not None:
            try:
                times[size] = authority.verify(token, note)
            except TimestampFailed as error:
                raise BadBundle(f"log/{TIMESTAMPS}/{size}.tsr: {error}") from None
    return times


def _check_witnessed(log: LogReader, manifest: Manifest, policy: Policy) -> Mapping[str, int]:
    """As many witnesses as the policy asks for vouch for the whole period."""
    chosen = manifest.selection
    path = f"log/{WITNESSED}"
    if path not in manifest.files:
        if chosen.witnessed:
            raise BadBundle(f"{path} is missing")
        if policy.quorum != "none":
            raise BadNote(f"the policy asks for {policy.quorum}, and no witness cosigned")
        return {}
    size, times = check_witnessed(log, policy, read_whole(log.directory / WITNESSED))
    if size != chosen.witnessed:
        raise BadBundle("the manifest is about another cosigned checkpoint")
    if size <= chosen.last and policy.quorum != "none":
        raise BadBundle(f"witnesses vouch for {size} leaves, the period ends with {chosen.last}")
    return times


def _check_range(log: LogReader, manifest: Manifest) -> list[str]:
    """The period is covered: the leaves around the range are of other times. They say so by the
    node's wall clock; where that was set, it says less, and this returns what."""
    chosen = manifest.selection
    doubts: list[str] = []

    def within(leaf: Leaf) -> bool:
        return bool(chosen.start <= leaf["time"] < chosen.end)

    first, last = decode(log.entry(chosen.first)), decode(log.entry(chosen.last))
    if not within(first) or not within(last):
        raise BadBundle("the range does not begin and end within the period")
    if chosen.first > 0:
        before = decode(log.entry(chosen.first - 1))
        if within(before):
            raise BadBundle("a leaf of the period stands before the range")
        if _set_between(before, first):
            doubts.append(_DOUBT.format("begins", "before"))
    if chosen.last + 1 < log.size:
        after = decode(log.entry(chosen.last + 1))
        if within(after):
            raise BadBundle("a leaf of the period stands after the range")
        if _set_between(last, after):
            doubts.append(_DOUBT.format("ends", "after"))
    return doubts


_DOUBT: Final = (
    "the node's clock was set where the range {}: leaves of the period may stand {} it; "
    "ask for a longer period"
)


def _set_between(one: Leaf, two: Leaf) -> bool:
    """The wall clock was set between two leaves that follow each other."""
    passed = int(two["time"]) - int(one["time"])
    if two["type"] == "epoch.start":  # perhaps after another boot: its monotonic time is another
        return passed < 0
    return abs(passed - (int(two["mono"]) - int(one["mono"]))) > CLOCK_JUMP_SECONDS * 1_000_000


def _check_chains(log: LogReader, manifest: Manifest) -> None:
    """Each session's leaves follow each other; each begins within the range or before it."""
    chosen = manifest.selection
    chains: dict[str, tuple[int, str]] = {}
    closed: set[str] = set()
    mono = 0
    for leaf, hashed in leaves(log, chosen.first, chosen.last):
        session = leaf["session"]
        place = {name: leaf[name] for name in ("index", "session", "segment", "offset")}
        begins = leaf["type"] in ("session.open", "epoch.start")
        if leaf["type"] == "epoch.start":
            mono = 0
        if leaf["mono"] < mono:
            raise BadLog("its monotonic time is before that of the leaf before it", **place)
        mono = leaf["mono"]
        if begins != (leaf["seq"] == 0) or session in closed:
            raise BadLog("the session is not open", **place)
        expected = chains.get(session)
        if expected is None and not begins and session not in chosen.opened:
            raise BadLog("the session was opened nowhere", **place)
        if expected is None and begins:
            expected = (0, "")
        if expected is not None and (leaf["seq"], leaf["prev"]) != expected:
            raise BadLog("the leaf does not follow the session's last one", **place)
        chains[session] = (leaf["seq"] + 1, b64encode(hashed).decode())
        if leaf["type"] == "session.close":
            closed.add(session)


def _check_purges(log: LogReader, manifest: Manifest) -> None:
    """What is called shredded was, by a leaf that says so, and not before its retention ended as
    far as the range tells."""
    chosen = manifest.selection
    keeper = Keeper()
    for index in sorted(chosen.opened.values()):
        keeper.follow(decode(log.entry(index)))
    for leaf, _ in leaves(log, chosen.first, chosen.last):
        what = ""
        session = str(detail_of(leaf).get("session"))
        if leaf["type"] != "purge" or session in keeper.until:
            what = keeper.follow(leaf)
        elif keeper.holds.get(session):
            what = "it purges a recording under a legal hold"
        if what:
            raise BadLog(what, index=leaf["index"])
    for session, index in chosen.purged.items():
        leaf = decode(log.entry(index))
        detail = leaf.get("detail")
        of_it = isinstance(detail, dict) and detail.get("session") == session
        if leaf["type"] != "purge" or not of_it:
            raise BadLog(f"it does not purge the session {session[:64]}", index=index)
        kept = keeper.until.get(session)
        if kept is not None and leaf["time"] < kept:
            raise BadLog("it purges a recording before its retention ended", index=index)


def _check_records(log: LogReader, manifest: Manifest) -> set[str]:
    """Each leaf of the range has its record, and its payload is the one it names."""
    chosen = manifest.selection
    current = -1
    scan: Iterator[tuple[int, bytes, bytes]] = iter(())
    paths: set[str] = set()
    for _, entry in entries(log, chosen.first, chosen.last):
        leaf = decode(entry)
        place: dict[str, Any] = {name: leaf[name] for name in ("index", "session", "segment")}
        if leaf["segment"] != current:
            _ended(scan, current)
            current = leaf["segment"]
            paths.add(f"log/seg/{segment_name(current)}")
            if f"log/seg/{segment_name(current)}" not in manifest.files:
                raise BadLog("the segment is missing", **place)
            scan = iter(Scan(log.directory, current))
        record = next(scan, None)
        if record is None:
            raise BadLog("its record is missing or damaged", **place)
        _check_record(leaf, entry, record, place)
    _ended(scan, current)
    for path in paths:
        _check_length(log.directory, path)
    return paths


def _check_record(
    leaf: Leaf, entry: bytes, record: tuple[int, bytes, bytes], place: dict[str, Any]
) -> None:
    _, data, payload = record
    if data != entry:
        raise BadLog("its record holds another leaf", **place)
    if len(payload) != leaf["length"]:
        raise BadLog("the payload has another length", **place)
    if payload and sha256(payload).digest() != hash_of(leaf, "hash"):
        raise BadLog("the payload is not the one its leaf names", **place)


def _ended(scan: Iterator[tuple[int, bytes, bytes]], number: int) -> None:
    if next(scan, None) is not None:
        raise BadLog("the segment holds more records than the range has leaves", segment=number)


def _check_length(directory: Path, path: str) -> None:
    """Nothing stands behind the last record."""
    file = directory / path.removeprefix("log/")
    scan = Scan(directory, int(file.stem))
    for _ in scan:
        pass
    if scan.end != file.stat().st_size:
        raise BadBundle(f"{path} holds bytes that are no record")


def _check_wraps(log: LogReader, manifest: Manifest) -> set[str]:
    chosen = manifest.selection
    first = [decode(log.entry(index)) for index in chosen.opened.values()]
    first += [
        leaf
        for leaf, _ in leaves(log, chosen.first, chosen.last)
        if leaf["type"] in ("session.open", "epoch.start")
    ]
    paths: set[str] = set()
    for leaf in first:
        session = leaf["session"]
        path = f"log/wraps/{session}.json"
        if session in chosen.purged:
            continue
        if path not in manifest.files:
            raise BadBundle(f"{path} is missing and no purge is recorded")
        if sha256(read_whole(log.directory / f"wraps/{session}.json")).digest() != hash_of(
            leaf, "wrap"
        ):
            raise BadLog("the session's wrapped key was altered", session=session)
        paths.add(path)
    return paths


def _check_proofs(log: LogReader, manifest: Manifest) -> set[str]:
    paths = set()
    for index in {manifest.selection.first, manifest.selection.last}:
        path = f"proofs/{index}.tlog-proof"
        proof = inclusion_proof(index, log.size, log.tiles.subtree)
        expected = proof_text(log.note, index, log.entry(index), proof).encode()
        _compare(manifest, path, iter([expected]))
        paths.add(path)
    return paths


def _check_rules(bundle: Path, manifest: Manifest, facts: Facts) -> set[str]:
    """Rules are named by the digest that the leaves name them by."""
    paths = set()
    for path in manifest.files:
        if path.startswith("config/rules/"):
            digest = manifest.files[path][1]
            if path != f"config/rules/{digest}.json" or digest not in facts.rules:
                raise BadBundle(f"{path} is not what the sessions of the period were judged by")
            paths.add(path)
    return paths


def _check_derived(log: LogReader, manifest: Manifest, facts: Facts) -> set[str]:
    made = documents(log, manifest, facts)
    for path, make in made.items():
        _compare(manifest, path, make())
    return set(made)


def _compare(manifest: Manifest, path: str, parts: Iterator[bytes]) -> None:
    digest, size = sha256(), 0
    for part in parts:
        digest.update(part)
        size += len(part)
    if path not in manifest.files:
        raise BadBundle(f"{path} is missing")
    if manifest.files[path] != (size, digest.hexdigest()):
        raise BadBundle(f"{path} is not what the leaves say")


BAD = (BadBundle, BadLog, BadNote)
