"""``hoopgate login`` and ``hoopgate logout``: whose token the other commands use.

A person logs in by the device flow (RFC 8628): this command shows an address and a code, the rest
is in a browser, on any device. A program has a client's secret or key, or a token that its platform
puts into a file or an environment variable.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from hoopgate.cli import logins, oauth
from hoopgate.cli.logins import Login
from hoopgate.cli.node import inert
from hoopgate.cli.token import by_client
from hoopgate.errors import HoopgateError
from hoopgate.identity.fetch import checked_url
from hoopgate.identity.jose import parse_token

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
CLIENT_ID = "hoopgate-cli"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``login`` and ``logout``."""
    command = commands.add_parser(
        "login", help="log in at an issuer: in a browser, or as a program; tokens are kept 0600"
    )
    command.add_argument("--issuer", metavar="URL", help="required but with a workload's token")
    command.add_argument("--client-id", default=CLIENT_ID, metavar="ID", help=f"({CLIENT_ID})")
    command.add_argument("--gateway", default="", metavar="URL", help="for env and connect")
    command.add_argument("--ca-file", type=Path, metavar="FILE", help="of issuer and gateway")
    command.add_argument("--scope", action="append", default=[])
    command.add_argument("--resource", default="", metavar="URL", help="what the token is for")
    proof = command.add_mutually_exclusive_group()
    proof.add_argument("--client-secret-file", type=Path, metavar="FILE")
    proof.add_argument("--private-key", type=Path, metavar="FILE", help="PEM, for private_key_jwt")
    proof.add_argument(
        "--workload-token-file", type=Path, metavar="FILE", help="a token that others replace there"
    )
    proof.add_argument("--workload-token-env", metavar="NAME", help="a variable with a token")
    command.add_argument("--json", action="store_true", help="print for programs")
    command.set_defaults(run=run)
    leave = commands.add_parser("logout", help="end the log-in, and forget its tokens")
    leave.add_argument("--issuer", metavar="URL", help="(the last one)")
    leave.set_defaults(run=log_out)


def run(options: argparse.Namespace) -> int:
    """:return: exit status.

    :raises HoopgateError: nobody is logged in by it.
    """
    if options.gateway:
        checked_url(options.gateway)
    ca_file = "" if options.ca_file is None else str(options.ca_file.absolute())
    login = _log_in(options, ca_file)
    path = logins.keep(login)
    who = parse_token(login.token or logins.workload_token(login)).claims
    if options.json:
        print(json.dumps({"issuer": login.issuer, "subject": who.get("sub"), "file": str(path)}))
        return 0
    print(f"logged in as {inert(str(who.get('sub')))} at {inert(login.issuer)}")
    if login.method == "device" and not login.refresh:
        minutes = max(0.0, login.expires - time.time()) / 60
        print(f"for {minutes:.0f} min: this issuer does not let programs renew it")
    return 0


def _log_in(options: argparse.Namespace, ca_file: str) -> Login:
    if options.workload_token_file or options.workload_token_env:
        in_file = options.workload_token_file is not None
        place = (
            str(options.workload_token_file.absolute()) if in_file else options.workload_token_env
        )
        login = Login(
            "",
            "workload",
            place=place,
            kind="file" if in_file else "environment",
            ca_file=ca_file,
            gateway=options.gateway,
        )
        claims = parse_token(logins.workload_token(login)).claims
        issuer = options.issuer or str(claims.get("iss", ""))
        return replace(login, issuer=issuer)
    if not options.issuer:
        raise HoopgateError("which issuer? give --issuer")
    login = Login(
        options.issuer,
        "device",
        options.client_id,
        tuple(options.scope),
        options.resource,
        ca_file,
        gateway=options.gateway,
    )
    if options.client_secret_file is None and options.private_key is None:
        return _by_device(login)
    key = options.private_key is not None
    place = (options.private_key if key else options.client_secret_file).absolute()
    login = replace(login, method="client", kind="key" if key else "secret", place=str(place))
    answer = by_client(
        login.issuer,
        login.client_id,
        secret_file=None if key else place,
        private_key=place if key else None,
        resources=[login.resource] if login.resource else [],
        scopes=login.scopes,
        ca_file=options.ca_file,
    )
    return logins.with_answer(login, answer)


def _by_device(login: Login) -> Login:
    context = oauth.trust(Path(login.ca_file) if login.ca_file else None)
    metadata = oauth.discover(login.issuer, context)
    fields = [("client_id", login.client_id)]
    if login.scopes:
        fields.append(("scope", " ".join(login.scopes)))
    if login.resource:
        fields.append(("resource", login.resource))
    begun = oauth.ask(oauth.endpoint(metadata, "device_authorization_endpoint"), context, fields)
    _show(begun)
    url = oauth.endpoint(metadata, "token_endpoint")
    interval = _seconds(begun, "interval", 5)
    until = time.monotonic() + _seconds(begun, "expires_in", 600)
    fields = [
        ("grant_type", DEVICE_GRANT),
        ("client_id", login.client_id),
        ("device_code", str(begun.get("device_code", ""))),
    ]
    while time.monotonic() < until:
        time.sleep(interval)
        try:
            return logins.with_answer(login, oauth.ask(url, context, fields))
        except oauth.OAuthRefused as refused:
            if refused.error == "slow_down":
                interval += 5
            elif refused.error == "access_denied":
                raise HoopgateError("it was refused in the browser") from None
            elif refused.error != "authorization_pending":
                raise
    raise HoopgateError("nobody has allowed it in time; begin again")


def _show(begun: dict[str, Any]) -> None:
    uri, code = inert(str(begun.get("verification_uri"))), inert(str(begun.get("user_code")))
    print(f"Open {uri} in a browser and type the code\n\n    {code}\n", file=sys.stderr)
    whole = begun.get("verification_uri_complete")
    if isinstance(whole, str):
        print(f"or open {inert(whole)} and compare it.", file=sys.stderr)
    print("Waiting; Ctrl-C gives up.", file=sys.stderr, flush=True)


def _seconds(begun: dict[str, Any], name: str, default: float) -> float:
    value = begun.get(name, default)
    return float(value) if type(value) in (int, float) and 0 < value < 3600 else default


def log_out(options: argparse.Namespace) -> int:
    """:return: exit status."""
    login = logins.current(options.issuer)
    if login is None:
        raise HoopgateError("nobody is logged in")
    logins.forget(login)
    print(f"logged out at {inert(login.issuer)}")
    return 0
