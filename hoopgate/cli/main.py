"""``hoopgate``: the command line. A command is a module of this package with ``add(commands)``."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from hoopgate import __version__
from hoopgate.errors import HoopgateError

#: Modules with a command each, in the order ``--help`` shows them.
COMMANDS = (
    *("check", "phi", "policy", "token_key", "issuer", "token", "credential", "ssh_cert"),
    *("login", "env", "credentials"),
    *("approvals", "sessions", "replay", "audit", "evidence", "stream", "archive"),
    "signer",
)


#: Commands that are in another's module.
_WITH_OTHERS = {"connect": "env", "logout": "login"}


def parser(only: str = "") -> argparse.ArgumentParser:
    """The whole command line.

    :param only: the command that is run: others' modules, which take their time, are left out.
    """
    root = argparse.ArgumentParser(
        prog="hoopgate", description="Access gateway for agents on systems that hold PHI."
    )
    root.add_argument("--version", action="version", version=f"hoopgate {__version__} ({build()})")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    module = _WITH_OTHERS.get(only, only.replace("-", "_"))
    for name in (module,) if module in COMMANDS else COMMANDS:
        importlib.import_module(f"hoopgate.cli.{name}").add(commands)
    return root


def build() -> str:
    """``compiled`` or ``interpreted``: how the hot rooms run (see setup.py)."""
    found = find_spec("hoopgate.postgres.kernels")
    source = found is None or found.origin is None or found.origin.endswith(".py")
    return "interpreted" if source else "compiled"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. Errors that are not bugs end in one clear line."""
    given = sys.argv[1:] if arguments is None else arguments
    options = parser(given[0] if given else "").parse_args(given)
    try:
        status: int = options.run(options)
    except HoopgateError as error:
        print(f"hoopgate {options.command}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 1
    except OSError as error:  # such as a directory where a file has to be
        where = f"{str(error.filename)!r}: " if error.filename else ""
        print(f"hoopgate {options.command}: {where}{error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(file=sys.stderr)  # behind ^C
        return 130
    return status
