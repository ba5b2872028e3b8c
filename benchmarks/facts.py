"""The machine and the versions that a figure belongs to."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

from hoopgate import __version__
from hoopgate.postgres import kernels

_COMMANDS = {
    "PostgreSQL": ["/usr/lib/postgresql/15/bin/postgres", "--version"],
    "pgbouncer": ["/usr/sbin/pgbouncer", "--version"],
    "haproxy": ["/usr/sbin/haproxy", "-v"],
}


def facts(directory: Path) -> dict[str, str]:
    """What a reader must know to compare.

    :param directory: where the log is recorded: how long its disk takes to keep 4 KiB.
    """
    found = {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "kernel": platform.release(),
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "hoopgate": f"{__version__} ({_revision()})",
        "codec": "interpreted" if kernels.__file__.endswith(".py") else "compiled",
        "Python": platform.python_version(),
        "Twisted": version("twisted"),
        **{name: _first_line(command) for name, command in _COMMANDS.items()},
        "log's disk": f"{_filesystem(directory)}, fdatasync {_fdatasync(directory):.2f} ms",
    }
    return {name: value for name, value in found.items() if value}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _revision() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "no git"


def _first_line(command: list[str]) -> str:
    """Of what a program prints; nothing when it is not installed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.partition("\n")[0].strip()


def _filesystem(directory: Path) -> str:
    done = subprocess.run(
        ["stat", "-f", "-c", "%T", directory], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _fdatasync(directory: Path) -> float:
    """Median milliseconds to append 4 KiB and have them on the disk."""
    path = directory / "fdatasync"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    times = []
    try:
        for _ in range(101):
            began = time.perf_counter()
            os.write(fd, bytes(4096))
            os.fdatasync(fd)
            times.append(time.perf_counter() - began)
    finally:
        os.close(fd)
        path.unlink()
    return sorted(times)[50] * 1000
