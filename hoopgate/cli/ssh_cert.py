"""``hoopgate ssh-cert``: a short-lived OpenSSH certificate for a token.

OpenSSH cuts a password that is typed or asked for at 1,023 bytes, so a token does not fit: a
certificate takes its place. Run it where the node runs; it is good for one resource, for minutes.

Exit status: 0 done; 1 the node refused (the code is printed); 2 it could not be asked, or the key
cannot be read.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

from hoopgate.cli.node import Node, add_node_arguments, inert
from hoopgate.errors import HoopgateError


class BadKey(HoopgateError):
    """The key's file cannot be used."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``ssh-cert``."""
    command = commands.add_parser(
        "ssh-cert", help="exchange a token for an OpenSSH certificate of minutes"
    )
    command.add_argument("resource", metavar="RESOURCE")
    command.add_argument(
        "key", type=Path, metavar="PUBLIC_KEY", help="a public key, id_ed25519.pub for example"
    )
    command.add_argument(
        "--lifetime", type=int, default=900, metavar="SECONDS", help="at most 900, the default"
    )
    add_node_arguments(command, "ssh-cert", run)


def run(options: argparse.Namespace, node: Node) -> None:
    """Write the certificate beside the key, as ssh-keygen does; print the user name, or JSON."""
    key: Path = options.key
    if key.suffix != ".pub":
        raise BadKey(f"{key}: name the public key, a file that ends in .pub")
    try:
        text = key.read_text()
    except (OSError, UnicodeDecodeError):
        raise BadKey(f"{key}: cannot be read") from None
    lifetime = str(options.lifetime)
    body = {"resource": options.resource, "lifetime": lifetime, "public_key": text.strip()}
    page = node.post("/v1/ssh-certificates", body)
    if options.json:
        print(json.dumps(page))
        return
    path = key.with_name(f"{key.stem}-cert.pub")
    new = path.with_name(f".{path.name}.new")
    new.write_text(inert(page["certificate"]) + "\n")
    os.replace(new, path)
    minutes = max(0.0, float(page["expires"]) - time.time()) / 60
    print(f"# {path}: for {inert(page['resource'])}, good for {minutes:.0f} min")
    # OpenSSH 10 takes one percent sign for the begin of a token.
    user = f"{inert(page['user'])}%%{inert(page['resource'])}"
    print(f"ssh -i {key.with_suffix('')} {user}@GATEWAY")
