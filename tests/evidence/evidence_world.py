"""A log with something of everything in it: what bundles are made of in these tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recorder.recorder_world import World

from hoopgate.actions import Decision
from hoopgate.events import Principal
from hoopgate.recorder.commit import Clock
from hoopgate.verdicts import Allow, Block, Mask

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e"
START = 1_780_000_000_000_000_000  #: ns: when the log begins
HOUR = 3_600_000_000_000


class Hours:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = START

    def clock(self) -> Clock:
        return Clock(lambda: self.now, lambda: self.now - START + 10**9)


def who(name: str, **more: Any) -> Principal:
    groups = frozenset({"analysts", "readers"})
    scopes = frozenset({"hoopgate:clinic"})
    return Principal("https://id.example.org", name, scopes, 4e9, groups, **more)


def eventful(base: Path) -> World:
    """Two epochs, the first of which ends by a crash; hours 0 to 6."""
    command = [sys.executable, __file__, str(base)]
    done = subprocess.run(command, timeout=120, capture_output=True, text=True)
    assert done.returncode == 9, done.stderr
    world = World(base, checkpoint_ms=5)
    with max(world.directory.glob("seg/*.hgs")).open("ab") as file:
        file.write(b"torn")
    hours = Hours()
    hours.now = START + 6 * HOUR
    world.open(hours.clock())
    web = world.session("s-web", principal=who(HOSTILE), protocol="fhir", peer="[::1]:5000")
    blocked = Block("operator/no-export", "bulk.export", "no")
    world.wait(web.request(b"GET /Patient/17", b"", [Decision("req-w", blocked)]))
    world.wait(web.close("identity.expired"))
    world.stop()
    return world


def until_the_crash(base: Path) -> None:
    """The first epoch. Does not return."""
    hours = Hours()
    world = World(base, segment_bytes=40_000, checkpoint_ms=5)
    world.open(hours.clock())
    agent = who("atlas", actors=("planner", "executor"), owner="olga", client_id="agents")
    first = world.session("s-early", principal=agent, peer="10.1.2.3:4001")
    world.wait(first.request(b"SELECT 1", None, [Decision("req-0", Allow("operator/readers"))]))
    for hour in range(1, 5):
        hours.now = START + hour * HOUR
        work(world, f"s-{hour}", hour)
        world.wait(world.log.append("heartbeat", {}))
    world.wait(first.close("client.terminate"))
    running = world.session("s-crashed", principal=who("mallory"), protocol="ssh")
    world.wait(running.request(b"ls", None, [Decision("req-9", Allow("operator/shell"))]))
    world.pump.until(lambda: world.log.checkpoint_size == world.log.size)
    os._exit(9)


def work(world: World, name: str, number: int) -> None:
    """A session with answers allowed, masked and refused, an approval, and what administrators
    do meanwhile."""
    session = world.session(name, principal=who("atlas", owner="olga"), tls={"version": "TLSv1.3"})
    for count in range(25):
        session.response(b"row %d\n" % count * 20)
        allow = Decision(f"req-{number}-{count}", Allow("operator/readers"))
        world.wait(session.request(b"SELECT %d" % count, None, [allow]))
    mask = Decision(f"req-{number}-m", Mask("operator/masked", ()), approval="apr-1")
    world.wait(session.request(b"SELECT ssn", None, [mask]))
    block = Decision(f"req-{number}-b", Block("hipaa-baseline/ddl", "statement.ddl", "no DDL"))
    world.wait(session.request(b"DROP TABLE x", b"", [block, mask]))
    asked = {"step": "request", "request": f"apr-{number}", "session": name, "subject": "atlas"}
    world.wait(world.log.append("approval", {**asked, "expires": 1.5 + number}))
    decided = {"step": "approve", "request": f"apr-{number}", "reviewer": "rita"}
    world.wait(world.log.append("approval", decided))
    world.wait(world.log.append("replay.view", {"session": name, "subject": "rita"}))
    rules = {"action": "rules.replace", "rules": f"{number:02x}" * 32}
    world.wait(session.note("admin", rules))
    world.wait(session.close("client.terminate"))


def hour(number: float) -> int:
    """µs since the epoch of an hour of the log."""
    return int(START // 1000 + number * HOUR // 1000)


if __name__ == "__main__":
    until_the_crash(Path(sys.argv[1]))
