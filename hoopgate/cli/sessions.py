"""``hoopgate sessions``: who worked on what, and what was decided."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice

from hoopgate.cli import tables
from hoopgate.cli.logfiles import add_place, moment, open_reader
from hoopgate.errors import HoopgateError
from hoopgate.recorder.listing import Listing
from hoopgate.recorder.render import inert
from hoopgate.recorder.replay import Summary

_SHOWN = 50
_DAY = 86_400_000_000  # µs


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``sessions``."""
    command = commands.add_parser(
        "sessions",
        help="list recorded sessions",
        description="Sessions that match, the newest last. The log is read from its end, and no "
        "further than those are that are listed.",
    )
    add_place(command)
    command.add_argument("--who", default="", metavar="TEXT", help="part of the identity")
    command.add_argument("--resource", default="", metavar="TEXT", help="part of its name")
    command.add_argument(
        "--verdict", choices=("allow", "mask", "block", "hold"), help="one of its verdicts"
    )
    command.add_argument("--from", dest="since", type=_day, metavar="DAY", help="YYYY-MM-DD, UTC")
    command.add_argument("--to", dest="until", type=_day, metavar="DAY", help="the last day, UTC")
    command.add_argument("--before", metavar="ID", help="only sessions that began before this one")
    count = command.add_mutually_exclusive_group()
    count.add_argument(
        "-n",
        "--limit",
        type=_limit,
        metavar="N",
        help=f"so many, the newest; default: {_SHOWN}, with --json all",
    )
    count.add_argument("--all", action="store_true", help="all of them")
    command.add_argument("--json", action="store_true", help="one JSON object per line")
    command.set_defaults(run=run)


def _day(text: str) -> int:
    """Its start, µs since the epoch."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write YYYY-MM-DD") from None
    return int(day.timestamp()) * 1_000_000


def _limit(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 10**9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of sessions")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """0 and the sessions on standard output."""
    log, _ = open_reader(options)
    listing = Listing()
    listing.grow(log)
    matches = _matching(options)
    every = listing.newest(log)
    if options.before is not None:
        every = _behind(every, options.before)
    matching = (one for one in every if matches(one))
    limit = options.limit or (None if options.all or options.json else _SHOWN)
    found = list(islice(matching, limit))[::-1]
    if options.json:
        for summary in found:
            print(json.dumps(dataclasses.asdict(summary)))
        return 0
    rows = [("SESSION", "SUBJECT", "RESOURCE", "START (UTC)", "END", "REQUESTS"), *map(_row, found)]
    for line in tables.lines(rows, whole=(0,)):
        print(line)
    if not found:
        print("No session matches.", file=sys.stderr)
    elif next(matching, None) is not None:
        print(f"There are older ones: --before {found[0].id}, or --all", file=sys.stderr)
    return 0


def _matching(options: argparse.Namespace) -> Callable[[Summary], bool]:
    who, resource = options.who.casefold(), options.resource.casefold()

    def matches(one: Summary) -> bool:
        return (
            who in one.subject.casefold()
            and resource in one.resource.casefold()
            and (options.verdict is None or options.verdict in one.verdicts)
            and (options.since is None or one.start >= options.since)
            and (options.until is None or one.start < options.until + _DAY)
        )

    return matches


def _behind(every: Iterator[Summary], session: str) -> Iterator[Summary]:
    """What comes after a session.

    :raises HoopgateError: there is no such session.
    """
    for one in every:
        if one.id == session:
            return every
    raise HoopgateError(f"the log has no session {inert(session)}")


def _row(summary: Summary) -> tuple[str, ...]:
    verdicts = ", ".join(f"{count} {name}" for name, count in sorted(summary.verdicts.items()))
    requests = f"{summary.requests} ({verdicts})" if verdicts else str(summary.requests)
    ended = "running" if summary.end is None else f"{moment(summary.end)} {summary.reason}"
    cells = (
        summary.id,
        summary.subject,
        summary.resource,
        moment(summary.start),
        ended,
        requests,
    )
    return tuple(map(inert, cells))
