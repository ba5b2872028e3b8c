"""The commands' side of the node's API on its admin socket: address, token, questions."""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import sys
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hoopgate.cli.place import add_config_or
from hoopgate.errors import HoopgateError

TOKEN_VARIABLE = "HOOPGATE_TOKEN"
SOCKET_NAME = "admin.sock"

_TIMEOUT_SECONDS = 30.0
_ANSWER_BYTES = 64 * 2**20

Page = Mapping[str, Any]


class Unreachable(HoopgateError):
    """No answer of a node: no socket, no token, or not what a node says."""


class RefusedByNode(HoopgateError):
    """The node's answer is no; ``code`` says why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{detail} ({code})")
        self.code = code


def add_node_arguments(command: argparse.ArgumentParser, name: str, run: Any) -> None:
    """Where the node is and who asks; ``run(options, node)`` is called with it, and may return an
    exit status.

    :param name: of the command, for its messages.
    """
    add_config_or(
        command, "-s", "--socket", type=Path, metavar="FILE", help="the node's admin.sock"
    )
    command.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help=f"your access token (default: {TOKEN_VARIABLE}, else as hoopgate login)",
    )
    command.add_argument("--json", action="store_true", help="print for programs")
    command.set_defaults(run=lambda options: _guarded(name, run, options))


def _guarded(name: str, run: Any, options: argparse.Namespace) -> int:
    try:
        status: int | None = run(options, Node(options))
    except RefusedByNode as error:
        print(f"hoopgate {name}: {inert(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status or 0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Node:
    """A node, asked with somebody's token.

    :raises Unreachable: no usable token, or (in its methods) no usable answer.
    :raises SettingsError: ``--config`` is wrong.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._socket = _socket(options)
        # Imported here: the issuer's and the exchange's side of it needs this module
        from hoopgate.cli.logins import access_token

        self._token = access_token(options.token_file)

    def get(self, path: str) -> Page:
        """:raises RefusedByNode: the answer is no."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: Mapping[str, str]) -> Page:
        """:raises RefusedByNode: the answer is no."""
        return self._ask("POST", path, json.dumps(body).encode())

    def _ask(self, method: str, path: str, body: bytes | None) -> Page:
        return _exchange(
            self._socket, method, path, body, {"Authorization": f"Bearer {self._token}"}
        )


def ask(socket: Path, path: str, body: Mapping[str, str]) -> Page:
    """Post to the node as who runs this command, without a token.

    :raises RefusedByNode: the answer is no.
    :raises Unreachable: no usable answer.
    """
    return _exchange(socket, "POST", path, json.dumps(body).encode(), {})


def _exchange(
    place: Path, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
) -> Page:
    headers = {**headers, "Accept": "application/json"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    connection = _UnixConnection(place)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        data = response.read(_ANSWER_BYTES)
        page = json.loads(data)
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise Unreachable(f"{place}: {why}; does the node run?") from None
    except ValueError:
        raise Unreachable(f"{place}: not a hoopgate node's answer") from None
    finally:
        connection.close()
    if not isinstance(page, dict):
        raise Unreachable(f"{place}: not a hoopgate node's answer")
    if response.status != 200:
        raise RefusedByNode(str(page.get("code", response.status)), str(page.get("detail")))
    return page


def _socket(options: argparse.Namespace) -> Path:
    if options.socket is not None:
        given: Path = options.socket
        return given
    from hoopgate.settings.load import load

    return load(options.config).node.state_dir / SOCKET_NAME


def inert(text: str) -> str:
    """One line that no terminal interprets: control, invisible and bidirectional characters are
    shown as escapes. Never shortened: what is approved is what was read."""
    return "".join(
        character
        if character.isprintable() and unicodedata.category(character) != "Cf"
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
