"""``hoopgate signer``: sign a log's checkpoints for a node that does not have the key."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

from hoopgate.errors import HoopgateError
from hoopgate.recorder.errors import BadNote
from hoopgate.recorder.signer import FileSigner
from hoopgate.recorder.signer_process import Guard, harden, serve


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``signer``."""
    command = commands.add_parser(
        "signer",
        help="keep the log's signing key from the node: sign for it over a unix socket",
        description="Run it as a user of its own, and name the socket in recording.signer. It "
        "signs checkpoints of its log that grow, and nothing else.",
    )
    command.add_argument(
        "--key",
        type=Path,
        required=True,
        metavar="FILE",
        help="the key; with --origin it is made if it is not there",
    )
    command.add_argument("--origin", metavar="NAME", help="the log's name: recording.origin")
    command.add_argument(
        "--socket",
        type=Path,
        required=True,
        metavar="PATH",
        help="who may connect is who may write to it: mode 0660, the group's",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve one node at a time, until it is stopped."""
    harden()
    try:
        if options.origin and not options.key.exists():
            guard = Guard(FileSigner.create(options.key, options.origin))
        else:
            guard = Guard(FileSigner.load(options.key))
        options.socket.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX)
        before = os.umask(0o117)
        try:
            listening.bind(str(options.socket))
        finally:
            os.umask(before)
        listening.listen(1)
    except (BadNote, OSError) as error:
        raise HoopgateError(str(error)) from None
    print(f"hoopgate signer: {guard.verifier}", file=sys.stderr, flush=True)
    with listening:
        try:
            while True:
                connection, _ = listening.accept()
                with connection:
                    serve(connection, guard)
        except KeyboardInterrupt:
            return 0
