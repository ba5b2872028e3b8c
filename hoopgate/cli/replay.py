"""``hoopgate replay ID``: what happened in a session, decrypted and verified."""

from __future__ import annotations

import argparse
import json
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

from hoopgate.cli.logfiles import add_place, moment, open_reader, replay_key, unreadable
from hoopgate.cli.node import SOCKET_NAME, RefusedByNode, Unreachable, ask
from hoopgate.errors import HoopgateError
from hoopgate.mysql import render as _mysql  # noqa: F401 - registers how it is shown
from hoopgate.recorder.cast import cast
from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.leaf import SESSION_ID
from hoopgate.recorder.payload import Kind
from hoopgate.recorder.render import inert, renderer
from hoopgate.recorder.replay import Replay
from hoopgate.recorder.sealing import ReplayKey
from hoopgate.recorder.timeline import lines, who
from hoopgate.ssh import render as _ssh  # noqa: F401 - likewise


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``replay``."""
    command = commands.add_parser(
        "replay",
        help="show what happened in a session",
        description="Exit status: 0 shown; 1 the recording is not what was signed; 2 it cannot be "
        "read.",
    )
    command.add_argument("id", metavar="ID", help="the session, see 'hoopgate sessions'")
    add_place(command)
    command.add_argument("--key", type=Path, metavar="FILE", help="a recipient's replay key")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object per line")
    form.add_argument(
        "--raw",
        action="store_true",
        help="the very bytes that the client was sent; not to a terminal",
    )
    form.add_argument(
        "--cast",
        action="store_true",
        help="an asciicast (version 2), for asciinema",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 shown, 1 the recording is bad."""
    if options.raw and sys.stdout.isatty():
        raise HoopgateError("--raw writes what was recorded as it is: send it to a file or a pipe")
    log, state_dir = open_reader(options)
    path = replay_key(options, state_dir)
    if state_dir is not None:
        _record_view(state_dir / SOCKET_NAME, options.id)
    try:
        key = ReplayKey.load(path)
        replay = Replay(log, options.id, key)
        if options.raw:
            for moment_ in replay.moments():
                if moment_.kind == Kind.RESPONSE:
                    sys.stdout.buffer.write(moment_.data)
            sys.stdout.buffer.flush()
            return 0
        for line in _form(replay, options):
            print(line)
    except BadLog as error:
        print(f"hoopgate replay: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        raise
    except OSError as error:
        if options.key is None and not path.exists():
            raise HoopgateError(
                f"{path} is not there: give the key of a recipient with --key. Where "
                "recording.auditors is set, only theirs open a recording"
            ) from None
        raise unreadable(error, path) from None
    return 0


def _record_view(socket: Path, session: str) -> None:
    """Let the running node record who looks, before anything is shown."""
    if SESSION_ID.match(session) is None:
        return
    try:
        ask(socket, f"/v1/recordings/{session}/view", {})
    except RefusedByNode as error:
        if error.code != "recording.unknown":
            raise
    except Unreachable:
        print(
            "hoopgate: the node was not reached, so that this view does not stand in its log",
            file=sys.stderr,
        )


def _form(replay: Replay, options: argparse.Namespace) -> Iterator[str]:
    if options.cast:
        return cast(replay.summary, replay.moments())
    return _json(replay) if options.json else _timeline(replay)


def _json(replay: Replay) -> Iterator[str]:
    for moment_ in replay.moments():
        line: dict[str, object] = {"time": moment_.time, "leaf": moment_.leaf["index"]}
        if moment_.kind is None:
            line["type"] = moment_.leaf["type"]
            line["fields"] = moment_.leaf
        elif moment_.kind in (Kind.DECISIONS, Kind.FACTS, Kind.DETAIL):
            line["type"] = Kind(moment_.kind).name.lower()
            line["fields"] = json.loads(moment_.data)
        else:
            line["type"] = Kind(moment_.kind).name.lower()
            line["data"] = b64encode(moment_.data).decode()
        yield json.dumps(line)


def _timeline(replay: Replay) -> Iterator[str]:
    summary = replay.summary
    yield inert(
        f"session {summary.id}: {summary.subject} on {summary.resource} ({summary.protocol}) "
        f"from {summary.peer}, {moment(summary.start)} UTC"
    )
    shown = renderer(summary.protocol)
    for moment_ in replay.moments():
        if moment_.kind == Kind.FACTS:
            yield inert(who(json.loads(moment_.data)))
            continue
        stamp = f"{(moment_.time - summary.start) / 1e6:+10.3f}"
        for line in lines(moment_, shown):
            yield f"{stamp}  {line}"
    if summary.end is None:
        yield "(still running, or ended after the last checkpoint)"
