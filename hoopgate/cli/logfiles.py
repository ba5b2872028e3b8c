"""Where the log is and whom to trust: the options that every command on recordings shares."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from hoopgate.cli.place import add_config_or
from hoopgate.errors import HoopgateError
from hoopgate.recorder.files import read_whole
from hoopgate.recorder.note import Verifier
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.rotation import SIGNER_KEY
from hoopgate.recorder.sealing import REPLAY_KEY
from hoopgate.recorder.signer import FileSigner


class Unreadable(HoopgateError):
    """The log, a key or a settings file cannot be read."""


def add_place(command: argparse.ArgumentParser) -> None:
    """Add ``--config``, ``--directory`` and ``--vkey``."""
    add_config_or(command, "-d", "--directory", type=Path, metavar="DIR", help="the log itself")
    command.add_argument(
        "--vkey",
        action="append",
        metavar="KEY",
        help="the log's verifier key, or a file with it, from a source that you trust",
    )


def find(options: argparse.Namespace) -> tuple[Path, Path | None]:
    """The log's directory, and the node's state directory where it is known.

    :raises SettingsError: the settings are wrong.
    """
    if options.directory is not None:
        directory: Path = options.directory
        return directory, None
    from hoopgate.settings.load import load

    settings = load(options.config)
    return settings.recording.directory, settings.node.state_dir


def trusted(options: argparse.Namespace, directory: Path, state_dir: Path | None) -> list[Verifier]:
    """The keys that may have signed.

    :raises BadNote: malformed.
    :raises Unreadable: there is none.
    """
    if options.vkey:
        return [Verifier.parse(_text(key)) for key in options.vkey]
    if state_dir is not None:
        try:
            return [FileSigner.load(state_dir / SIGNER_KEY).verifier]
        except OSError:
            pass  # the caller need not be the node's user
    print(
        f"hoopgate: trusting {directory / 'vkey'}, which lies beside what it verifies; "
        "give --vkey to verify against a key you trust",
        file=sys.stderr,
    )
    return [Verifier.parse(_read(directory / "vkey"))]


def _text(key: str) -> str:
    path = Path(key)
    return _read(path) if path.is_file() else key


def _read(path: Path) -> str:
    try:
        return read_whole(path).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(error, path) from None


def unreadable(error: Exception, path: Path) -> Unreadable:
    """The error that a command ends with."""
    if isinstance(error, OSError):
        return Unreadable(f"{error.filename or path}: {error.strerror or error}")
    return Unreadable(f"{path}: {error}")


def open_reader(options: argparse.Namespace) -> tuple[LogReader, Path | None]:
    """The log for reading, and the node's state directory where it is known.

    :raises HoopgateError: it cannot be read or no trusted key signed it.
    """
    directory, state_dir = find(options)
    verifiers = trusted(options, directory, state_dir)
    try:
        return LogReader(directory, verifiers), state_dir
    except OSError as error:
        raise unreadable(error, directory) from None


def replay_key(options: argparse.Namespace, state_dir: Path | None) -> Path:
    """The file with the private key of a recipient: ``--key``, or the node's own."""
    if options.key is not None:
        key: Path = options.key
        return key
    base = state_dir if state_dir is not None else options.directory.resolve().parent
    return Path(base) / REPLAY_KEY


def moment(microseconds: int) -> str:
    """A time for people, UTC."""
    try:
        when = datetime.fromtimestamp(microseconds // 1_000_000, UTC)
    except (ValueError, OverflowError, OSError):
        return "?"
    return when.strftime("%Y-%m-%d %H:%M:%S")
