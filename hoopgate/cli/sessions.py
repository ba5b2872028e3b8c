"""``hoopgate sessions``: who worked on what, and what was decided."""

from __future__ import annotations

import argparse
import dataclasses
import json

from hoopgate.cli.logfiles import add_place, moment, open_reader
from hoopgate.recorder.render import inert
from hoopgate.recorder.replay import Summary, sessions


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``sessions``."""
    command = commands.add_parser("sessions", help="list recorded sessions")
    add_place(command)
    command.add_argument("--json", action="store_true", help="one JSON object per line")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 and the sessions on standard output."""
    log, _ = open_reader(options)
    found = sessions(log)
    if options.json:
        for summary in found:
            print(json.dumps(dataclasses.asdict(summary)))
        return 0
    rows = [("SESSION", "SUBJECT", "RESOURCE", "START (UTC)", "END", "REQUESTS"), *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
    return 0


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
