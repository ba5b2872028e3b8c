"""One run of pgbench through one target: transactions per second, latency, the proxy's CPU."""

from __future__ import annotations

import math
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from testbed.parts import debian
from usage import Meter, Usage, difference

#: Seconds between two readings of the CPU time, and at each end of a run that are not counted:
#: pgbench connects first, and disconnects at the end.
_TICK = 0.05
_EDGE = 0.1


#: Seconds that connecting took, where it took so much of a run that the run was made longer.
_logins: dict[tuple[str, int], float] = {}


class BenchmarkFailed(Exception):
    """A run did not do what it was to measure; the text says what happened."""


@dataclass(frozen=True)
class Target:
    """Somewhere to connect to.

    :ivar environment: libpq's variables: where, who, TLS.
    :ivar meter: counts the proxy's CPU; None where there is none.
    """

    name: str
    environment: Mapping[str, str] = field(repr=False)
    meter: Meter | None = None

    def conninfo(self) -> dict[str, str]:
        """The same as libpq's keywords."""
        names = {"PGDATABASE": "dbname"}
        return {
            names.get(variable, variable.removeprefix("PG").lower()): value
            for variable, value in self.environment.items()
        }


@dataclass(frozen=True)
class Run:
    """What one run gave.

    :ivar tps: transactions per second, connecting left out.
    :ivar cpu: microseconds of the proxy per transaction, by part; empty for a direct run.
    :ivar p50: median latency in µs, where transactions were logged; ``p99`` likewise.
    """

    tps: float
    cpu: dict[str, float]
    p50: float | None = None
    p99: float | None = None


def run(
    target: Target, sql: str, mode: str, clients: int, seconds: int, *, latency: bool = False
) -> Run:
    """Run ``sql`` over and over for at least half of ``seconds``, after all clients have connected.

    :param mode: ``simple``, ``extended`` or ``prepared``.
    :param latency: log each transaction.
    :raises BenchmarkFailed: pgbench failed, or a transaction did.
    """
    for _ in range(4):
        # pgbench's clock starts before it connects, one client after the other.
        whole = math.ceil(seconds + 1.5 * _logins.get((target.name, clients), 0.0))
        found, connecting = _run(target, sql, mode, clients, whole, latency)
        if found is not None:
            return found
        _logins[target.name, clients] = connecting
    raise BenchmarkFailed(
        f"pgbench through {target.name}: {clients} clients take too long to log in"
    )


def _run(
    target: Target, sql: str, mode: str, clients: int, seconds: int, latency: bool
) -> tuple[Run | None, float]:
    """The run, unless connecting took most of it; the seconds that connecting took."""
    program = debian("pgbench", "postgresql-15", "/usr/lib/postgresql/15/bin")
    with tempfile.TemporaryDirectory(prefix="hoopgate-pgbench-") as scratch:
        script = Path(scratch) / "script.sql"
        script.write_text(sql)
        command = [
            *(str(program), "-n", "-f", str(script), "-M", mode),
            *("-c", str(clients), "-j", "1", "-T", str(seconds)),
        ]
        if latency:
            command += ["-l", f"--log-prefix={scratch}/log"]
        printed, readings, ended = _watched(command, target, seconds + 60)
        connected = re.search(r"^initial connection time = ([0-9.]+) ms", printed, re.MULTILINE)
        tps = re.search(r"^tps = ([0-9.]+) ", printed, re.MULTILINE)
        failed = re.search(r"number of failed transactions: ([0-9]+)", printed)
        if connected is None and "actually processed: 0\n" in printed:
            return None, float(seconds)
        if connected is None or tps is None or failed is None or int(failed[1]):
            raise BenchmarkFailed(f"pgbench through {target.name}: {printed[-2000:]}")
        connecting = float(connected[1]) / 1000
        running = seconds - connecting
        if running < max(0.5, seconds / 2):
            return None, connecting
        rate = float(tps[1])
        p50, p99 = _latencies(Path(scratch)) if latency else (None, None)
        return Run(rate, _cpu(readings, ended, running, rate), p50, p99), connecting


def _watched(
    command: list[str], target: Target, timeout: float
) -> tuple[str, list[tuple[float, Usage]], float]:
    """What pgbench printed, the CPU time as it ran, and when it ended."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PG")
    } | target.environment
    readings: list[tuple[float, Usage]] = []
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    deadline = time.monotonic() + timeout
    try:
        while True:
            if target.meter is not None:
                readings.append((time.monotonic(), target.meter.read()))
            try:
                printed, _ = child.communicate(timeout=_TICK)
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    raise BenchmarkFailed(f"pgbench through {target.name} hangs") from None
        ended = time.monotonic()
    finally:
        child.kill()
        child.wait()
    if child.returncode != 0:
        raise BenchmarkFailed(f"pgbench through {target.name}: {printed[-2000:]}")
    return printed, readings, ended


def _cpu(
    readings: list[tuple[float, Usage]], ended: float, running: float, tps: float
) -> dict[str, float]:
    """µs per transaction, over the inner part of the run: logins cost far more than statements."""
    inner = [one for one in readings if ended - running + _EDGE <= one[0] <= ended - _EDGE]
    if len(inner) < 2:
        return {}
    (began, before), (stopped, after) = inner[0], inner[-1]
    transactions = tps * (stopped - began)
    return {part: used / 1000 / transactions for part, used in difference(before, after).items()}


def _latencies(directory: Path) -> tuple[float, float]:
    """Median and 99th percentile in µs of the logged transactions (third column)."""
    times = sorted(
        int(line.split(" ", 3)[2])
        for log in directory.glob("log.*")
        for line in log.read_text().splitlines()
    )
    if not times:
        raise BenchmarkFailed("pgbench logged no transaction")
    return float(times[len(times) // 2]), float(times[len(times) * 99 // 100])
