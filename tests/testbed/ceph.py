"""Ceph's S3 gateway with one monitor, one object store daemon (in memory) and no redundancy: Debian
radosgw, ceph-mon, ceph-osd, ceph-mgr. It has Object Lock for real."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from testbed.parts import debian
from testbed.ports import free_port
from testbed.process import Server

ACCESS_KEY, SECRET_KEY = "testbed", "testbed-secret-key"

_CONFIG = """
[global]
fsid = {fsid}
mon host = [v1:127.0.0.1:{mon}]
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
public addr = 127.0.0.1
ms bind msgr2 = false
run dir = {base}/run
admin socket = {base}/run/$name.$pid.sock
log file = {base}/run/$name.log
pid file = {base}/run/$name.pid
keyring = {base}/keyring
mon data = {base}/mon
mon data avail crit = 0
mon data avail warn = 0
mon allow pool size one = true
osd data = {base}/osd
osd objectstore = memstore
memstore device bytes = 1073741824
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd crush chooseleaf type = 0
osd class load list = *
osd class default list = *
mgr data = {base}/mgr
rgw data = {base}/run
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{rgw}
rgw dynamic resharding = false
rgw thread pool size = 16
"""


class Ceph:
    """Runs in ``base``, whose path must be short: unix sockets lie in it.

    :ivar endpoint: of S3.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self._mon, self._rgw = free_port(), free_port()
        self.endpoint = f"http://127.0.0.1:{self._rgw}"
        self._programs = {
            name: debian(name, "radosgw ceph-mon ceph-osd ceph-mgr")
            for name in ("ceph-mon", "ceph-osd", "ceph-mgr", "radosgw", "ceph", "monmaptool")
        }
        debian("radosgw-admin", "radosgw")
        self._fsid = str(uuid.uuid4())
        for name in ("run", "mon", "osd", "mgr"):
            (base / name).mkdir()
        (base / "keyring").touch()
        (base / "ceph.conf").write_text(
            _CONFIG.format(base=base, fsid=self._fsid, mon=self._mon, rgw=self._rgw)
        )
        self._servers: dict[str, Server] = {}

    def _ask(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = self._programs.get(program) or debian(program, "radosgw")
        command = [path, "-c", self._base / "ceph.conf", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    def _done(self, program: str, *arguments: str) -> bool:
        return self._ask(program, *arguments).returncode == 0

    def _run(self, program: str, *arguments: str) -> str:
        # Now and then a client talks to the monitor before it knows the cluster: EPERM.
        for _ in range(5):
            done = self._ask(program, *arguments)
            if done.returncode == 0:
                return done.stdout
            time.sleep(0.5)
        raise AssertionError(done.stderr)

    def _start(self, program: str, *arguments: str) -> None:
        command = [self._programs[program], "-c", self._base / "ceph.conf", *arguments, "-f"]
        self._servers[program] = Server(command, log=self._base / f"{program}.out")

    def _restart_dead(self) -> None:
        """A daemon that asked the monitor too early has given up."""
        starts = {
            "ceph-osd": ("-i", "0"),
            "ceph-mgr": ("-i", "x"),
            "radosgw": ("-n", "client.rgw"),
        }
        for program, arguments in starts.items():
            server = self._servers.get(program)
            if server is not None and not server.running():
                self._start(program, *arguments)

    def __enter__(self) -> Ceph:
        try:
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _begin(self) -> None:
        map_ = str(self._base / "monmap")
        monmap = ["--create", "--fsid", self._fsid, "--addv", "a", f"[v1:127.0.0.1:{self._mon}]"]
        subprocess.run(
            [self._programs["monmaptool"], *monmap, map_], check=True, capture_output=True
        )
        self._run("ceph-mon", "-i", "a", "--mkfs", "--monmap", map_)
        self._start("ceph-mon", "-i", "a")
        id = str(uuid.uuid4())
        self._wait(lambda: self._done("ceph", "--connect-timeout", "20", "osd", "new", id, "0"))
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", id)
        self._start("ceph-osd", "-i", "0")
        self._start("ceph-mgr", "-i", "x")
        self._wait(
            lambda: json.loads(self._run("ceph", "osd", "stat", "-f", "json"))["num_up_osds"]
        )
        self._start("radosgw", "-n", "client.rgw")
        self._wait(self._answers)
        user = ["--uid=t", "--display-name=t", f"--access-key={ACCESS_KEY}"]
        made = self._run(
            "radosgw-admin",
            *("-n", "client.rgw", "user", "create", *user, f"--secret-key={SECRET_KEY}"),
        )
        assert json.loads(made)["user_id"] == "t"

    def _wait(self, ready: Callable[[], object]) -> None:
        end = time.monotonic() + 150
        while not ready():
            self._restart_dead()
            told = self._run("ceph", "-s") if time.monotonic() > end else ""
            assert not told, told
            time.sleep(0.2)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._rgw, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def __exit__(self, *_: object) -> None:
        for server in reversed(self._servers.values()):
            server.kill()

    def environment(self) -> dict[str, str]:
        """Credentials, as the SDK looks for them."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": "default",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def bucket(self, client: Any, name: str) -> str:
        """A new bucket with Object Lock."""
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
        return name
