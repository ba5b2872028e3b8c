"""Memory of a connection over TLS that does nothing: what the process grows by, per connection."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

import psycopg
from pgbench import Target

#: Connections made before the first look, so that what is allocated once is not counted.
_WARM_UP = 20


def idle_connection(target: Target, count: int) -> float:
    """Bytes per connection."""
    assert target.meter is not None
    with ExitStack() as stack:
        _open(stack, target, _WARM_UP)
        before = _settled(target)
        _open(stack, target, count)
        return (_settled(target) - before) / count


def measure(targets: list[Target], count: int) -> list[dict[str, Any]]:
    """A row for each target."""
    return [
        {
            "through": target.name,
            "connections": count,
            "kib": idle_connection(target, count) / 1024,
        }
        for target in targets
    ]


def _open(stack: ExitStack, target: Target, count: int) -> None:
    for _ in range(count):
        stack.enter_context(psycopg.connect(**target.conninfo()))


def _settled(target: Target) -> int:
    """Resident bytes, a moment after the last connection was made."""
    assert target.meter is not None
    time.sleep(0.3)
    return target.meter.resident()
