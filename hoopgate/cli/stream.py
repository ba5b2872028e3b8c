"""``hoopgate stream``: send events on as they are signed, until stopped."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from hashlib import sha256
from pathlib import Path

from hoopgate.cli.logfiles import add_place, find, trusted, unreadable
from hoopgate.errors import HoopgateError
from hoopgate.evidence.sinks import open_sink
from hoopgate.evidence.stream import Cursor, NotSent, Stream
from hoopgate.identity.secrets import read_private_file
from hoopgate.recorder.errors import BadLog, BadNote
from hoopgate.recorder.note import Verifier
from hoopgate.recorder.reading import LogReader

_MOST_SECONDS = 60.0


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``stream``."""
    command = commands.add_parser(
        "stream",
        help="send events (OCSF) to a file, an HTTP server or syslog as they are signed",
        description="At least once: what was not acknowledged is sent again. Exit status: 0 "
        "stopped by a signal, or all sent (--once); 1 the log is not what was signed; 2 it cannot "
        "be read, or the place is wrong.",
    )
    add_place(command)
    command.add_argument(
        "--to",
        required=True,
        metavar="URL",
        help="file:/PATH, https://HOST/PATH, syslog://HOST[:6514] (RFC 5424 over TLS)",
    )
    command.add_argument(
        "--cursor", type=Path, metavar="FILE", help="what was sent (default: in the state_dir)"
    )
    command.add_argument("--ca-file", type=Path, metavar="FILE", help="the server's authorities")
    command.add_argument(
        "--token-file", type=Path, metavar="FILE", help="bearer token for https, mode 0600"
    )
    command.add_argument("--once", action="store_true", help="send what there is and end")
    command.add_argument(
        "--from-now", action="store_true", help="with no cursor yet: leave out what there is"
    )
    command.add_argument("--interval", type=float, default=1.0, metavar="SECONDS")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 done; 1 the log is bad."""
    directory, state_dir = find(options)
    verifiers = trusted(options, directory, state_dir)
    path = options.cursor
    if path is None:
        if state_dir is None:
            raise HoopgateError("with --directory, say where the cursor is: --cursor FILE")
        path = state_dir / "streams" / f"{sha256(options.to.encode()).hexdigest()[:16]}.json"
    new = not path.exists()
    token_file = options.token_file
    token = (lambda: read_private_file(token_file).decode().strip()) if token_file else None
    try:
        sink = open_sink(options.to, origin=verifiers[0].name, ca_file=options.ca_file, token=token)
        stream = Stream(Cursor.load(path), sink)
        if new and options.from_now:
            stream.skip(LogReader(directory, verifiers))
    except OSError as error:
        raise unreadable(error, path) from None
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        return _follow(options, directory, verifiers, stream, stop)
    except (BadLog, BadNote) as error:
        print(f"hoopgate stream: {error}", file=sys.stderr)
        return 1
    finally:
        sink.close()


def _follow(
    options: argparse.Namespace,
    directory: Path,
    verifiers: list[Verifier],
    stream: Stream,
    stop: threading.Event,
) -> int:
    pause = options.interval
    while True:
        try:
            stream.advance(LogReader(directory, verifiers))
            pause = options.interval
            if options.once:
                return 0
        except NotSent as error:
            if options.once:
                raise
            print(
                f"hoopgate stream: not sent, tried again in {pause:.0f} s: {error}", file=sys.stderr
            )
            pause = min(2 * pause, _MOST_SECONDS)
        except OSError as error:
            if options.once:
                raise unreadable(error, directory) from None
            print(f"hoopgate stream: {error.filename}: {error.strerror}", file=sys.stderr)
        if stop.wait(pause):
            return 0
