"""``hoopgate credential``: a short user name and password for a listener that speaks SCRAM.

For clients that refuse to send a secret in the clear even inside TLS, and for those that have no
room for a token. Run it where the node runs; the credential is good for one resource, for minutes.

Exit status: 0 done; 1 the node refused (the code is printed); 2 it could not be asked.
"""

from __future__ import annotations

import argparse
import json
import shlex
import time

from hoopgate.cli.node import Node, add_node_arguments, inert


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``credential``."""
    command = commands.add_parser(
        "credential", help="exchange a token for a user name and password of minutes"
    )
    command.add_argument("resource", metavar="RESOURCE")
    command.add_argument(
        "--lifetime", type=int, default=900, metavar="SECONDS", help="at most 900, the default"
    )
    add_node_arguments(command, "credential", run)


def run(options: argparse.Namespace, node: Node) -> None:
    """Print shell assignments that libpq's clients read, or JSON."""
    body = {"resource": options.resource, "lifetime": str(options.lifetime)}
    page = node.post("/v1/credentials", body)
    if options.json:
        print(json.dumps(page))
        return
    minutes = max(0.0, float(page["expires"]) - time.time()) / 60
    print(f"# for {inert(page['resource'])}, good for {minutes:.0f} min")
    print(f"export PGUSER={shlex.quote(inert(page['user']))}")
    print(f"export PGPASSWORD={shlex.quote(inert(page['password']))}")
    print(f"export PGDATABASE={shlex.quote(inert(page['resource']))}")
