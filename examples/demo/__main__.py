"""``make demo``: a clinic, a directory, an issuer and the gateway; a session told step by step."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from pathlib import Path

from story import Story
from telling import StoryFailed
from terminal import say, style, wait_for_interrupt
from testbed.parts import MissingPart
from testbed.process import ServerFailed
from world import AGENT, REVIEWER, World, running

_DEBIAN = Path("/usr/lib/postgresql")
_TRY = f"""\
Everything stays up until Ctrl-C. In another terminal:

   . {{env}}
   be {AGENT} psql                                    # be the agent
   be {AGENT} psql -c 'TABLE patients' | head
   be {AGENT} mariadb -te 'SELECT * FROM department_load'   # the same on MariaDB
   be {AGENT} hoopgate ssh-cert files "$(dirname "$SSH_CONFIG")"/id_ed25519.pub
   ssh -F "$SSH_CONFIG" files cat $FILES/public/fax.log
   export TOKEN=$(be {AGENT} printenv HOOPGATE_TOKEN)
   curl --oauth2-bearer $TOKEN "$EHR/Observation?code=29463-7&_count=2"
   mcp tools/call '{{{{"name":"echo","arguments":{{{{"message":"hello"}}}}}}}}'
   be {AGENT} psql -c "COPY encounters TO STDOUT"     # is held: decide it in a third terminal
   be {REVIEWER} hoopgate approvals list
   hoopgate check                                   # what this node does, by its settings
   hoopgate sessions
   kill -HUP $HOOPGATE_PID                          # after a change of the rules in
                                                    # {{config}}

The console, in a browser. Its certificate is the demo's own: the browser will warn you.

   {{console}}     log in as {REVIEWER}, password {{password}}
"""


def main() -> int:
    """0 when the story was told and, unless it is to end then, Ctrl-C was pressed."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument(
        "--postgres", type=int, metavar="VERSION", help="15, 18 … (default: 15, or Debian's newest)"
    )
    parser.add_argument(
        "--exit",
        action="store_true",
        default=bool(os.environ.get("DEMO_EXIT")),
        help="end after the story (or: DEMO_EXIT=1)",
    )
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        return _run(options)
    except (MissingPart, ServerFailed, StoryFailed, TimeoutError) as error:
        say(style("bad", f"demo: {error}"))
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # as in: make demo | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(options: argparse.Namespace) -> int:
    say(style("title", "hoopgate: an access gateway for agents, before a clinic's database"))
    say()
    with running(options.postgres or _installed()) as world:
        Story(world).tell()
        say()
        if not options.exit:
            _stay(world)
    say(style("quiet", "Everything is stopped and removed."))
    return 0


def _installed() -> int:
    """The version that the tests run against, or else the newest that Debian has installed."""
    found = {int(one.parent.parent.name) for one in _DEBIAN.glob("*/bin/initdb")}
    return max(found) if found and 15 not in found else 15


def _stay(world: World) -> None:
    say(
        _TRY.format(
            env=world.directory / "env",
            config=world.environment["HOOPGATE_CONFIG"],
            console=world.console,
            password=world.password,
        )
    )
    with contextlib.suppress(KeyboardInterrupt):
        wait_for_interrupt()
    say("Stopping what runs …")


if __name__ == "__main__":
    sys.exit(main())
