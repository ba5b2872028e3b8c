"""``hoopgate evidence``: hand over what happened in a period, and check what was handed over."""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from hoopgate.cli.audit import read_policy
from hoopgate.cli.logfiles import add_place, moment, open_reader, unreadable
from hoopgate.errors import HoopgateError
from hoopgate.evidence.disclosures import NAME as INDEX
from hoopgate.evidence.disclosures import Columns, Index, IndexKey, make_index, parse_columns
from hoopgate.evidence.export import MakeIndex, export
from hoopgate.evidence.verify import BAD, Verified, verify_bundle
from hoopgate.mysql import render as _mysql  # noqa: F401 - registers how it is shown
from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.files import open_file
from hoopgate.recorder.note import Verifier
from hoopgate.recorder.policy import Policy
from hoopgate.recorder.render import inert
from hoopgate.recorder.sealing import ReplayKey
from hoopgate.recorder.timestamping import Authority

_INDEX_BYTES = 2**30


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``evidence``."""
    evidence = commands.add_parser(
        "evidence", help="export what happened in a period, checkable by others; check an export"
    )
    actions = evidence.add_subparsers(dest="action", required=True, metavar="ACTION")

    making = actions.add_parser(
        "export",
        help="write a bundle: the log of a period, its proofs, a report, events, instructions",
        description="Times are UTC: 2026-11-23 or 2026-11-23T05:15:08. Exit status: 0 written and "
        "verified; 1 the log is not what was signed; 2 it cannot be read or written.",
    )
    add_place(making)
    making.add_argument("--from", dest="start", type=_time, required=True, metavar="TIME")
    making.add_argument(
        "--to", dest="end", type=_time, required=True, metavar="TIME", help="exclusive"
    )
    making.add_argument(
        "-o", "--out", type=Path, required=True, metavar="DIR", help="a new directory"
    )
    making.add_argument(
        "--without-recordings",
        action="store_true",
        help="leaves only: no encrypted records, no sealed keys",
    )
    making.add_argument(
        "--patients",
        action="append",
        default=[],
        metavar="RESOURCE=COLUMN,…",
        help="with an index of patients: the result columns that identify one",
    )
    _add_keys(making, create=True)
    making.set_defaults(run=run_export)

    checking = actions.add_parser(
        "verify",
        help="check a bundle; needs nothing but the bundle and the policy",
        description="Exit status: 0 the bundle is good; 1 it is not, and what is wrong; 2 it "
        "cannot be read.",
    )
    checking.add_argument("bundle", type=Path, metavar="DIR")
    checking.add_argument(
        "--policy",
        type=Path,
        required=True,
        metavar="FILE",
        help="whom to trust, from a source that you trust",
    )
    checking.add_argument(
        "--timestamp-roots",
        type=Path,
        metavar="FILE",
        help="the timestamping authority's certificates (PEM), from the authority",
    )
    checking.add_argument("--json", action="store_true", help="print for programs")
    _add_keys(checking)
    checking.set_defaults(run=run_verify)

    asking = actions.add_parser(
        "patient",
        help="list the sessions of a verified bundle that showed or named a patient",
        description="For an accounting of disclosures, 45 CFR 164.528. The identifier is read from "
        "the standard input, so that it stands in no list of processes.",
    )
    asking.add_argument("bundle", type=Path, metavar="DIR")
    asking.add_argument("--policy", type=Path, required=True, metavar="FILE")
    asking.add_argument("--resource", required=True, metavar="NAME")
    asking.add_argument("--json", action="store_true", help="one JSON object per line")
    _add_keys(asking)
    asking.set_defaults(run=run_patient)


def _add_keys(command: argparse.ArgumentParser, *, create: bool = False) -> None:
    made = "; made where there is none" if create else ""
    command.add_argument("--key", type=Path, metavar="FILE", help="a recipient's replay key")
    command.add_argument(
        "--index-key", type=Path, metavar="FILE", help=f"the key of the index of patients{made}"
    )


def _indexer(options: argparse.Namespace, columns: Columns, *, create: bool) -> MakeIndex:
    if options.key is None or options.index_key is None:
        raise HoopgateError("an index of patients takes --key and --index-key")
    try:
        replay = ReplayKey.load(options.key)
        index = IndexKey.load(options.index_key, create=create)
    except OSError as error:
        raise unreadable(error, options.index_key) from None
    return lambda log, manifest, facts: make_index(log, manifest, facts, columns, replay, index)


def _time(text: str) -> int:
    """µs since the epoch of a day or a moment, UTC unless it says otherwise."""
    try:
        if len(text) == 10:
            day = date.fromisoformat(text)
            when = datetime(day.year, day.month, day.day, tzinfo=UTC)
        else:
            when = datetime.fromisoformat(text)
            when = when if when.tzinfo else when.replace(tzinfo=UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time: 2026-11-23 or 2026-11-23T05:15:08"
        ) from None
    return round(when.timestamp() * 1_000_000)


def run_export(options: argparse.Namespace) -> int:
    """0 written; 1 the log is bad."""
    if options.end <= options.start:
        raise HoopgateError("--to must be after --from")
    log, state_dir = open_reader(options)
    disclosures = None
    if options.patients:
        if options.without_recordings:
            raise HoopgateError("an index of patients is made of recordings")
        disclosures = _indexer(options, parse_columns(options.patients), create=True)
    try:
        manifest = export(
            log,
            options.out,
            options.start,
            options.end,
            recordings=not options.without_recordings,
            extra=list(_settings(options, log.verifiers)),
            rules=state_dir and state_dir / "rules",
            disclosures=disclosures,
        )
        # What was copied is what is handed over: the disk may fail, the log may be bad.
        verify_bundle(options.out, Policy(log.verifiers), disclosures)
    except BAD as error:
        print(f"hoopgate evidence export: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        raise unreadable(error, options.out) from None
    chosen = manifest.selection
    count = chosen.last - chosen.first + 1
    size = sum(size for size, _ in manifest.files.values())
    print(f"{options.out}: {count} leaves, {len(manifest.files)} files, {size} bytes")
    return 0


def _settings(options: argparse.Namespace, logs: Sequence[Verifier]) -> Iterator[tuple[str, bytes]]:
    """The node's settings, which hold no secrets: a secret is named there by its place; and the
    policy that they come to."""
    if options.config is not None and options.directory is None:
        try:
            content = options.config.read_bytes()
        except OSError as error:
            raise unreadable(error, options.config) from None
        yield "config/hoopgate.toml", content
        yield "config/policy", _policy(tomllib.loads(content.decode()), logs).encode()


def _policy(settings: dict[str, Any], logs: Sequence[Verifier]) -> str:
    """Whom the node has asked, to be compared with whom to trust."""
    recording = settings.get("recording", {})
    witnesses = recording.get("witnesses", [])
    lines = ["# As the exporter says. Whom to trust you have to know by another way."]
    lines += [f"log {log}" for log in logs]
    keys: dict[str, list[str]] = {}  # of a witness, by the name in them
    for one in witnesses:
        keys.setdefault(one["key"].split("+")[0], []).append(one["key"])
    members = []
    for number, (name, own) in enumerate(keys.items(), 1):
        words = [f"{name}.{kind}" for kind in range(1, len(own) + 1)]
        lines += [f"witness {word} {key}" for word, key in zip(words, own, strict=True)]
        members.append(words[0])
        if len(own) > 1:
            members[-1] = f"either-{number}"
            lines.append(f"group {members[-1]} any {' '.join(words)}")
    if witnesses:
        lines.append(f"group witnesses {recording.get('quorum', 1)} {' '.join(members)}")
    lines.append(f"quorum {'witnesses' if witnesses else 'none'}")
    return "\n".join(lines) + "\n"


def _policy_from_elsewhere(options: argparse.Namespace) -> Policy:
    """:raises HoopgateError: it lies in the bundle, and would be its bearer's word for it."""
    if options.policy.resolve().is_relative_to(options.bundle.resolve()):
        raise HoopgateError(
            f"{options.policy} is a part of the bundle: whom to trust has to come another way"
        )
    return read_policy(options.policy)


def run_verify(options: argparse.Namespace) -> int:
    """0 good, 1 bad."""
    policy = _policy_from_elsewhere(options)
    try:
        disclosures = None
        if options.index_key is not None:
            given = Index(_index(options.bundle), IndexKey.load(options.index_key))
            disclosures = _indexer(options, given.columns, create=False)
        authority = None
        if options.timestamp_roots is not None:
            authority = Authority("", options.timestamp_roots.read_bytes())
        verified = verify_bundle(options.bundle, policy, disclosures, authority)
    except BAD as error:
        what = error.what if isinstance(error, BadLog) else str(error)
        if options.json:
            print(json.dumps({"good": False, "what": what}))
        else:
            print(f"BAD  {options.bundle}: {error}")
        return 1
    except OSError as error:
        raise unreadable(error, options.bundle) from None
    _good(verified, options.bundle, options.json)
    return 0


def _index(bundle: Path) -> bytes:
    try:
        fd, size = open_file(bundle / INDEX)
        with open(fd, "rb") as file:
            if size > _INDEX_BYTES:
                raise HoopgateError(f"{bundle / INDEX} is too large")
            return file.read(size)
    except FileNotFoundError:
        raise HoopgateError(
            f"{bundle} has no index of patients: export it with --patients"
        ) from None


def run_patient(options: argparse.Namespace) -> int:
    """0 and a line per session; 1 the bundle is bad."""
    policy = _policy_from_elsewhere(options)
    if options.index_key is None:
        raise HoopgateError("the index of patients takes --index-key")
    try:
        index = Index(_index(options.bundle), IndexKey.load(options.index_key))
        disclosures = None
        if options.key is not None:
            disclosures = _indexer(options, index.columns, create=False)
        verified = verify_bundle(options.bundle, policy, disclosures)
    except BAD as error:
        print(f"BAD  {options.bundle}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        raise unreadable(error, options.bundle) from None
    if INDEX in verified.unproven:
        print(
            f"hoopgate: {INDEX} is as the exporter wrote it; with --key it is made again from the "
            "recordings",
            file=sys.stderr,
        )
    for one in index.of(options.resource, sys.stdin.readline().strip()):
        session = verified.facts.sessions.get(one.session)
        if session is None:
            continue
        about = {
            "session": session.id,
            "start": session.start,
            "end": session.end,
            "issuer": session.text("issuer"),
            "subject": session.text("subject"),
            "owner": session.text("owner"),
            "resource": session.text("resource"),
            "how": one.how,
            "count": one.count,
        }
        if options.json:
            print(json.dumps(about))
        else:
            behind = f" for {about['owner']}" if about["owner"] else ""
            who = f"{about['subject']}{behind}"
            print(inert(f"{moment(session.start)} UTC  {session.id}  {who}  {one.how} {one.count}"))
    return 0


def _good(verified: Verified, bundle: Path, as_json: bool) -> None:
    manifest, facts = verified.manifest, verified.facts
    chosen = manifest.selection
    requests = sum(session.requests for session in facts.sessions.values())
    if as_json:
        print(
            json.dumps(
                {
                    "good": True,
                    "origin": manifest.origin,
                    "size": verified.checkpoint.size,
                    "leaves": [chosen.first, chosen.last],
                    "period": [chosen.start, chosen.end],
                    "sessions": len(facts.sessions),
                    "requests": requests,
                    "recordings": manifest.recordings,
                    "witnesses": dict(verified.witnesses),
                    "timestamps": {
                        size: when.isoformat() for size, when in verified.stamped.items()
                    },
                    "unproven": verified.unproven,
                    "absent_rules": verified.absent,
                    "doubts": verified.doubts,
                }
            )
        )
        return
    print(f"good  {bundle}: {manifest.origin}, {moment(chosen.start)} to {moment(chosen.end)} UTC")
    print(
        f"  leaves {chosen.first} to {chosen.last} of {verified.checkpoint.size}, "
        f"{len(facts.sessions)} sessions, {requests} requests"
        + ("" if manifest.recordings else "; no recordings")
    )
    for name, time in verified.witnesses.items():
        print(f"  {name} cosigned {moment(time * 1_000_000)} UTC")
    for size, when in list(verified.stamped.items())[-1:]:
        print(f"  timestamped: the first {size} leaves by {when:%Y-%m-%d %H:%M:%S} UTC")
    if verified.absent:
        digests = ", ".join(rules[:12] for rules in verified.absent)
        print(f"  rules that sessions were judged by are not in it: {digests}")
    for doubt in verified.doubts:
        print(f"  {doubt}")
    for path in verified.unproven:
        print(f"  {path}: not signed by anybody; as the exporter wrote it")
