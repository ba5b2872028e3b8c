"""SSH through the gateway beside SSH without it: files, output, logins, first byte.

``make bench-ssh`` starts a private server, issuer and gateway, and runs each measure a few times in
turn; the median is shown. OpenSSH's own clients do the work.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from testbed.certificates import Certificates
from testbed.sshd import keygen
from testbed.ward import RULES, Ward, running_ward

MEGABYTES = 32


class Way:
    """One way to the server.

    :param options: of OpenSSH's clients.
    """

    def __init__(self, name: str, options: list[str], port: int, user: str) -> None:
        self.name = name
        self._options = options
        self._port = port
        self._user = user

    def ssh(self, *command: str) -> list[str]:
        """The command of ssh."""
        return ["ssh", *self._options, "-p", str(self._port), f"{self._user}@127.0.0.1", *command]

    def sftp(self, line: str) -> float:
        """Seconds of one line of sftp, with its login."""
        command = ["sftp", *self._options, "-b", "-", "-P", str(self._port)]
        return timed([*command, f"{self._user}@127.0.0.1"], line.encode() + b"\n")


def timed(command: list[str], data: bytes = b"") -> float:
    """Seconds of a command."""
    begun = time.perf_counter()
    subprocess.run(command, input=data, stdout=subprocess.DEVNULL, check=True, timeout=300)
    return time.perf_counter() - begun


def first_byte(command: list[str]) -> float:
    """Seconds from the start of a command to the first byte of its output."""
    begun = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.read(1)
        seconds = time.perf_counter() - begun
        child.kill()
    return seconds


def ways(ward: Ward, directory: Path) -> list[Way]:
    """Directly with the account's key; through the gateway with a certificate of its own."""
    common = ["-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"]
    # The same on both ways: OpenSSH 9 prefers sntrup761 to its own server, which takes longer.
    common += ["-o", "LogLevel=ERROR", "-o", "KexAlgorithms=curve25519-sha256"]
    # Left to itself OpenSSH prefers a cipher that the gateway does not have.
    common += ["-o", "Ciphers=aes256-gcm@openssh.com"]
    key = keygen(directory / "agent")
    body = {"resource": "ward", "lifetime": "900"}
    body["public_key"] = key.with_suffix(".pub").read_text().strip()
    page = ward.admin("POST", "/v1/ssh-certificates", "executor", body)
    (directory / "agent-cert.pub").write_text(page["certificate"] + "\n")
    server = ward.server
    own = directory / "account"
    own.write_bytes(server.key.read_bytes())
    own.chmod(0o600)
    direct = [*common, "-i", str(own), "-o", f"UserKnownHostsFile={server.known_hosts}"]
    through = [*common, "-i", str(key), "-o", f"UserKnownHostsFile={ward.known_hosts}"]
    return [
        Way("direct", direct, server.port, server.user),
        Way("gateway", through, ward.port, f"{page['user']}%ward"),
    ]


def cpu(pid: int) -> float:
    """Seconds of processor time that a process has used (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


#: Name, unit, the median of each way, and what one unit of work costs the gateway.
Row = tuple[str, str, dict[str, float], str]


def measure(ward: Ward, directory: Path, rounds: int) -> list[Row]:
    """Each measure, a few times in turn."""
    root = ward.server.root / "public"
    size = MEGABYTES * 2**20
    ward.server.write("public/large", os.urandom(size))
    local = directory / "local"
    local.write_bytes(os.urandom(size))
    count = 20

    def logins(way: Way) -> float:
        begun = time.perf_counter()
        for _ in range(count):
            timed(way.ssh("true"))
        return count / (time.perf_counter() - begun)

    def get(way: Way) -> float:
        return size / 1e6 / way.sftp(f"get {root}/large {directory}/got")

    def put(way: Way) -> float:
        return size / 1e6 / way.sftp(f"put {local} {root}/put")

    def output(way: Way) -> float:
        return size / 1e6 / timed(way.ssh("cat", f"{root}/large"))

    def begin(way: Way) -> float:
        return 1000 * first_byte(way.ssh("echo", "x"))

    # How much work a run is, in what its cost is said of.
    measures: list[tuple[str, str, Callable[[Way], float], float, str]] = [
        ("sftp get", "MB/s", get, size / 1e9, "s/GB"),
        ("sftp put", "MB/s", put, size / 1e9, "s/GB"),
        ("exec output", "MB/s", output, size / 1e9, "s/GB"),
        ("logins with a command", "1/s", logins, count / 1e3, "ms"),
        ("first byte", "ms", begin, 1 / 1e3, "ms"),
    ]
    shown = []
    for name, unit, run, work, cost in measures:
        found: dict[str, list[float]] = {}
        costs = []
        for _ in range(rounds):
            for way in ways(ward, Path(tempfile.mkdtemp(dir=directory))):
                before = cpu(ward.gateway.pid)
                found.setdefault(way.name, []).append(run(way))
                if way.name == "gateway":
                    costs.append((cpu(ward.gateway.pid) - before) / work)
        medians = {way: statistics.median(each) for way, each in found.items()}
        shown.append((name, unit, medians, f"{statistics.median(costs):.1f} {cost}"))
    return shown


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hoopgate-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        gateway = directory / "gateway"
        gateway.mkdir()
        server = {"LogLevel": "VERBOSE", "Ciphers": "aes256-gcm@openssh.com"}
        with running_ward(
            gateway,
            Certificates(directory / "certificates"),
            rules=RULES[1:],
            server=server,
        ) as ward:
            print(f"{'':28}{'direct':>10}{'gateway':>10}{'ratio':>8}{'its CPU':>12}")
            for title, unit, found, cost in measure(ward, directory, options.rounds):
                direct, through = found["direct"], found["gateway"]
                figures = f"{direct:10.1f}{through:10.1f}{through / direct:8.2f}{cost:>12}"
                print(f"{title + ', ' + unit:28}{figures}")


if __name__ == "__main__":
    main()
