"""``hoopgate env`` and ``hoopgate connect``: unmodified clients, logged in through the gateway.

``eval "$(hoopgate env clinic)"`` and then ``psql``; or ``hoopgate connect clinic``. The credential
lives for minutes and is for that resource alone; it is in files of mode 0600, never in the output.

Exit status: 0 done; 1 the gateway refused (the code is printed; with ``--json`` its JSON); 2 it
could not be asked. ``connect`` ends as the client does.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import time
from collections.abc import Mapping
from pathlib import Path

from hoopgate.cli import client_files
from hoopgate.cli.exchange import Exchange, Given, add_arguments, add_what
from hoopgate.cli.node import inert
from hoopgate.errors import HoopgateError


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``env`` and ``connect``."""
    command = commands.add_parser(
        "env", help="print what makes psql, mysql, ssh and curl use the gateway: eval it"
    )
    add_what(command)
    add_arguments(command, "env", run)
    connect = commands.add_parser("connect", help="run psql, mariadb, mysql or ssh, logged in")
    add_what(connect)
    add_arguments(connect, "connect", run_client)
    connect.add_argument("arguments", nargs=argparse.REMAINDER, help="of the client, after --")


def run(options: argparse.Namespace) -> int:
    """Print shell assignments, or JSON."""
    given, found = _prepare(options)
    if options.json:
        page = {
            "resource": given.resource,
            "protocol": given.protocol,
            "credential": given.name,
            "subject": given.subject,
            "expires": given.expires,
            "environment": dict(found),
        }
        print(json.dumps(page))
        return 0
    minutes = max(0.0, given.expires - time.time()) / 60
    print(f"# {inert(given.resource)} as {inert(given.subject)}, good for {minutes:.0f} min")
    for name, value in found.items():
        print(f"export {name}={shlex.quote(inert(value))}")
    hints = {
        "http": '# curl --config "$HOOPGATE_CURL" "$HOOPGATE_URL/…"',
        "ssh": f'# ssh -F "$HOOPGATE_SSH" {inert(given.resource)} COMMAND; sftp and rsync, too',
        "mysql": '# mysql --defaults-extra-file="$HOOPGATE_MYSQL"',
    }
    if given.protocol in hints:
        print(hints[given.protocol])
    return 0


def _prepare(options: argparse.Namespace) -> tuple[Given, Mapping[str, str]]:
    exchange = Exchange(options)
    private, public = client_files.new_key()
    given = exchange.credential(options.resource, options, public_key=public)
    path = client_files.directory(given.resource)
    return given, client_files.write(given, path, exchange.ca_file, private)


def run_client(options: argparse.Namespace) -> int:
    """Become the client.

    :raises HoopgateError: there is none.
    """
    given, found = _prepare(options)
    rest = options.arguments[1:] if options.arguments[:1] == ["--"] else options.arguments
    option_file = f"--defaults-extra-file={found.get('HOOPGATE_MYSQL', '')}"
    commands = {
        "postgres": [["psql"]],
        "mariadb": [["mariadb", option_file], ["mysql", option_file]],
        "mysql": [["mysql", option_file], ["mariadb", option_file]],
        "ssh": [["ssh", "-F", found.get("HOOPGATE_SSH", ""), given.resource]],
        "http": [],
    }[given.protocol]
    for command in commands:
        program = _which(command[0])
        if program is not None:
            os.execve(program, [*command, *rest], {**os.environ, **found})  # noqa: S606
    wanted = " or ".join(command[0] for command in commands)
    if not wanted:
        raise HoopgateError("a resource of HTTP has no client of its own; use hoopgate env")
    raise HoopgateError(f"{wanted} is not installed")


def _which(name: str) -> str | None:
    places = (Path(one) / name for one in os.get_exec_path())
    return next((str(one) for one in places if os.access(one, os.X_OK)), None)
