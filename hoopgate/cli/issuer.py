"""``hoopgate issuer``: run the embedded OIDC issuer, rotate its key, hash a client's secret."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

from hoopgate.errors import HoopgateError, SettingsError
from hoopgate.identity.client_secrets import hash_secret, new_secret
from hoopgate.identity.issuer_keys import SigningKeys
from hoopgate.identity.issuer_settings import IssuerSettings, load_issuer_settings


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    command = commands.add_parser(
        "issuer", help="the small OIDC issuer for nodes without an identity provider"
    )
    command.add_argument(
        "action",
        nargs="?",
        default="run",
        choices=("run", "rotate", "hash"),
        help="run: serve (default); rotate: sign with a new key; hash: hash a client's secret, "
        "read from standard input, or made when that is a terminal",
    )
    command.add_argument("--config", type=Path, metavar="FILE", help="issuer.toml")
    command.add_argument("--listen", metavar="ENDPOINT", help="instead of listen in the file")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """:return: exit status."""
    if options.action == "hash":
        return _hash()
    if options.config is None:
        raise SettingsError([f"issuer {options.action}: write --config issuer.toml"])
    settings = load_issuer_settings(options.config)
    if options.action == "rotate":
        print(SigningKeys(settings.key_file).rotate(time.time()))
        return 0
    if options.listen:
        settings = dataclasses.replace(settings, listen=options.listen)
    return _serve(settings)


def _hash() -> int:
    if sys.stdin.isatty():
        secret = new_secret()
        print(f"secret      = {secret}")
        print(f"secret_hash = {hash_secret(secret)}")
        return 0
    secret = sys.stdin.readline().rstrip("\r\n")
    if len(secret) < 16:
        raise HoopgateError("the secret is shorter than 16 characters")
    print(hash_secret(secret))
    return 0


def _serve(settings: IssuerSettings) -> int:
    # Imported here: the other commands need no reactor
    from twisted.internet import reactor as installed
    from twisted.internet.defer import Deferred
    from twisted.logger import globalLogBeginner, textFileLogObserver

    from hoopgate.identity.issuer import EmbeddedIssuer

    reactor: Any = installed
    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)], redirectStandardIO=False)
    issuer = EmbeddedIssuer(settings, reactor)
    problems: list[BaseException] = []

    async def start() -> None:
        try:
            url = await issuer.start()
        except BaseException as error:
            problems.append(error)
            reactor.stop()
            raise
        print(f"issuer {url} is ready", flush=True)

    def started() -> None:
        Deferred.fromCoroutine(start()).addErrback(lambda _: None)

    reactor.callWhenRunning(started)
    reactor.addSystemEventTrigger("before", "shutdown", issuer.stop)
    reactor.run()
    if problems:
        raise problems[0]
    return 0
