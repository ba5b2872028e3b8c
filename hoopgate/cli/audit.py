"""``hoopgate audit``: verify the log offline, prove a leaf, show the signed checkpoint; keep or
destroy recordings of a running node."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from hoopgate.cli.logfiles import add_place, find, moment, open_reader, trusted, unreadable
from hoopgate.cli.node import Node, add_node_arguments, inert
from hoopgate.errors import HoopgateError
from hoopgate.recorder.cosigning import WITNESSED
from hoopgate.recorder.errors import BadLog, BadNote
from hoopgate.recorder.files import read_whole, write_file
from hoopgate.recorder.known import check_known, check_witnessed
from hoopgate.recorder.policy import Policy
from hoopgate.recorder.reading import LogReader, proof_text
from hoopgate.recorder.rotation import rotate
from hoopgate.recorder.sealing import OpenedKey, ReplayKey, session_of, unseal
from hoopgate.recorder.verify import Report, verify_log


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``audit``."""
    audit = commands.add_parser("audit", help="verify the log of all sessions, prove what is in it")
    actions = audit.add_subparsers(dest="action", required=True, metavar="ACTION")

    verify = actions.add_parser(
        "verify",
        help="check every byte of the log against its signed checkpoint",
        description="Exit status: 0 the log is good; 1 it is not, the first bad leaf is named; "
        "2 it cannot be read.",
    )
    add_place(verify)
    verify.add_argument("--json", action="store_true", help="print for programs")
    verify.add_argument(
        "--known",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a checkpoint of this log that was kept elsewhere: the log must continue it",
    )
    verify.add_argument(
        "--policy",
        type=Path,
        metavar="FILE",
        help="the log's and its witnesses' keys, from a source that you trust "
        "(c2sp.org/tlog-policy): as many witnesses as it asks for must have cosigned",
    )
    verify.set_defaults(run=run_verify)

    prove = actions.add_parser(
        "prove", help="print a proof that a leaf is in the log (c2sp.org/tlog-proof)"
    )
    add_place(prove)
    prove.add_argument("--leaf", type=int, required=True, metavar="N", help="the leaf's index")
    prove.set_defaults(run=run_prove)

    checkpoint = actions.add_parser(
        "checkpoint", help="print the signed checkpoint, its signature verified"
    )
    add_place(checkpoint)
    checkpoint.set_defaults(run=run_checkpoint)

    rotating = actions.add_parser(
        "rotate-key",
        help="give the log a new signing key, and destroy the old one",
        description="The node must be stopped. The next epoch of the log begins with what the old "
        "key signed last. Tell the new verifier key to witnesses and auditors: they refuse what "
        "either key signs until then, and what the old one signs from then on.",
    )
    rotating.add_argument(
        "-c", "--config", type=Path, required=True, metavar="FILE", help="hoopgate.toml"
    )
    rotating.set_defaults(run=run_rotate)

    keygen = actions.add_parser(
        "keygen",
        help="make an auditor's key: the private half stays with the auditor",
        description="Writes FILE (private, mode 0600) and FILE.pub, for recording.auditors.",
    )
    keygen.add_argument("-o", "--out", type=Path, required=True, metavar="FILE")
    keygen.set_defaults(run=run_keygen)

    unsealing = actions.add_parser(
        "unseal",
        help="print the key of one session, to hand it to a console: it opens that session alone",
        description="WRAP is the session's sealed key: wraps/SESSION.json of a log, or what the "
        "console has for download. Exit status: 0 printed; 1 it is not sealed to the key.",
    )
    unsealing.add_argument("wrap", type=Path, metavar="WRAP")
    unsealing.add_argument(
        "--key", type=Path, required=True, metavar="FILE", help="an auditor's private key"
    )
    unsealing.set_defaults(run=run_unseal)

    for name, help_ in (
        ("hold", "forbid the destruction of a recording until the hold is released"),
        ("release", "take a hold back"),
        ("shred", "destroy a recording whose retention has ended: it can never be replayed again"),
    ):
        keep = actions.add_parser(name, help=help_, description=help_)
        keep.add_argument("id", metavar="SESSION")
        keep.add_argument(
            "--reference",
            required=True,
            metavar="CASE",
            help="number of the case or order; stands in the log, so no names and no PHI",
        )
        add_node_arguments(keep, f"audit {name}", run_keep)


def run_keygen(options: argparse.Namespace) -> int:
    """0 and two files."""
    public = options.out.with_name(f"{options.out.name}.pub")
    try:
        key = ReplayKey.create(options.out)
        write_file(public, key.recipient.pem(), os.O_EXCL, 0o644)
    except OSError as error:
        raise unreadable(error, options.out) from None
    print(f"{public}: name it in recording.auditors; {options.out} opens what is sealed to it")
    return 0


def run_unseal(options: argparse.Namespace) -> int:
    """0 and the key on standard output; 1 when it does not open."""
    try:
        key = ReplayKey.load(options.key)
        wrap = read_whole(options.wrap)
    except OSError as error:
        raise unreadable(error, options.wrap) from None
    try:
        session = session_of(wrap)
        print(OpenedKey(session, unseal(session, wrap, key)).text())
    except BadLog as error:
        print(f"hoopgate audit unseal: {inert(str(error))}", file=sys.stderr)
        return 1
    return 0


def run_keep(options: argparse.Namespace, node: Node) -> None:
    """``hold``, ``release`` or ``shred``."""
    path = f"/v1/recordings/{quote(options.id, safe='')}/{options.action}"
    page = node.post(path, {"reference": options.reference})
    if options.json:
        print(json.dumps(page))
        return
    done = {"hold": "is held", "release": "is released", "shred": "is destroyed"}[options.action]
    print(f"{inert(options.id)} {done} (leaf {page['leaf']})")


def run_verify(options: argparse.Namespace) -> int:
    """0 good, 1 bad."""
    directory, state_dir = find(options)
    policy = read_policy(options.policy) if options.policy is not None else None
    verifiers = policy.logs if policy else trusted(options, directory, state_dir)
    witnessed: tuple[int, dict[str, int]] | None = None
    try:
        if policy is not None and policy.quorum != "none":
            # Before the log is read: it grows meanwhile, and what is cosigned with it.
            note = read_whole(directory / WITNESSED)
            witnessed = check_witnessed(LogReader(directory, verifiers), policy, note)
        progress = _progress(sys.stderr.isatty())
        report = verify_log(directory, verifiers, progress, os.cpu_count() or 1)
        if options.known:
            known = [(str(path), read_whole(path)) for path in options.known]
            check_known(LogReader(directory, verifiers), known)
    except (BadLog, BadNote) as error:
        _bad(error, directory, options.json)
        return 1
    except OSError as error:
        raise unreadable(error, directory) from None
    _good(report, directory, options.json, witnessed)
    return 0


def run_rotate(options: argparse.Namespace) -> int:
    """0: both verifier keys are on standard output."""
    from hoopgate.settings.load import load

    settings = load(options.config)
    if settings.recording.signer is not None:
        raise HoopgateError("recording.signer has the key: give it another one there")
    recording, state_dir = settings.recording, settings.node.state_dir
    try:
        old, new = rotate(recording.directory, state_dir, recording.origin)
    except OSError as error:
        raise unreadable(error, state_dir) from None
    print(f"old  {old}\nnew  {new}")
    return 0


def read_policy(path: Path) -> Policy:
    """:raises BadNote: not a policy. :raises Unreadable: the file cannot be read."""
    try:
        return Policy.parse(path.read_bytes().decode("utf-8", "backslashreplace"))
    except OSError as error:
        raise unreadable(error, path) from None


def _progress(shown: bool) -> Callable[[int, int], None]:
    if not shown:
        return lambda done, total: None
    last = -1

    def show(done: int, total: int) -> None:
        nonlocal last
        percent = 100 * done // max(1, total)
        if percent != last:
            last = percent
            end = "\n" if done == total else ""
            print(f"\r{percent:3d} % of {total} leaves", end=end, file=sys.stderr, flush=True)

    return show


def _bad(error: BadLog | BadNote, directory: Path, as_json: bool) -> None:
    place = (
        {name: getattr(error, name) for name in ("index", "session", "segment", "offset")}
        if isinstance(error, BadLog)
        else {}
    )
    if as_json:
        what = error.what if isinstance(error, BadLog) else str(error)
        print(json.dumps({"good": False, "what": what, **place}))
    else:
        print(f"BAD  {directory}: {error}")


def _good(
    report: Report,
    directory: Path,
    as_json: bool,
    witnessed: tuple[int, dict[str, int]] | None,
) -> None:
    size = report.checkpoint.size
    if as_json:
        counts = {
            name: getattr(report, name)
            for name in ("sessions", "running", "crashed", "gaps", "payload_bytes", "above", "torn")
        }
        page = {"good": True, "origin": report.checkpoint.origin, "size": size, **counts}
        if witnessed is not None:
            page["witnessed"] = {"size": witnessed[0], "witnesses": witnessed[1]}
        print(json.dumps(page))
        return
    print(f"good  {directory}: {report.checkpoint.origin}, {size} leaves")
    if witnessed is not None:
        times = ", ".join(f"{w} {moment(t * 1_000_000)} UTC" for w, t in witnessed[1].items())
        print(f"  witnesses vouch for the first {witnessed[0]} leaves: {times}")
    plural = "" if report.sessions == 1 else "s"
    print(f"  {report.sessions} session{plural}, {report.payload_bytes} bytes of encrypted payload")
    if report.crashed or report.gaps:
        print(f"  {report.crashed} chains ended by a crash, {report.gaps} torn ends, all recorded")
    if report.above or report.torn:
        print(
            f"  above the checkpoint: {report.above} records not signed yet, "
            f"{report.torn} bytes that are no record"
        )


def run_prove(options: argparse.Namespace) -> int:
    """0 and the proof on standard output; 1 when the log cannot prove the leaf."""
    try:
        log, _ = open_reader(options)
        entry, proof = log.prove(options.leaf)
    except (BadLog, BadNote) as error:
        print(f"hoopgate audit prove: {error}", file=sys.stderr)
        return 1
    sys.stdout.write(proof_text(log.note, options.leaf, entry, proof))
    return 0


def run_checkpoint(options: argparse.Namespace) -> int:
    """0 and the note on standard output; 1 when no trusted key signed it."""
    try:
        log, _ = open_reader(options)
    except BadNote as error:
        print(f"hoopgate audit checkpoint: {error}", file=sys.stderr)
        return 1
    sys.stdout.write(log.note.decode())
    return 0
