"""A seeded mutator over whole directories: a log's, a bundle's. Nothing it does may go unnoticed.

python tests/tamper/mutator.py --count 1000000 [--seed 1] [--processes 2] [--progress FILE]

What was done stands in FILE: started again, it goes on from there, as long as the sources are the
same. Several machines share the work by seeds.

Each mutation is made on a good directory, which is then verified, and taken back. It is *found*
when the verification says what is wrong, *harmless* when the directory says the same as before
(see :func:`harmless`), and anything else is a failure: unnoticed, a crash, a hang. A failure is
printed with its seed: ``--seed N --count 1`` makes it again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recorder.recorder_world import ALLOWED, World

import hoopgate.recorder
from hoopgate.evidence.export import export
from hoopgate.evidence.manifest import MANIFEST, BadBundle
from hoopgate.evidence.period import NothingThere, select
from hoopgate.evidence.verify import verify_bundle
from hoopgate.recorder.cosign import Cosigner
from hoopgate.recorder.cosigning import WITNESSED
from hoopgate.recorder.errors import BadLog, BadNote
from hoopgate.recorder.files import read_whole, replace_file
from hoopgate.recorder.known import check_witnessed
from hoopgate.recorder.note import Note
from hoopgate.recorder.policy import Policy
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.segments import Scan, encode_record
from hoopgate.recorder.tiles import Edge, split_bundle
from hoopgate.recorder.tree import leaf_hash
from hoopgate.recorder.verify import verify_log

SECONDS = 20  #: a verification that takes longer hangs
FOUND = (BadLog, BadNote, BadBundle, OSError)


class Hang(BaseException):
    """A verification did not end."""


@dataclass
class Target:
    """A good directory.

    :ivar needed: files that the verification must miss when they are gone.
    :ivar last: the one file that may be longer than what is signed: the segment being written.
    :ivar period: of a bundle: the first and the last leaf of a period in its log.
    """

    name: str
    directory: Path
    verify: Callable[[], object]
    files: list[str]
    needed: set[str]
    last: str
    period: Callable[[int, int], tuple[int, int]] = lambda start, end: (0, 0)
    content: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.content = {name: (self.directory / name).read_bytes() for name in self.files}


# --- what is mutated -----------------------------------------------------------------------------


def record(world: World, epochs: int, rounds: int) -> World:
    for epoch in range(epochs):
        world.open()
        opened = [world.session(f"s-{epoch}-{number}") for number in range(2)]
        for number in range(rounds):
            for session in opened:
                session.response(b"row %d" % number * 10)
                done = session.request(b"SELECT %d" % number, None, ALLOWED)
            world.wait(done)
            if number % 3 == 0:
                world.pump.until(lambda: world.log.checkpoint_size == world.log.size)
        if not epoch:
            world.wait(opened[1].close("client.terminate"))
            world.wait(world.log.append("purge", {"session": "s-0-1"}))
            (world.directory / "wraps/s-0-1.json").unlink()
        world.stop()
    return world


def log_target(name: str, base: Path, **shape: int) -> Target:
    world = record(World(base, segment_bytes=6000, checkpoint_ms=2), **shape)
    directory = world.directory
    witness = Cosigner("w.example/w", bytes(range(32)))
    note = Note.parse((directory / "checkpoint").read_bytes())
    cosigned = note.signed_too([witness.cosign(note.text, 1_790_000_000)]).encode()
    (directory / WITNESSED).write_bytes(cosigned)
    policy = Policy((world.vkey(),), {"w": witness.verifier}, quorum="w")
    names = ["checkpoint", WITNESSED]
    for part in ("seg", "tile", "wraps"):
        names += sorted(str(p.relative_to(directory)) for p in (directory / part).rglob("*.*"))
        names += sorted(
            str(p.relative_to(directory))
            for p in (directory / part).rglob("*")
            if p.is_file() and "." not in p.name
        )
    names = sorted({name for name in names if (directory / name).is_file()})
    size = world.reader().size
    partial = {str(size >> 8 * level) for level in range(3)} | {str(size % 256), str(size >> 8)}
    needed = {n for n in names if ".p/" not in n or n.rsplit("/")[-1] in partial}
    last = max(name for name in names if name.startswith("seg/"))

    def verify() -> None:
        verify_log(directory, policy.logs)
        log = LogReader(directory, policy.logs)
        check_witnessed(log, policy, read_whole(directory / WITNESSED))

    return Target(name, directory, verify, names, needed, last)


def bundle_target(base: Path) -> Target:
    world = record(World(base / "node", segment_bytes=4000, checkpoint_ms=2), epochs=2, rounds=5)
    leaves = world.leaves()
    out = base / "bundle"
    export(world.reader(), out, leaves[5]["time"], leaves[-3]["time"], created=1)
    names = sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())
    policy = Policy((world.vkey(),))

    def period(start: int, end: int) -> tuple[int, int]:
        try:
            chosen = select(world.reader(), start, end)
        except NothingThere:
            return -1, -1
        return chosen.first, chosen.last

    return Target("bundle", out, lambda: verify_bundle(out, policy), names, set(names), "", period)


def targets(base: Path) -> list[Target]:
    return [
        log_target("small log", base / "small", epochs=2, rounds=4),
        log_target("log with full tiles", base / "full", epochs=2, rounds=45),
        bundle_target(base / "evidence"),
    ]


# --- how -----------------------------------------------------------------------------------------

Change = dict[str, bytes | None]  # file → new content, None: gone


def _bytes(chance: random.Random, target: Target, how: str) -> Change:
    name = chance.choice(target.files)
    data = bytearray(target.content[name])
    size = len(data)
    at = chance.randrange(size) if size else 0
    span = min(size - at, chance.choice((1, 2, 8, 32, 200)))
    if how == "bit" and size:
        data[at] ^= 1 << chance.randrange(8)
    elif how == "byte" and size:
        data[at] = chance.randrange(256)
    elif how == "insert":
        data[at:at] = chance.randbytes(chance.choice((1, 2, 32)))
    elif how == "remove":
        del data[at : at + span]
    elif how == "zero":
        data[at : at + span] = bytes(span)
    elif how == "noise":
        data[at : at + span] = chance.randbytes(span)
    elif how == "cut":
        del data[at:]
    elif how == "append":
        data += chance.choice((b"\0", b"\n", chance.randbytes(20), bytes(data[-40:])))
    elif how == "repeat":
        data[at:at] = data[at : at + span]
    elif how == "move" and size:
        other = chance.randrange(size)
        piece = bytes(data[at : at + span])
        del data[at : at + span]
        data[other:other] = piece
    elif how == "empty":
        data.clear()
    return {name: bytes(data)}


def _files(chance: random.Random, target: Target, how: str) -> Change:
    one = chance.choice(target.files)
    other = chance.choice(target.files)
    if how == "gone":
        return {one: None}
    if how == "swap":
        return {one: target.content[other], other: target.content[one]}
    if how == "over":
        return {one: target.content[other]}
    half = len(target.content[one]) // 2
    return {one: target.content[one][:half] + target.content[other][half:]}


def _records(chance: random.Random, target: Target, how: str) -> Change:
    """What somebody does who knows the format: checksums fit, lengths fit."""
    name = chance.choice([n for n in target.files if n.endswith(".hgs")])
    path = target.directory / name
    records = [(leaf, payload) for _, leaf, payload in Scan(path.parent.parent, int(path.stem))]
    if not records:
        return {}
    at, other = chance.randrange(len(records)), chance.randrange(len(records))
    leaf, payload = records[at]
    if how == "record gone":
        del records[at]
    elif how == "records swapped":
        records[at], records[other] = records[other], records[at]
    elif how == "record again":
        records.insert(other, records[at])
    elif how == "payload of another":
        records[at] = (leaf, records[other][1])
    elif how == "payload":
        changed = bytearray(payload or b"x")
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        records[at] = (leaf, bytes(changed))
    else:
        changed = bytearray(leaf)
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(7)
        records[at] = (bytes(changed), payload)
    head = target.content[name][:8]
    return {name: head + b"".join(b"".join(encode_record(*one)) for one in records)}


def _tree(chance: random.Random, target: Target, how: str) -> Change:
    """A leaf is altered in its bundle and in its segment, and all tiles are made anew."""
    prefix = "log/" if target.name == "bundle" else ""
    names = [n for n in target.files if n.startswith(f"{prefix}tile/entries/")]
    name = max(names, key=lambda n: (n.split(".p/")[0], len(target.content[n])))
    if target.name == "bundle" or ".p/" not in name:
        name = chance.choice(names)
    content = target.content[name]
    width, at = 0, 0
    while at < len(content):
        at += 2 + int.from_bytes(content[at : at + 2], "big")
        width += 1
    entries = split_bundle(content, width)
    index = chance.randrange(width)
    entry = bytearray(entries[index])
    digit = chance.choice([i for i, c in enumerate(entry) if 48 <= c < 57])
    entry[digit] += 1
    change: Change = {}
    for file in names:
        if file != name or how == "tree and bundle":
            change[file] = target.content[file].replace(entries[index], bytes(entry))
    for file in (n for n in target.files if n.endswith(".hgs")):
        path = target.directory / file
        records = [(leaf, data) for _, leaf, data in Scan(path.parent.parent, int(path.stem))]
        if any(leaf == entries[index] for leaf, _ in records):
            made = [(bytes(entry) if le == entries[index] else le, data) for le, data in records]
            end = Scan(path.parent.parent, int(path.stem))
            for _ in end:
                pass
            rest = target.content[file][end.end :]
            head = target.content[file][:8]
            change[file] = head + b"".join(b"".join(encode_record(*r)) for r in made) + rest
    if target.name != "bundle":
        change |= _rehashed(target, entries[index], bytes(entry))
    return change


def _rehashed(target: Target, old: bytes, new: bytes) -> Change:
    """All hash tiles, for a log in which ``new`` stands where ``old`` stood."""
    full = [n for n in target.files if n.startswith("tile/entries/") and ".p/" not in n]
    partial = [n for n in target.files if n.startswith("tile/entries/") and ".p/" in n]
    newest = [max(partial, key=lambda n: int(n.rsplit("/", 1)[1]))] if partial else []
    edge = Edge(0, [], [])
    for name in [*sorted(full), *newest]:
        content = target.content[name]
        at = 0
        while at < len(content):
            size = int.from_bytes(content[at : at + 2], "big")
            entry = content[at + 2 : at + 2 + size]
            entry = new if entry == old else entry
            edge.append(entry, leaf_hash(entry))
            at += 2 + size
    return {**edge.pending, **edge.partials()}


def _manifest(chance: random.Random, target: Target, how: str) -> Change:
    """A bundle's file is altered and its manifest made to fit."""
    if target.name != "bundle":
        return _bytes(chance, target, "bit")
    change = _bytes(chance, target, chance.choice(("bit", "cut", "remove", "repeat")))
    (name, content) = next(iter(change.items()))
    if name == MANIFEST or content is None:
        return change
    about = json.loads(target.content[MANIFEST])
    about["files"][name] = [len(content), sha256(content).hexdigest()]
    return {**change, MANIFEST: json.dumps(about).encode()}


_HOW: list[tuple[Callable[[random.Random, Target, str], Change], str, int]] = [
    *((_bytes, how, 4) for how in ("bit", "byte", "insert", "remove", "zero", "noise")),
    *((_bytes, how, 2) for how in ("cut", "append", "repeat", "move", "empty")),
    *((_files, how, 1) for how in ("gone", "swap", "over", "half")),
    *((_records, how, 1) for how in ("record gone", "records swapped", "record again")),
    *((_records, how, 1) for how in ("payload of another", "payload", "leaf")),
    *((_tree, how, 1) for how in ("tree and bundle", "tree alone")),
    (_manifest, "file and manifest", 2),
]


def mutation(seed: int, all_targets: list[Target]) -> tuple[Target, str, Change]:
    """What the mutation of a seed does."""
    chance = random.Random(seed)
    target = chance.choices(all_targets, weights=(90, 3, 7))[0]
    make, how, _ = chance.choices(_HOW, weights=[weight for _, _, weight in _HOW])[0]
    change = make(chance, target, how)
    return target, how, {n: c for n, c in change.items() if target.content.get(n) != c}


def harmless(target: Target, change: Change) -> bool:
    """True when the directory still says what was signed.

    A log may lose partial tiles that were outgrown, and its last segment may have bytes behind the
    last signed record: the node writes there, and a crash tears. In a bundle the manifest's layout
    may change, and what it says of when, and by which version of hoopgate, it was made.
    """
    for name, content in change.items():
        original = target.content.get(name)
        if name == target.last and content is not None and original is not None:
            if not content.startswith(original):
                return False
        elif name == "checkpoint" and content is not None and original is not None:
            # More signatures, of whomever: who is not trusted does not count (signed-note).
            if not content.startswith(original):
                return False
        elif name == MANIFEST and content is not None and original is not None:
            if not _says_the_same(target, content, original):
                return False
        elif content is None and name not in target.needed:
            continue
        else:
            return False
    return True


def _says_the_same(target: Target, one: bytes, two: bytes) -> bool:
    """Also of a period that is another by less than a second, and has the same leaves."""
    try:
        said: list[Any] = [json.loads(one), json.loads(two)]
        periods = [about.pop("period") for about in said]
        if periods[0] != periods[1]:
            held = [target.period(start, end) for start, end in periods]
            seconds = [[time // 1_000_000 for time in period] for period in periods]
            if held[0] != held[1] or seconds[0] != seconds[1]:
                return False
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return bool(said[0] == said[1])


# --- the run -------------------------------------------------------------------------------------


@contextmanager
def applied(target: Target, change: Change) -> Iterator[None]:
    made: list[Path] = []
    try:
        for name, content in change.items():
            path = target.directory / name
            if content is None:
                path.unlink()
            else:
                if name not in target.content:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    made.append(path)
                path.write_bytes(content)
        yield
    finally:
        for path in made:
            path.unlink(missing_ok=True)
        for name in change:
            if name in target.content:
                (target.directory / name).write_bytes(target.content[name])


def _hang(*_: object) -> None:
    raise Hang


def outcome(target: Target, change: Change) -> str:
    """``found``, ``harmless``, or what is wrong with the verification."""
    if not change:
        return "harmless"
    expected = "harmless" if harmless(target, change) else "found"
    signal.signal(signal.SIGALRM, _hang)
    signal.alarm(SECONDS)
    try:
        with applied(target, change):
            target.verify()
    except FOUND:
        # What is harmless may be found all the same: a log may be strict.
        return "found" if expected == "found" else "harmless"
    except Hang:
        return f"HANG after {SECONDS} s"
    except Exception as error:  # noqa: BLE001
        return f"CRASH {type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    return expected if expected == "harmless" else "UNNOTICED"


def run(seeds: range) -> tuple[Counter[tuple[str, str, str]], list[str]]:
    """Mutations of these seeds: (target, how, outcome) → how many; and the failures."""
    counts: Counter[tuple[str, str, str]] = Counter()
    failures: list[str] = []
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory, prefix="hoopgate-") as base:
        every = targets(Path(base))
        for target in every:
            target.verify()
        for seed in seeds:
            target, how, change = mutation(seed, every)
            found = outcome(target, change)
            counts[target.name, how, found if found in ("found", "harmless") else "FAILED"] += 1
            if found not in ("found", "harmless"):
                names = ", ".join(change)
                failures.append(f"seed {seed}: {target.name}, {how}, {names}: {found}")
        for target in every:
            target.verify()
    return counts, failures


def sources() -> str:
    """A digest of what is tried: another version's progress is none."""
    digest = sha256(Path(__file__).read_bytes())
    base = Path(hoopgate.recorder.__file__).parents[1]
    for part in ("recorder", "evidence"):
        for path in sorted((base / part).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


class Progress:
    """The parts that were done, and what came of them; in a file, where one is named.

    :ivar done: first seed of each part.
    """

    def __init__(self, path: Path | None, part: int) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.failures: list[str] = []
        self.done: set[int] = set()
        self._path = path
        self._what = [sources(), part]
        if path is not None and path.exists():
            kept = json.loads(path.read_text())
            if kept["what"] == self._what:
                self.counts.update({(t, how, out): n for t, how, out, n in kept["counts"]})
                self.failures += kept["failures"]
                self.done.update(kept["done"])

    def add(self, first: int, counts: Counter[tuple[str, str, str]], failures: list[str]) -> None:
        """A part was done."""
        self.counts += counts
        self.failures += failures
        self.done.add(first)
        if self._path is not None:
            about = {
                "what": self._what,
                "done": sorted(self.done),
                "counts": [[*key, count] for key, count in sorted(self.counts.items())],
                "failures": self.failures,
            }
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, json.dumps(about).encode())


def _part(seeds: range) -> tuple[int, Counter[tuple[str, str, str]], list[str]]:
    return seeds.start, *run(seeds)


def run_many(
    first: int, count: int, processes: int, progress: Path | None = None, part: int = 10_000
) -> tuple[Counter[tuple[str, str, str]], list[str]]:
    """:func:`run` in several processes, a part at a time.

    :param progress: where it stands how far this came, to go on from.
    """
    found = Progress(progress, part)
    parts = [
        range(start, min(start + part, first + count))
        for start in range(first, first + count, part)
        if start not in found.done
    ]
    with get_context("spawn").Pool(min(processes, max(1, len(parts)))) as pool:
        for start, counts, failed in pool.imap_unordered(_part, parts):
            found.add(start, counts, failed)
            if progress is not None:
                print(f"{sum(found.counts.values()):,} of {count:,}", file=sys.stderr, flush=True)
    return found.counts, found.failures


def table(counts: Counter[tuple[str, str, str]]) -> Iterator[str]:
    """The outcomes as lines."""
    rows = sorted({(target, how) for target, how, _ in counts})
    yield f"{'directory':<22}{'mutation':<22}{'found':>10}{'harmless':>10}{'FAILED':>8}"
    for target, how in rows:
        cells = [counts[target, how, what] for what in ("found", "harmless", "FAILED")]
        yield f"{target:<22}{how:<22}{cells[0]:>10,}{cells[1]:>10,}{cells[2]:>8,}"


def main() -> int:
    command = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    command.add_argument("--count", type=int, default=100_000)
    command.add_argument("--seed", type=int, default=1, help="the first mutation's")
    command.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    command.add_argument("--progress", type=Path, metavar="FILE", help="go on from there")
    options = command.parse_args()
    counts, failures = run_many(options.seed, options.count, options.processes, options.progress)
    print("\n".join(table(counts)))
    print(f"{sum(counts.values()):,} mutations, {len(failures)} failures")
    for failure in failures[:50]:
        print(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
