"""What a recording of SSH holds, and how it is shown."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from testbed.ward import Ward

from hoopgate.recorder.cast import TERMINALS
from hoopgate.recorder.render import RENDERERS
from hoopgate.ssh import render as _render  # noqa: F401 - registers itself


def test_a_command_with_its_input_output_and_status(ward: Ward) -> None:
    path = f"{ward.server.root}/public/recorded"
    ward.ssh("tee", path, input=b"what was typed\n")
    shown = ward.replay(ward.sessions()[-1]).stdout.decode()
    assert f"→ exec tee {path}" in shown
    assert "allow operator/programs" in shown
    assert "→ input: what was typed" in shown
    assert "← what was typed" in shown
    assert "← exit status 0" in shown


def test_a_refusal_is_in_it(ward: Ward) -> None:
    ward.ssh("rm", "-rf", "/")
    shown = ward.replay(ward.sessions()[-1]).stdout.decode()
    assert "→ exec rm -rf /" in shown
    assert "block commands/unlisted command.unlisted req-" in shown
    assert "nothing was forwarded" in shown
    assert "← exit status 126" in shown


def test_files_with_sizes_and_hashes(ward: Ward, tmp_path: Path) -> None:
    root = ward.server.root / "public"
    data = bytes(range(256)) * 1000
    (tmp_path / "up").write_bytes(data)
    done = ward.run_as(
        "executor",
        lambda user: [
            *("sftp", *ward.options(), "-o", "BatchMode=no", "-b", "-", "-P", str(ward.port)),
            f"{user}%ward@127.0.0.1",
        ],
        input=f"put {tmp_path}/up {root}/hashed\nget {root}/lines.txt {tmp_path}/down\n".encode(),
    )
    assert done.returncode == 0, done.stderr
    shown = ward.replay(ward.sessions()[-1]).stdout.decode()
    up = hashlib.sha256(data).hexdigest()
    down = hashlib.sha256((root / "lines.txt").read_bytes()).hexdigest()
    assert f"close {root}/hashed: wrote {len(data)} bytes, sha256:{up}" in shown
    assert f"sha256:{down}" in shown
    assert f"open {root}/lines.txt to read" in shown


def test_asciinema_plays_a_session(ward: Ward, tmp_path: Path) -> None:
    ward.ssh("echo 'héllo'")
    cast = tmp_path / "session.cast"
    cast.write_bytes(ward.replay(ward.sessions()[-1], "--cast").stdout)
    head = json.loads(cast.read_text().splitlines()[0])
    assert head["version"] == 2
    done = subprocess.run(
        [sys.executable, "-m", "asciinema", "cat", str(cast)],
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert "héllo\n" in done.stdout.decode()
    assert "$ echo" in done.stdout.decode()


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=60)), max_size=8))
def test_any_bytes_can_be_shown(pieces: list[tuple[bool, bytes]]) -> None:
    renderer, terminal = RENDERERS["ssh"](), TERMINALS["ssh"]()
    for sent, data in pieces:
        lines = renderer.request(data) if sent else renderer.response(data)
        assert all(line.isprintable() for line in lines)
        terminal.request(data) if sent else terminal.response(data)
