"""``hoopgate token-key``: add a key for tokens to a file of keys, which begins a new epoch."""

from __future__ import annotations

import argparse
import os
import secrets
from pathlib import Path

from hoopgate.errors import HoopgateError, Refused
from hoopgate.identity.secrets import read_private_file
from hoopgate.phi.tokens import MOST_EPOCHS, parse_keys


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``token-key``."""
    command = commands.add_parser(
        "token-key",
        help="add a key for tokens: tokens are made with it from the next reload on",
        description="Adds a key to FILE, or makes FILE with a first one. Tokens of earlier keys "
        "can be used as long as their lines stay in FILE.",
    )
    command.add_argument("file", metavar="FILE", type=Path)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    path: Path = options.file
    text = ""
    epoch = 1
    if path.exists():
        try:
            text = read_private_file(path).decode("ascii")
            epoch = max(parse_keys(text)) + 1
        except UnicodeDecodeError:
            raise Refused("token.keys", f"{path}: not a file of keys") from None
        except Refused as refused:
            raise Refused(refused.code, f"{path}: {refused}") from None
    if epoch > MOST_EPOCHS:
        raise HoopgateError(f"{path}: no epoch is left; take away the old keys first")
    if text and not text.endswith("\n"):
        text += "\n"
    _write(path, f"{text}{epoch} {secrets.token_hex(32)}\n")
    print(f"epoch {epoch} was added to {path}; reload the gateway (SIGHUP)")
    return 0


def _write(path: Path, text: str) -> None:
    """Replace the file whole: a crash leaves the old one."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.replace(aside, path)
    except OSError as error:
        raise HoopgateError(f"{path}: {error.strerror}") from None
