"""``hoopgate credentials``: the session credentials in force, and their end.

Exit status: 0 done; 1 the gateway refused (the code is printed); 2 it could not be asked.
"""

from __future__ import annotations

import argparse
import json
import time

from hoopgate.cli.exchange import Exchange, add_arguments
from hoopgate.cli.node import inert


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``credentials``."""
    command = commands.add_parser("credentials", help="list session credentials, or end them")
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="yours; everybody's for operators")
    add_arguments(listing, "credentials", run_list)
    ending = actions.add_parser("revoke", help="end some, and the sessions that they began")
    ending.add_argument("names", nargs="+", metavar="CREDENTIAL", help="hg-…")
    add_arguments(ending, "credentials", run_revoke)


def run_list(options: argparse.Namespace) -> int:
    """A line each, or a JSON object each."""
    for one in Exchange(options).listed():
        if options.json:
            print(json.dumps(one))
            continue
        left = max(0.0, float(one["expires"]) - time.time()) / 60
        through = f" through {', '.join(one['actors'])}" if one["actors"] else ""
        line = f"{one['credential']}  {one['resource']}  {one['form']}  {left:.0f} min left  "
        print(inert(f"{line}{one['subject']}{through}"))
    return 0


def run_revoke(options: argparse.Namespace) -> int:
    """End them, one after the other."""
    exchange = Exchange(options)
    for name in options.names:
        sessions = exchange.revoke(name)
        if options.json:
            print(json.dumps({"credential": name, "sessions_ended": sessions}))
        else:
            print(f"{inert(name)} has ended, and {sessions} sessions with it")
    return 0
