"""MariaDB through hoopgate beside a direct connection and haproxy: point selects in text and
prepared, and bulk reads masked and unmasked. ``make bench-mysql``; see docs/performance.md.

Clients speak TLS to all three (haproxy passes it on). They are processes of their own with a loop
as short as PyMySQL allows: what is compared is what is between them and the server.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import pymysql
from facts import facts
from rounds import in_turn, middle, middles
from testbed.certificates import Certificates
from testbed.clinic_mysql import AGENT_PASSWORD, MysqlClinic, running_mysql_clinic
from testbed.mariadb import MariaDB
from usage import Meter
from yardsticks import HAProxy

from hoopgate.mysql.kernels import run_end
from hoopgate.mysql.wire import HEADER, packets

RESULTS = Path(__file__).with_name("results")
POINT = "SELECT id, department FROM encounters WHERE id = %s"
MASKED = "SELECT id, note FROM encounters WHERE id = %s"
BULK = {
    "unmasked": "SELECT id, ward, value, note FROM readings",
    "masked": "SELECT id, ward, value, secret FROM readings",
}
COM_QUERY, COM_PREPARE, COM_EXECUTE = 0x03, 0x16, 0x17


@dataclass(frozen=True)
class Target:
    """Where clients connect: what to give :func:`pymysql.connect`."""

    name: str
    options: dict[str, Any]
    pid: int = 0


def connected(target: Target) -> Any:
    return pymysql.connect(**target.options, autocommit=True)


# --- point selects -----------------------------------------------------------------------------


def text_loop(connection: Any, query: str) -> Callable[[int], None]:
    """One statement, parsed anew each time."""
    texts = [query.replace("%s", str(number)) for number in range(1, 201)]

    def ask(number: int) -> None:
        connection.query(texts[number % 200])

    return ask


def prepared_loop(connection: Any, query: str) -> Callable[[int], None]:
    """One prepared statement, executed each time."""
    connection._execute_command(COM_PREPARE, query.replace("%s", "?"))
    statement = int.from_bytes(connection._read_packet()._data[1:5], "little")
    for _ in range(2):  # parameters and columns, each with an EOF
        while not connection._read_packet().is_eof_packet():
            pass
    head = struct.pack("<IBI", statement, 0, 1) + b"\0\x01\x03\x00"

    def ask(number: int) -> None:
        connection._execute_command(COM_EXECUTE, head + struct.pack("<i", number % 200 + 1))
        for _ in range(2):
            while not connection._read_packet().is_eof_packet():
                pass

    return ask


LOOPS = {"text": text_loop, "prepared": prepared_loop}


def client(target: Target, mode: str, query: str, seconds: float, results: Any) -> None:
    """A process: statements, and the latencies of each in µs."""
    connection = connected(target)
    ask = LOOPS[mode](connection, query)
    for number in range(20):
        ask(number)
    taken = []
    began = now = time.perf_counter()
    while now - began < seconds:
        ask(len(taken))
        before, now = now, time.perf_counter()
        taken.append((now - before) * 1e6)
    results.put(taken)


def measure(
    target: Target, mode: str, query: str, clients: int, seconds: float
) -> dict[str, float]:
    """Transactions per second, latencies, and what the proxy used of the CPU per transaction."""
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [
        context.Process(target=client, args=(target, mode, query, seconds, results))
        for _ in range(clients)
    ]
    meter = Meter(target.pid) if target.pid else None
    for process in processes:
        process.start()
    time.sleep(0.3)
    before = meter.read() if meter else {}
    each = [results.get(timeout=seconds + 60) for _ in processes]
    after = meter.read() if meter else {}
    for process in processes:
        process.join(30)
    taken = sorted(one for found in each for one in found)
    count = len(taken)
    found = {
        "tps": sum(len(one) / (sum(one) / 1e6) for one in each),
        "p50": taken[count // 2],
        "p99": taken[count * 99 // 100],
    }
    for part in after:
        found[f"cpu_{part}"] = (after[part] - before[part]) / 1e3 / count
    return found


# --- bulk reads --------------------------------------------------------------------------------


def bulk(target: Target, query: str) -> dict[str, float]:
    """Seconds to the first row and to the last, and bytes."""
    connection = connected(target)
    sock = connection._sock
    connection._write_bytes(packets(bytes((COM_QUERY,)) + query.encode(), 0))
    began = time.perf_counter()
    rest, sequence, size = b"", 1, 0
    eofs, first = 0, 0.0
    while eofs < 2:
        data = sock.recv(2**18)
        size += len(data)
        rest += data
        at = 0
        while len(rest) - at >= HEADER + 1:
            if eofs == 1:
                end, sequence = run_end(rest, at, sequence, False)
                if end > at:
                    first = first or time.perf_counter() - began
                    at = end
                    continue
            length = int.from_bytes(rest[at : at + 3], "little")
            if len(rest) - at < HEADER + length:
                break
            if rest[at + HEADER] == 0xFF:
                raise RuntimeError(rest[at + HEADER : at + HEADER + length])
            eofs += rest[at + HEADER] == 0xFE and length < 9
            sequence = (rest[at + 3] + 1) & 0xFF
            at += HEADER + length
        rest = rest[at:]
    seconds = time.perf_counter() - began
    connection.close()
    return {"first_ms": first * 1e3, "seconds": seconds, "mb": size / 1e6}


# --- all of it ---------------------------------------------------------------------------------


def targets(clinic: MysqlClinic, proxy: HAProxy) -> list[Target]:
    ca = {"ca": str(clinic.gateway.certificates.ca)}
    account = {
        "host": "127.0.0.1",
        "user": "agent",
        "password": AGENT_PASSWORD,
        "database": "clinic",
        "ssl": ca,
    }
    through = {**account, "user": "executor", "password": clinic.token(), "ssl": ca}
    return [
        Target("direct", {**account, "port": clinic.server.port}),
        Target("haproxy", {**account, "port": proxy.port}, proxy.pid),
        Target("hoopgate", {**through, "port": clinic.gateway.port}, clinic.gateway.pid),
    ]


def fill(server: MariaDB, rows: int) -> None:
    server.sql(
        "CREATE TABLE readings (id int PRIMARY KEY, ward varchar(10) NOT NULL,"
        " value decimal(8,2) NOT NULL, note varchar(80) NOT NULL, secret varchar(80) NOT NULL)",
        "INSERT INTO readings SELECT seq, elt(seq % 4 + 1, 'ICU', 'ER', 'OB', 'GP'), seq % 1000,"
        " concat('Note of patient ', lpad(seq, 8, '0'), ': nothing to report, follow up in weeks'),"
        " concat('Note of patient ', lpad(seq, 8, '0'), ': nothing to report, follow up in weeks')"
        f" FROM seq_1_to_{rows}",
        database="clinic",
    )


def adjust(settings: dict[str, Any]) -> None:
    names = [f"clinic.readings.{name}" for name in ("id", "ward", "value", "note")]
    settings["labels"] += [
        {"resource": "clinic", "column": "clinic.readings.secret", "kind": "NOTE"},
        {"resource": "clinic", "column": names, "level": "public"},
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hgbm-")))
        directory.chmod(0o755)
        certificates = Certificates(directory / "certificates")
        big = {"innodb-buffer-pool-size": "512M"}
        server = stack.enter_context(MariaDB(certificates, settings=big))
        clinic = stack.enter_context(
            running_mysql_clinic(directory, certificates, server, adjust=adjust)
        )
        fill(server, options.rows)
        standin: Any = server  # only its address is looked at
        proxy = HAProxy(directory / "haproxy", standin)
        stack.callback(proxy.stop)
        found = {
            "facts": facts(directory),
            "transactions": transactions(targets(clinic, proxy), options),
            "bulk": reads(targets(clinic, proxy), options),
        }
    options.results.mkdir(exist_ok=True)
    name = f"mysql-{datetime.now(UTC):%Y%m%dT%H%M%S}.json"
    (options.results / name).write_text(json.dumps(found, indent=1))
    return 0


def transactions(targets: list[Target], options: argparse.Namespace) -> list[dict[str, Any]]:
    print("\n## transactions\n\n| mode, clients, through | ÷ direct | CPU µs | p50 µs | p99 µs |")
    print("|---|--:|--:|--:|--:|")
    out = []
    for mode in LOOPS:
        for query, what in ((POINT, ""), (MASKED, ", masked")):
            for clients in options.clients:
                rounds: dict[str, list[dict[str, float]]] = {one.name: [] for one in targets}
                for number in range(options.rounds):
                    for target in in_turn(number, targets):
                        if what and target.name != "hoopgate":
                            rounds[target.name].append(dict.fromkeys(("tps", "p50", "p99"), 0.0))
                            continue
                        one = measure(target, mode, query, clients, options.seconds)
                        rounds[target.name].append(one)
                for target in targets:
                    if what and target.name != "hoopgate":
                        continue
                    mid = middles(rounds[target.name])
                    direct = rounds["direct"] if not what else []
                    ratios = [
                        one["tps"] / base["tps"]
                        for one, base in zip(rounds[target.name], direct, strict=False)
                    ]
                    cpu = sum(value for key, value in mid.items() if key.startswith("cpu_"))
                    ratio = f"{middle(ratios):.2f}" if ratios else "–"
                    print(
                        f"| {mode}, {clients}, {target.name}{what} | {ratio} |"
                        f" {f'{cpu:.0f}' if cpu else '–'} | {mid['p50']:.0f} | {mid['p99']:.0f} |",
                        flush=True,
                    )
                    row = {"mode": mode + what, "clients": clients, "through": target.name}
                    out.append({**row, **mid, "rounds": rounds[target.name]})
    return out


def reads(targets: list[Target], options: argparse.Namespace) -> list[dict[str, Any]]:
    print(f"\n## bulk, {options.rows} rows\n\n| form, through | MB/s | ÷ direct | first row, ms |")
    print("|---|--:|--:|--:|")
    out = []
    for form, query in BULK.items():
        rounds: dict[str, list[dict[str, float]]] = {one.name: [] for one in targets}
        for number in range(options.rounds):
            for target in in_turn(number, targets):
                rounds[target.name].append(bulk(target, query))
        size = median(one["mb"] for one in rounds["direct"])
        for target in targets:
            pairs = zip(rounds[target.name], rounds["direct"], strict=True)
            ratio = median(base["seconds"] / one["seconds"] for one, base in pairs)
            seconds = median(one["seconds"] for one in rounds[target.name])
            first = median(one["first_ms"] for one in rounds[target.name])
            print(
                f"| {form}, {target.name} | {size / seconds:.0f} | {ratio:.2f} | {first:.1f} |",
                flush=True,
            )
            row = {"form": form, "through": target.name, "seconds": seconds, "first_ms": first}
            out.append({**row, "rounds": rounds[target.name]})
    return out


if __name__ == "__main__":
    raise SystemExit(main())
