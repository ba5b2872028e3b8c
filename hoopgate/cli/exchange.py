"""The commands' side of a gateway's ``[exchange]``: credentials of minutes for a token."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hoopgate.cli import logins, oauth
from hoopgate.cli.node import RefusedByNode, inert
from hoopgate.errors import HoopgateError
from hoopgate.identity.secrets import read_private_file

GATEWAY_VARIABLE = "HOOPGATE_GATEWAY"
CA_VARIABLE = "HOOPGATE_CA_FILE"
_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS = "urn:ietf:params:oauth:token-type:access_token"


@dataclass(frozen=True, slots=True)
class Given:
    """A credential, and where it is good.

    :ivar secret: password, JWT or certificate.
    :ivar place: protocol, host, port, separator, host_keys …: what the gateway says of it.
    """

    secret: str = field(repr=False)
    name: str
    form: str
    subject: str
    resource: str
    expires: float
    place: Mapping[str, Any]

    @property
    def protocol(self) -> str:
        """``postgres``, ``mariadb``, ``mysql``, ``ssh`` or ``http``."""
        return str(self.place.get("protocol", ""))

    @property
    def host(self) -> str:
        """Where clients connect."""
        return str(self.place["host"])

    @property
    def port(self) -> int:
        """Where clients connect."""
        return int(self.place["port"])

    @property
    def user(self) -> str:
        """The user name that a client gives."""
        return self.name if self.form == "password" else self.subject


class Exchange:
    """A gateway's endpoint, asked with the token of who runs the command.

    :raises HoopgateError: no gateway, or no token.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        login = logins.current() if options.token_file is None else None
        gateway = options.gateway or os.environ.get(GATEWAY_VARIABLE) or (login and login.gateway)
        if not gateway:
            raise HoopgateError(
                f"which gateway? give --gateway, set {GATEWAY_VARIABLE}, or log in with --gateway"
            )
        ca_file = options.ca_file or os.environ.get(CA_VARIABLE) or (login and login.ca_file)
        self.ca_file = Path(ca_file).absolute() if ca_file else None
        self._url = gateway.rstrip("/")
        self._context = oauth.trust(self.ca_file)
        self._token = logins.access_token(options.token_file)

    def credential(self, resource: str, options: argparse.Namespace, **more: str) -> Given:
        """A new credential.

        :raises RefusedByNode: the answer is no.
        """
        fields = {
            "grant_type": _GRANT,
            "subject_token": self._token,
            "subject_token_type": _ACCESS,
            "resource": resource,
            "lifetime": str(options.lifetime),
            **more,
        }
        if options.scope:
            fields["scope"] = " ".join(options.scope)
        if options.actor_token_file is not None:
            actor = read_private_file(options.actor_token_file).decode("latin-1")
            fields |= {"actor_token": logins.checked(actor), "actor_token_type": _ACCESS}
        page = self._ask("/token", fields)
        place = page.get("hoopgate")
        if not isinstance(place, dict) or not isinstance(page.get("access_token"), str):
            raise HoopgateError("not a gateway's answer")
        return Given(
            page["access_token"],
            str(place["credential"]),
            str(place["form"]),
            str(place["subject"]),
            str(place["resource"]),
            float(place["expires"]),
            place,
        )

    def listed(self) -> list[dict[str, Any]]:
        """Credentials in force that this token's holder may see."""
        return list(self._ask("/credentials", None)["credentials"])

    def revoke(self, name: str) -> int:
        """End a credential; how many sessions ended with it."""
        return int(self._ask("/revoke", {"token": name})["sessions_ended"])

    def _ask(self, path: str, fields: Mapping[str, str] | None) -> dict[str, Any]:
        form = None if fields is None else list(fields.items())
        headers = {"Authorization": f"Bearer {self._token}"} if path != "/token" else {}
        try:
            return oauth.ask(self._url + path, self._context, form, headers)
        except oauth.OAuthRefused as refused:
            raise Refusal(refused.answer) from None


class Refusal(RefusedByNode):
    """The gateway's answer is no.

    :ivar answer: its JSON: ``error``, ``code``, ``error_description``, ``request_id``.
    """

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.answer = answer
        super().__init__(str(answer.get("code")), str(answer.get("error_description")))


def add_arguments(command: argparse.ArgumentParser, name: str, run: Any) -> None:
    """Which gateway, and who asks; ``run(options)`` is called, refusals are said.

    :param name: of the command, for its messages.
    """
    command.add_argument(
        "--gateway", metavar="URL", help=f"its [exchange] (default: {GATEWAY_VARIABLE}, the log-in)"
    )
    command.add_argument(
        "--ca-file", type=Path, metavar="FILE", help=f"(default: {CA_VARIABLE}, the log-in)"
    )
    command.add_argument(
        "--token-file", type=Path, metavar="FILE", help="your token (default: as hoopgate login)"
    )
    command.add_argument("--json", action="store_true", help="print for programs")
    command.set_defaults(run=lambda options: _guarded(name, run, options))


def add_what(command: argparse.ArgumentParser) -> None:
    """What the credential is for."""
    command.add_argument("resource", metavar="RESOURCE")
    command.add_argument(
        "--lifetime", type=int, default=900, metavar="SECONDS", help="at most 900, the default"
    )
    command.add_argument("--scope", action="append", default=[], help="narrow it to these")
    command.add_argument(
        "--actor-token-file", type=Path, metavar="FILE", help="of who acts for the token's holder"
    )


def _guarded(name: str, run: Any, options: argparse.Namespace) -> int:
    try:
        status: int | None = run(options)
    except Refusal as refusal:
        if options.json:
            print(json.dumps(dict(refusal.answer)))
        print(f"hoopgate {name}: {inert(str(refusal))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status or 0
