"""Which node a command is about: ``--config``, or the environment variable HOOPGATE_CONFIG."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

CONFIG_VARIABLE = "HOOPGATE_CONFIG"


def add_config(command: ArgumentParser) -> None:
    """Add ``--config``; it is required unless the environment names the file."""
    _add(command, required=_from_environment() is None)


def add_config_or(command: ArgumentParser, *flags: str, **other: Any) -> None:
    """Add ``--config`` and another argument of which exactly one is given.

    The other one counts when both the environment and the command line say where.
    """
    place = command.add_mutually_exclusive_group(required=_from_environment() is None)
    _add(place)
    place.add_argument(*flags, **other)


def _add(parser: Any, **more: bool) -> None:
    parser.add_argument(
        *("-c", "--config"),
        type=Path,
        default=_from_environment(),
        metavar="FILE",
        help=f"the node's settings (default: the environment variable {CONFIG_VARIABLE})",
        **more,
    )


def _from_environment() -> Path | None:
    value = os.environ.get(CONFIG_VARIABLE)
    return Path(value) if value else None
