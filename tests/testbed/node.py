"""What an operator does with a node: reads its log and its pages, audits, runs it in other ways."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from testbed.gateway import Gateway

HOOPGATE = Path(sys.executable).with_name("hoopgate")


def until(condition: Callable[[], Any], what: str, timeout: float = 60.0) -> Any:
    """Poll until ``condition`` is true; what it returned.

    :raises AssertionError: the time is up.
    """
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}"
        time.sleep(0.02)
    return found


def hoopgate(
    gateway: Gateway, *arguments: str | Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``hoopgate … --config`` on the node's settings."""
    return subprocess.run(
        [HOOPGATE, *arguments, "--config", gateway.config],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment and {"PATH": "/usr/bin:/bin", **environment},
    )


def verified(gateway: Gateway) -> dict[str, Any]:
    """``hoopgate audit verify``: the log is good; its report."""
    done = hoopgate(gateway, "audit", "verify", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def sessions(gateway: Gateway) -> list[dict[str, Any]]:
    """``hoopgate sessions --json``: what the signed log says of each session."""
    done = hoopgate(gateway, "sessions", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def log_lines(gateway: Gateway) -> list[dict[str, Any]]:
    """The node's log, every line of which must be JSON."""
    return [json.loads(line) for line in gateway.log_text().splitlines()]


def events(gateway: Gateway, name: str) -> list[dict[str, Any]]:
    """The log's lines of one event."""
    return [line for line in log_lines(gateway) if line["event"] == name]


def metrics(gateway: Gateway) -> dict[str, float]:
    """``/metrics``: sample (with its labels) → value."""
    status, page = gateway.get("/metrics")
    assert status == 200
    samples = (line.rpartition(" ") for line in page.splitlines() if line[:1] not in ("#", ""))
    return {name: float(value) for name, _, value in samples}


@contextmanager
def changed(gateway: Gateway, adjust: Callable[[dict[str, Any]], object]) -> Iterator[None]:
    """The node runs with changed settings, and with its own again at the end."""
    before = copy.deepcopy(gateway.settings)
    gateway.stop()
    adjust(gateway.settings)
    try:
        gateway.start()
        yield
    finally:
        gateway.stop()
        gateway.settings = before
        gateway.start()


def children(pid: int) -> set[int]:
    """Process ids of all descendants."""
    found: set[int] = set()
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue  # it ended meanwhile
        parent = re.search(r"^PPid:\s*(\d+)$", text, flags=re.MULTILINE)
        if parent and int(parent[1]) == pid:
            child = int(status.parent.name)
            found |= {child} | children(child)
    return found
