"""Bulk reads: a million rows in text, in binary and by COPY; MB/s and the time to the first row."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from pgbench import BenchmarkFailed, Target
from psycopg import pq
from rounds import in_turn, middle, middles
from usage import difference
from world import READINGS, World, proxies

from hoopgate.postgres import wire

#: What is sent, by form.
FORMS = {
    "text": wire.query(READINGS.encode()),
    "binary": (
        wire.parse(b"", READINGS.encode())
        + wire.bind(b"", b"", (), (), (1,))
        + wire.describe(b"P", b"")
        + wire.execute(b"")
        + wire.sync()
    ),
    "copy": wire.query(b"COPY readings (id, ward, value, note) TO STDOUT"),
}
#: Type byte of the message that a row comes in.
_ROW = {"text": b"D", "binary": b"D", "copy": b"d"}
_READY = wire.ready_for_query(b"I")
#: In every note, and in no other place of a result.
_SECRET = b"Note of patient "
_TIMEOUT = 120.0


@dataclass(frozen=True)
class Case:
    """A target; ``masked``: the text column must come masked."""

    target: Target
    masked: bool = False


@dataclass(frozen=True)
class Read:
    """One read.

    :ivar seconds: from the request to the end of the answer; ``first`` to its first row.
    :ivar size: bytes received.
    :ivar cpu: nanoseconds of the proxy per row, by part.
    """

    seconds: float
    first: float
    size: int
    cpu: dict[str, float]


def cases(world: World, through: Sequence[str]) -> list[Case]:
    """Direct first, then every proxy; hoopgate on unlabelled data, with a masked column, and that
    with its log in memory."""
    found = [Case(target) for target in proxies(world, through)]
    if "hoopgate" in through:
        masked = "hoopgate, masked"
        found += [
            Case(world.hoopgate(resource="unlabelled")),
            Case(world.hoopgate(masked), masked=True),
            Case(world.hoopgate(f"{masked}, log in memory", disk=False), masked=True),
        ]
    return found


def measure(
    make: Callable[[], list[Case]], rows: int, rounds: Iterable[int], say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """A row for each case and form.

    MB/s are of the bytes that the direct read has: a redaction is shorter than what it replaces,
    and fewer bytes shall not look like fewer rows.
    """
    reads: dict[tuple[str, str], list[tuple[Read, Read]]] = {}
    for round_ in rounds:
        for form in FORMS:
            found = {case.target.name: _read(case, form, rows) for case in in_turn(round_, make())}
            direct = found["direct"]
            for name, one in found.items():
                reads.setdefault((form, name), []).append((one, direct))
                say(f"bulk {form}, {name}: {direct.seconds / one.seconds:.2f} of direct")
    return [
        {
            "form": form,
            "through": name,
            "mb_per_s": middle(direct.size / one.seconds / 1e6 for one, direct in pairs),
            "ratio": middle(direct.seconds / one.seconds for one, direct in pairs),
            "ratios": [round(direct.seconds / one.seconds, 4) for one, direct in pairs],
            "first_row_ms": middle(one.first * 1000 for one, _ in pairs),
            "cpu_ns_per_row": middles([one.cpu for one, _ in pairs]),
        }
        for (form, name), pairs in reads.items()
    ]


def _read(case: Case, form: str, rows: int) -> Read:
    """Send the request, take in the answer as fast as it comes, look at as little of it as proves
    that it is the right one."""
    target = case.target
    with psycopg.connect(**target.conninfo(), autocommit=True) as connection:
        assert connection.pgconn.transaction_status == pq.TransactionStatus.IDLE
        # libpq has logged in; from here on its socket is ours.
        with socket.socket(fileno=os.dup(connection.pgconn.socket)) as sock:
            sock.settimeout(_TIMEOUT)
            before = target.meter.read() if target.meter else {}
            began = time.perf_counter()
            sock.sendall(FORMS[form])
            head, tail, size, first = _receive(sock, _ROW[form], target.name)
            seconds = time.perf_counter() - began
            after = target.meter.read() if target.meter else {}
    count = re.search(rb"C\0\0\0.(?:SELECT|COPY) ([0-9]+)\0", tail, re.DOTALL)
    if count is None or int(count[1]) != rows:
        raise BenchmarkFailed(f"bulk {form} through {target.name} did not give all rows")
    if (_SECRET in head) == case.masked:
        raise BenchmarkFailed(f"bulk {form} through {target.name}: masked when it should not be")
    cpu = {part: used / rows for part, used in difference(before, after).items()}
    return Read(seconds, first - began, size, cpu)


def _receive(sock: socket.socket, row: bytes, name: str) -> tuple[bytes, bytes, int, float]:
    """The answer's first and last bytes, its size, and when its first row had come."""
    buffer = memoryview(bytearray(2**20))
    head = tail = b""
    size, first = 0, 0.0
    while not tail.endswith(_READY):
        got = sock.recv_into(buffer)
        if got == 0:
            raise BenchmarkFailed(f"bulk through {name}: the connection was closed")
        if not first:
            head += bytes(buffer[:got])
            if _has_row(head, row, name):
                first = time.perf_counter()
        size += got
        tail = bytes(buffer[:got])[-256:] if got >= 256 else (tail + bytes(buffer[:got]))[-256:]
    return head, tail, size, first


def _has_row(head: bytes, row: bytes, name: str) -> bool:
    at = 0
    while at + 5 <= len(head):
        kind = head[at : at + 1]
        if kind == b"E":
            message = wire.error_fields(head[at:]).get(b"M", b"").decode()
            raise BenchmarkFailed(f"bulk through {name}: {message}")
        end = at + 1 + int.from_bytes(head[at + 1 : at + 5], "big")
        if kind == row and end <= len(head):
            return True
        at = end
    return False
