"""``hoopgate stream``: send events on as they are signed, until stopped."""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from hoopgate.cli.logfiles import add_place, find, trusted, unreadable
from hoopgate.errors import HoopgateError
from hoopgate.evidence.sinks import open_sink
from hoopgate.evidence.stream import Cursor, NotSent, Stream
from hoopgate.identity.secrets import read_private_file, read_secret
from hoopgate.recorder.errors import BadLog, BadNote
from hoopgate.recorder.note import Verifier
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.rotation import retired_keys

_MOST_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1


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
    where = command.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--to",
        metavar="URL",
        help="file:/PATH, https://HOST/PATH, syslog://HOST[:6514] (RFC 5424 over TLS)",
    )
    where.add_argument("--name", metavar="NAME", help="one of [[streams]] in the settings")
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
    # As the node starts it: ends with the node, and says "sent" and "away" for it.
    command.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 done; 1 the log is bad."""
    if options.child:
        _end_with_parent()
    token_file = options.token_file
    token = (lambda: read_private_file(token_file).decode().strip()) if token_file else None
    if options.name is not None:
        directory, state_dir, token = _by_name(options)
    else:
        directory, state_dir = find(options)
    verifiers = trusted(options, directory, state_dir)
    path = options.cursor
    if path is None:
        if state_dir is None:
            raise HoopgateError("with --directory, say where the cursor is: --cursor FILE")
        name = options.name or sha256(options.to.encode()).hexdigest()[:16]
        path = state_dir / "streams" / f"{name}.json"
    retired = retired_keys(state_dir) if state_dir is not None else []
    new = not path.exists()
    try:
        sink = open_sink(options.to, origin=verifiers[0].name, ca_file=options.ca_file, token=token)
        stream = Stream(Cursor.load(path), sink, retired)
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


def _by_name(options: argparse.Namespace) -> tuple[Path, Path | None, Callable[[], str] | None]:
    """Take what the settings say of the stream into the options; the log's directory, the node's,
    and what makes the token."""
    if options.config is None:
        raise HoopgateError("--name is of the settings: give --config FILE")
    from hoopgate.settings.load import load_unchecked

    settings = load_unchecked(options.config)
    found = [one for one in settings.streams if one.name == options.name]
    if not found:
        raise HoopgateError(f"{options.config} has no stream {options.name!r} in [[streams]]")
    (about,) = found
    options.to, options.ca_file, options.from_now = about.to, about.ca_file, about.from_now
    secret = about.token
    token = None if secret is None else lambda: read_secret(secret)
    return settings.recording.directory, settings.node.state_dir, token


def _end_with_parent() -> None:
    """Have SIGTERM when the node is gone, however it ended (Linux)."""
    parent = os.getppid()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(0)


def _say(options: argparse.Namespace, word: str) -> None:
    if options.child:
        print(word, flush=True)


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
            _say(options, "sent")
            if options.once:
                return 0
        except NotSent as error:
            if options.once:
                raise
            _say(options, "away")
            print(
                f"hoopgate stream: not sent, tried again in {pause:.0f} s: {error}", file=sys.stderr
            )
            pause = min(2 * pause, _MOST_SECONDS)
        except OSError as error:
            if options.once:
                raise unreadable(error, directory) from None
            _say(options, "away")
            print(f"hoopgate stream: {error.filename}: {error.strerror}", file=sys.stderr)
        if stop.wait(pause):
            return 0
