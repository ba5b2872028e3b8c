"""``hoopgate archive``: a copy of the log in object storage that nobody can delete."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from hoopgate.cli.logfiles import add_place, find, trusted, unreadable
from hoopgate.errors import HoopgateError
from hoopgate.evidence.archive import ArchiveFailed, Bucket, Progress, connect, fetch, upload
from hoopgate.recorder.errors import BadLog, BadNote
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.rotation import retired_keys
from hoopgate.settings.units import duration

_MOST_SECONDS = 600.0


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``archive``."""
    archive = commands.add_parser(
        "archive", help="copy the log to object storage with a lock (S3 Object Lock, COMPLIANCE)"
    )
    actions = archive.add_subparsers(dest="action", required=True, metavar="ACTION")

    putting = actions.add_parser(
        "upload",
        help="copy what is signed, until stopped",
        description="Each object is read back and its lock is looked at. Exit status: 0 stopped by "
        "a signal, or all copied (--once); 1 the log does not continue what the archive holds, or "
        "is not what was signed; 2 the log or the storage cannot be used.",
    )
    add_place(putting)
    _add_bucket(putting, "--to")
    putting.add_argument(
        "--retention", default="2192d", metavar="TIME", help="how long it stays locked"
    )
    putting.add_argument("--progress", type=Path, metavar="FILE", help="default: in the state_dir")
    putting.add_argument("--once", action="store_true", help="copy what there is and end")
    putting.add_argument("--interval", type=float, default=30.0, metavar="SECONDS")
    putting.set_defaults(run=run_upload)

    getting = actions.add_parser(
        "fetch",
        help="write the archive as a log into a new directory, for 'hoopgate audit verify'",
    )
    _add_bucket(getting, "--from")
    getting.add_argument("-o", "--out", type=Path, required=True, metavar="DIR")
    getting.set_defaults(run=run_fetch)


def _add_bucket(command: argparse.ArgumentParser, flag: str) -> None:
    command.add_argument(flag, dest="place", required=True, metavar="s3://BUCKET/PREFIX")
    command.add_argument("--endpoint", metavar="URL", help="of a server that is not Amazon's")


def _bucket(options: argparse.Namespace, retention: float = 0.0) -> Bucket:
    url = urlsplit(options.place)
    if url.scheme != "s3" or not url.netloc:
        raise HoopgateError(f"{options.place!r} is not s3://BUCKET/PREFIX")
    return Bucket(connect(options.endpoint), url.netloc, url.path, retention)


def run_upload(options: argparse.Namespace) -> int:
    """0 done; 1 the log is bad."""
    try:
        retention = duration(options.retention)
    except ValueError:
        raise HoopgateError(f"--retention {options.retention!r}: write 2192d") from None
    directory, state_dir = find(options)
    verifiers = trusted(options, directory, state_dir)
    path = options.progress
    if path is None:
        if state_dir is None:
            raise HoopgateError("with --directory, say where progress is kept: --progress FILE")
        path = state_dir / "archive" / f"{sha256(options.place.encode()).hexdigest()[:16]}.json"
    retired = retired_keys(state_dir) if state_dir is not None else []
    bucket = _bucket(options, retention)
    bucket.check_lock()
    progress = Progress.load(path)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    pause = options.interval
    while True:
        try:
            written = upload(LogReader(directory, verifiers), bucket, progress, retired)
            pause = options.interval
            if options.once:
                print(f"{options.place}: {written} objects written, {progress.size} leaves locked")
                return 0
        except (BadLog, BadNote) as error:
            print(f"hoopgate archive: {error}", file=sys.stderr)
            return 1
        except ArchiveFailed as error:
            if options.once:
                raise
            print(f"hoopgate archive: tried again in {pause:.0f} s: {error}", file=sys.stderr)
            pause = min(2 * pause, _MOST_SECONDS)
        except OSError as error:
            raise unreadable(error, directory) from None
        if stop.wait(pause):
            return 0


def run_fetch(options: argparse.Namespace) -> int:
    """0 written."""
    try:
        count = fetch(_bucket(options), options.out)
    except OSError as error:
        raise unreadable(error, options.out) from None
    print(f"{options.out}: {count} objects; now: hoopgate audit verify -d {options.out} --vkey KEY")
    return 0
