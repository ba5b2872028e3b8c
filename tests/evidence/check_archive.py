"""The archive, on Ceph's object gateway: locked for real, resumed, read back, verified.

``make archive`` runs it: a cluster takes long to start, and its packages are large.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from recorder.recorder_world import ALLOWED, World
from testbed.ceph import Ceph

from hoopgate.cli.main import main
from hoopgate.evidence import archive
from hoopgate.evidence.archive import ArchiveFailed, Bucket, Progress, connect, fetch, upload
from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.note import open_checkpoint
from hoopgate.recorder.verify import verify_log

HOOPGATE = Path(sys.executable).with_name("hoopgate")


@pytest.fixture(scope="module")
def ceph() -> Iterator[Ceph]:
    with (
        tempfile.TemporaryDirectory(prefix="hg-ceph-") as base,
        Ceph(Path(base)) as running,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in running.environment().items():
            patch.setenv(name, value)
        yield running


@pytest.fixture
def client(ceph: Ceph) -> Any:
    made = connect(ceph.endpoint)
    yield made
    made.close()


@pytest.fixture
def bucket(ceph: Ceph, client: Any, request: pytest.FixtureRequest) -> str:
    safe = "".join(c if c.isalnum() else "-" for c in request.node.name.lower())
    return ceph.bucket(client, f"b-{safe}"[:60].strip("-"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "node", segment_bytes=12_000, checkpoint_ms=5)
    grow(made, "s-1")
    return made


def grow(world: World, name: str) -> None:
    world.open()
    session = world.session(name)
    for number in range(25):
        session.response(b"row %d" % number * 30)
        done = session.request(b"SELECT %d" % number, None, ALLOWED)
    world.wait(done)
    world.stop()


def place(client: Any, bucket: str) -> Bucket:
    return Bucket(client, bucket, "gw-1", 3600.0)


def test_upload_fetch_verify(
    ceph: Ceph, bucket: str, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = [f"s3://{bucket}/gw-1", "--endpoint", ceph.endpoint]
    command = ["archive", "upload", "-d", str(world.directory), "--vkey", str(world.vkey())]
    command += ["--to", *to, "--retention", "1h", "--progress", str(tmp_path / "p"), "--once"]
    assert main(command) == 0
    assert main(command) == 0
    assert "0 objects written" in capsys.readouterr().out
    with max(world.directory.glob("seg/*.hgs")).open("ab") as file:
        file.write(b"torn by a crash")
    grow(world, "s-2")
    assert main(command) == 0
    (tmp_path / "p").unlink()  # progress may be lost
    assert main(command) == 0
    assert "0 objects written" in capsys.readouterr().out.splitlines()[-1]
    out = tmp_path / "fetched"
    assert main(["archive", "fetch", "--from", *to, "--out", str(out)]) == 0
    report = verify_log(out, [world.vkey()])
    assert report.checkpoint == world.reader().checkpoint
    assert (report.sessions, report.gaps, report.torn) == (2, 1, 0)


def test_what_is_locked_cannot_be_removed(client: Any, bucket: str, world: World) -> None:
    """Neither deleted, nor its lock shortened, with the very credentials that wrote it."""
    upload(world.reader(), place(client, bucket), Progress(world.state / "p"))
    listed = client.list_object_versions(Bucket=bucket)["Versions"]
    assert len(listed) > 5
    for one in listed[:3]:
        where = {"Bucket": bucket, "Key": one["Key"], "VersionId": one["VersionId"]}
        with pytest.raises(ClientError, match="AccessDenied"):
            client.delete_object(**where)
        with pytest.raises(ClientError, match="AccessDenied"):
            client.delete_object(**where, BypassGovernanceRetention=True)
        until = datetime.now(UTC) + timedelta(seconds=5)
        with pytest.raises(ClientError, match=r"AccessDenied|InvalidArgument"):
            client.put_object_retention(
                **where, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until}
            )
        assert client.get_object_retention(**where)["Retention"]["Mode"] == "COMPLIANCE"


def test_overwritten_hidden_and_deleted_objects(
    client: Any, bucket: str, world: World, tmp_path: Path
) -> None:
    """Newer versions and delete markers change nothing: the first version counts."""
    upload(world.reader(), place(client, bucket), Progress(world.state / "p"))
    keys = {one["Key"] for one in client.list_object_versions(Bucket=bucket)["Versions"]}
    for number, key in enumerate(sorted(keys)):
        if number % 2:
            client.delete_object(Bucket=bucket, Key=key)
        else:
            client.put_object(Bucket=bucket, Key=key, Body=b"nothing happened")
    fetch(place(client, bucket), tmp_path / "fetched")
    verify_log(tmp_path / "fetched", [world.vkey()])


def test_an_old_checkpoint_under_the_newest_name(
    client: Any, bucket: str, world: World, tmp_path: Path
) -> None:
    """Who has the credentials can add names, and what was recorded since would seem unsigned."""
    there = place(client, bucket)
    upload(world.reader(), there, Progress(tmp_path / "p"))
    old = world.reader().note
    grow(world, "s-2")
    upload(world.reader(), there, Progress(tmp_path / "p"))
    for name, note in (("099999999999", b"nobody signed this"), ("999999999999", old)):
        there.put(f"checkpoints/{name}", note)
        with pytest.raises(ArchiveFailed, match="no checkpoint of that many leaves"):
            fetch(there, tmp_path / "fetched")
        with pytest.raises(ArchiveFailed, match="no checkpoint of that many leaves"):
            upload(world.reader(), there, Progress(tmp_path / "p"))


def test_a_log_that_does_not_continue_the_archive(
    client: Any, bucket: str, world: World, tmp_path: Path
) -> None:
    """The archive is an anchor: of a log that was rolled back, or grew again, nothing is taken."""
    older = shutil.copytree(world.directory.parent, tmp_path / "older")
    grow(world, "s-2")
    upload(world.reader(), place(client, bucket), Progress(tmp_path / "p"))
    again = World(Path(older), checkpoint_ms=5)
    with pytest.raises(BadLog, match="rolled back"):
        upload(again.reader(), place(client, bucket), Progress(tmp_path / "q"))
    for number in range(3):
        grow(again, f"s-other-{number}")
    with pytest.raises(BadLog, match="rewritten or forked"):
        upload(again.reader(), place(client, bucket), Progress(tmp_path / "q"))


def test_killed_and_resumed(
    ceph: Ceph, client: Any, bucket: str, world: World, tmp_path: Path
) -> None:
    to = [f"s3://{bucket}/gw-1", "--endpoint", ceph.endpoint]
    command = [str(HOOPGATE), "archive", "upload", "-d", str(world.directory)]
    command += ["--vkey", str(world.vkey()), "--to", *to, "--retention", "1h"]
    command += ["--progress", str(tmp_path / "p")]
    seen = 0
    for number in range(2):
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as child:
            end = time.monotonic() + 60
            while time.monotonic() < end:
                found = len(client.list_object_versions(Bucket=bucket).get("Versions", []))
                if found > seen:
                    seen = found
                    break
                time.sleep(0.01)
            child.send_signal(signal.SIGKILL)
        grow(world, f"s-more-{number}")
    assert main([*command[1:], "--once"]) == 0
    fetch(place(client, bucket), tmp_path / "fetched")
    assert verify_log(tmp_path / "fetched", [world.vkey()]).sessions == 3
    names = [one["Key"] for one in client.list_object_versions(Bucket=bucket)["Versions"]]
    assert len(names) == len(set(names))  # nothing was written twice


def test_small_parts(
    client: Any, bucket: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "PART_BYTES", 5000)
    upload(world.reader(), place(client, bucket), Progress(tmp_path / "p"))
    fetch(place(client, bucket), tmp_path / "fetched")
    verify_log(tmp_path / "fetched", [world.vkey()])
    note = archive.newest_checkpoint(place(client, bucket))
    assert note is not None
    assert open_checkpoint(note, [world.vkey()]).size == world.reader().size


def test_places_that_do_not_do(
    ceph: Ceph, client: Any, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client.create_bucket(Bucket="without-lock")
    command = ["archive", "upload", "-d", str(world.directory), "--once"]
    command += ["--progress", str(tmp_path / "p"), "--endpoint", ceph.endpoint, "--to"]
    for to in ("s3://without-lock/x", "s3://no-such-bucket/x", "file:/x", "s3:///x"):
        assert main([*command, to]) == 2
    told = capsys.readouterr().err
    assert "get_object_lock_configuration without-lock" in told
    assert "is not s3://BUCKET/PREFIX" in told
    with pytest.raises(ArchiveFailed, match="no archive"):
        fetch(Bucket(client, "without-lock", ""), tmp_path / "none")
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in told
