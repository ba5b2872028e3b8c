"""Timestamps of checkpoints: from a real authority, checked by openssl."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from recorder_world import ALLOWED, World
from testbed.tsa import Tsa

from hoopgate.recorder.known import check_known
from hoopgate.recorder.timestamping import (
    Authority,
    TimestampFailed,
    Timestamping,
    timestamps,
)


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tsa]:
    found = Tsa(tmp_path_factory.mktemp("authority") / "tsa")
    yield found
    found.close()


@pytest.fixture
def authority(tsa: Tsa) -> Authority:
    return Authority(tsa.url, tsa.roots.read_bytes())


def test_a_token_is_of_one_text_at_one_time(authority: Authority, tmp_path: Path) -> None:
    before = datetime.now(UTC)
    token, when = authority.stamp(b"checkpoint")
    assert abs((when - before).total_seconds()) < 120
    assert authority.verify(token, b"checkpoint") == when
    for data in (b"checkpoint.", b""):
        with pytest.raises(TimestampFailed):
            authority.verify(token, data)
    with pytest.raises(TimestampFailed):
        authority.verify(token, b"checkpoint", nonce=1)
    other, _ = authority.stamp(b"another")
    with pytest.raises(TimestampFailed):  # swapped
        authority.verify(other, b"checkpoint")
    stranger = Tsa(tmp_path / "stranger")
    try:
        with pytest.raises(TimestampFailed):
            Authority(stranger.url, stranger.roots.read_bytes()).verify(token, b"checkpoint")
    finally:
        stranger.close()


def test_a_changed_token_is_refused(authority: Authority) -> None:
    token, _ = authority.stamp(b"checkpoint")
    for at in range(0, len(token), 41):
        changed = token[:at] + bytes([token[at] ^ 1]) + token[at + 1 :]
        try:
            authority.verify(changed, b"checkpoint")
        except TimestampFailed:
            continue
        pytest.fail(f"byte {at} may be anything")


def test_what_is_no_authority(tsa: Tsa) -> None:
    with pytest.raises(TimestampFailed):
        Authority(tsa.url, b"no certificates")
    roots = tsa.roots.read_bytes()
    for url in ("http://127.0.0.1:1/tsr", "http://[/"):
        with pytest.raises((TimestampFailed, ValueError)):
            Authority(url, roots).stamp(b"x")
    tsa.broken = True
    try:
        with pytest.raises(TimestampFailed, match="503"):
            Authority(tsa.url, roots).stamp(b"x")
    finally:
        tsa.broken = False


def test_checkpoints_are_stamped_as_the_log_grows(
    tsa: Tsa, authority: Authority, tmp_path: Path
) -> None:
    world = World(tmp_path).open()
    heard: list[bool] = []
    world.log.outside.on_timestamps = heard.append
    world.log.outside.timestamp(authority, 0.05)
    session = world.session("s-1")
    for _ in range(3):
        world.wait(session.request(b"SELECT 1", None, ALLOWED))
        before = len(timestamps(world.directory))
        world.pump.until(lambda: len(timestamps(world.directory)) > before, 60)  # noqa: B023
    world.stop()
    found = timestamps(world.directory)
    assert [size for size, _, _ in found] == sorted({size for size, _, _ in found})
    reader = world.reader()
    check_known(reader, [(str(size), note) for size, note, _ in found])
    for size, note, token in found:
        assert authority.verify(token, note)
        base = world.directory / "timestamps"
        done = subprocess.run(
            [
                *("openssl", "ts", "-verify", "-in", base / f"{size}.tsr"),
                *("-data", base / f"{size}.checkpoint", "-CAfile", tsa.roots),
            ],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert "Verification: OK" in done.stdout + done.stderr
    assert not heard


def test_an_authority_that_is_away_is_asked_again(
    tsa: Tsa, authority: Authority, tmp_path: Path
) -> None:
    heard: list[str] = []
    stamping = Timestamping(tmp_path, authority, 0.05, heard.append)
    tsa.broken = True
    world = World(tmp_path / "node").open()
    world.stop()
    stamping.offer((world.directory / "checkpoint").read_bytes())
    stamping.start()
    try:
        end = time.monotonic() + 60
        while not heard:
            assert time.monotonic() < end
            time.sleep(0.01)
        tsa.broken = False
        while not timestamps(tmp_path):
            assert time.monotonic() < end
            time.sleep(0.01)
    finally:
        tsa.broken = False
        stamping.stop()
        stamping.join(60)
    assert heard == ["HTTP status 503", ""]


def test_a_disk_that_was_full_ends_no_timestamping(authority: Authority, tmp_path: Path) -> None:
    world = World(tmp_path / "node").open()
    world.stop()
    heard: list[str] = []
    stamping = Timestamping(tmp_path, authority, 0.05, heard.append)
    place = tmp_path / "timestamps"
    place.write_bytes(b"")  # where the directory should be
    stamping.offer((world.directory / "checkpoint").read_bytes())
    stamping.start()
    try:
        world.pump.until(lambda: bool(heard))
        place.unlink()
        world.pump.until(lambda: bool(timestamps(tmp_path)) and len(heard) == 2)
    finally:
        stamping.stop()
        stamping.join(60)
    assert heard[1] == ""
