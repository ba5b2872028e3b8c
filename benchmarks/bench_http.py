"""HTTP through hoopgate beside a direct connection, haproxy and mitmproxy: small requests and
masked FHIR bundles, by wrk and h2load. ``make bench-http``; see docs/performance.md.

Clients speak TLS to all of them; the proxies terminate it as hoopgate does. One node process is the
server behind all.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from testbed.certificates import Certificates
from testbed.fhirserver import patients
from testbed.gateway import Gateway
from testbed.issuer import TestIssuer
from testbed.parts import CHECKOUT, debian
from testbed.ports import free_port
from testbed.process import Server
from testbed.webclinic import AGENTS, REVIEWERS, web_clients, web_resource, web_settings
from usage import Meter

HERE = Path(__file__).resolve().parent
RULES = [{"name": "agents", "verdict": "allow", "match": {"groups": ["agents"]}}]


@dataclass(frozen=True)
class Target:
    """What is asked: a URL below ``port``; the process that serves it, for its CPU time."""

    name: str
    port: int
    path: str
    pid: int
    header: str = ""


def bundle(directory: Path, count: int) -> Path:
    """A search's answer of ``count`` patients with what belongs to them."""
    path = directory / "bundle.json"
    entries = [{"resource": one} for one in patients(count, 1)]
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries}))
    return path


def wrk(target: Target, seconds: int, connections: int) -> float:
    """Requests per second."""
    command = [debian("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{seconds}s"]
    if target.header:
        command += ["-H", target.header]
    text = run([*command, f"https://127.0.0.1:{target.port}{target.path}"])
    assert "Non-2xx" not in text, text
    return float(re.search(r"Requests/sec:\s+([0-9.]+)", text)[1])  # type: ignore[index]


def h2load(target: Target, seconds: int, connections: int) -> float:
    """Requests per second, by another client (HTTP/1.1)."""
    command = [debian("h2load", "nghttp2-client"), "--h1", f"-c{connections}", f"-D{seconds}"]
    if target.header:
        command += ["-H", target.header]
    text = run([*command, f"https://127.0.0.1:{target.port}{target.path}"])
    assert "0 4xx, 0 5xx" in text, text
    return float(re.search(r", ([0-9.]+) req/s", text)[1])  # type: ignore[index]


def run(command: list[str | Path]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


Load = Callable[[Target, int, int], float]


def measure(load: Load, target: Target, seconds: int, connections: int) -> tuple[float, float]:
    """Requests per second, and µs of CPU of the target's process for each."""
    meter = Meter(target.pid)
    before = sum(meter.read().values())
    rate = load(target, seconds, connections)
    used = sum(meter.read().values()) - before
    return rate, used / 1000 / (rate * seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    options = parser.parse_args()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        targets, size = world(stack, directory)
        print(f"bundle: {size / 2**20:.2f} MiB")
        print(f"{'':34} {'client':8} {'req/s':>9} {'µs CPU':>9} {'MB/s':>7}")
        for name, path in (("small", "/small"), ("bundle", "/Observation")):
            for load in (wrk, h2load):
                for target in [one for one in targets if one.path.endswith(path)]:
                    rounds = [
                        measure(load, target, options.seconds, 8 if name == "small" else 4)
                        for _ in range(options.rounds)
                    ]
                    rate, cpu = (median(one[index] for one in rounds) for index in (0, 1))
                    volume = rate * size / 1e6 if name == "bundle" else 0
                    print(
                        f"{target.name:34} {load.__name__:8} {rate:9.0f} {cpu:9.0f} {volume:7.1f}"
                    )


def world(stack: ExitStack, directory: Path) -> tuple[list[Target], int]:
    """Server, haproxy and gateway; what is asked of them, and the size of the bundle."""
    certificates = Certificates(directory)
    own = certificates.server
    document = bundle(directory, 250)
    server = Server(
        [debian("node", "nodejs"), HERE / "http_upstream.cjs", document, own.key, own.certificate],
        log=directory / "upstream.log",
    )
    stack.callback(server.stop)
    server.wait_until(lambda: server.log_text().rstrip().endswith("."), 20)
    plain, secure = (int(one) for one in server.log_text().split()[1:3])
    port = free_port()
    pem = directory / "haproxy.pem"
    pem.write_text(own.certificate.read_text() + own.key.read_text())
    settings = directory / "haproxy.cfg"
    settings.write_text(f"""global
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
frontend in
    bind 127.0.0.1:{port} ssl crt {pem} alpn http/1.1
    default_backend out
backend out
    server up 127.0.0.1:{plain}
""")
    log = directory / "haproxy.log"
    proxy = Server([debian("haproxy", "haproxy"), "-db", "-f", settings], log=log)
    stack.callback(proxy.stop)
    other_port, other = mitmproxy(stack, directory, pem, plain)
    issuer = stack.enter_context(
        TestIssuer(
            web_clients("hoopgate:plain", "hoopgate:json", "hoopgate:ehr"),
            {**AGENTS, **REVIEWERS},
            certificates,
        )
    )
    resources = [
        web_resource("plain", plain, phi=False),
        web_resource("json", plain),
        web_resource("ehr", plain, http={"format": "fhir", "base": "/fhir"}),
    ]
    labels = [{"resource": "json", "place": "/id", "level": "public"}]
    table = web_settings(directory, certificates, issuer, resources, RULES, labels)
    gateway = stack.enter_context(Gateway(directory, table, certificates))
    token = f"Authorization: Bearer {issuer.token('executor', resources=['hoopgate'])}"
    through = {"port": gateway.port, "pid": gateway.pid, "header": token}
    return [
        Target("direct", secure, "/small", server.pid),
        Target("haproxy", port, "/small", proxy.pid),
        Target("mitmproxy", other_port, "/small", other.pid),
        Target("hoopgate, no PHI", path="/plain/small", **through),
        Target("hoopgate, JSON masked", path="/json/small", **through),
        Target("direct, bundle", secure, "/fhir/Observation", server.pid),
        Target("haproxy, bundle", port, "/fhir/Observation", proxy.pid),
        Target("mitmproxy, bundle", other_port, "/fhir/Observation", other.pid),
        Target("hoopgate, bundle, no PHI", path="/plain/fhir/Observation", **through),
        Target("hoopgate, bundle masked", path="/ehr/Observation", **through),
    ], document.stat().st_size


def mitmproxy(stack: ExitStack, directory: Path, pem: Path, upstream: int) -> tuple[int, Server]:
    """mitmdump as a reverse proxy that keeps nothing of what it has seen; its port."""
    port = free_port()
    log = directory / "mitmproxy.log"
    words = ["--mode", f"reverse:http://127.0.0.1:{upstream}", "--listen-host", "127.0.0.1"]
    words += ["--listen-port", str(port), "--certs", f"*={pem}", "--quiet"]
    words += ["--set", f"confdir={directory}", "--set", "http2=false"]
    program = CHECKOUT / "var" / "parts" / "mitmproxy" / "bin" / "mitmdump"
    server = Server([program, *words], log=log)
    stack.callback(server.stop)

    def ready() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    server.wait_until(ready, 60)
    return port, server


if __name__ == "__main__":
    main()
