"""Commands through the gateway, by OpenSSH's own client on OpenSSH's own server."""

from __future__ import annotations

import json
import subprocess

import pytest
from testbed.ward import Ward

from hoopgate.shell.words import quote


def test_a_listed_command_runs(ward: Ward) -> None:
    done = ward.ssh("cat", f"{ward.server.root}/public/readme.txt")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello ward\n", b"")


def test_the_exit_status_is_the_program_s(ward: Ward) -> None:
    assert ward.ssh("false").returncode == 1


def test_standard_error_comes_apart(ward: Ward) -> None:
    done = ward.ssh("cat", f"{ward.server.root}/public/missing")
    assert done.returncode == 1
    assert done.stdout == b""
    assert b"No such file" in done.stderr


def test_input_reaches_the_program_and_ends(ward: Ward) -> None:
    data = b"".join(b"row %d\n" % number for number in range(60_000))
    done = ward.ssh("tee", f"{ward.server.root}/public/copied", input=data)
    assert done.returncode == 0, done.stderr
    assert done.stdout == data
    assert (ward.server.root / "public/copied").read_bytes() == data


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("cat {root}/secret/patients.csv", "command.arguments"),
        ("cat {root}/public/../secret/patients.csv", "command.arguments"),
        ("rm -rf {root}", "command.unlisted"),
        ("cat {root}/public/readme.txt; id", "command.not_literal"),
        ("cat {root}/public/*", "command.not_literal"),
        ("head --files-from=x {root}/public/readme.txt", "command.arguments"),
    ],
)
def test_what_is_not_allowed_is_told_and_does_not_run(
    ward: Ward, command: str, reason: str
) -> None:
    done = ward.ssh(command.format(root=ward.server.root))
    assert done.returncode == 126
    assert done.stdout == b""
    assert f'"reason": "{reason}", "request": "req-'.encode() in done.stderr
    assert (ward.server.root / "secret/patients.csv").exists()


def test_a_link_does_not_lead_out(ward: Ward) -> None:
    link = ward.server.root / "public" / "way-out"
    link.symlink_to(ward.server.root / "secret" / "patients.csv")
    assert ward.ssh("cat", str(link)).returncode == 126


def test_words_arrive_as_they_were_judged(ward: Ward) -> None:
    words = ("echo", "a  b'c\"$(id)`id`\\ *")
    done = ward.ssh(quote(words))
    assert done.stdout == words[1].encode() + b"\n"


def test_a_command_that_is_held_ends_when_its_client_leaves(ward: Ward) -> None:
    user, password = ward.credential("executor")
    command = ["ssh", *ward.options(), "-p", str(ward.port), f"{user}%ward@127.0.0.1", "hostname"]
    client = subprocess.Popen(
        command, env=ward.environment(password), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert client.stderr is not None
    told = client.stderr.readline()
    assert b"waiting for approval" in told
    assert b'"rule": "operator/held"' in told
    client.kill()
    client.communicate(timeout=60)
    approval = json.loads(told[told.index(b"{") :])["approval"]
    ward.wait_until(lambda: ward.approval(approval) != "pending")


def test_an_approved_command_runs(ward: Ward) -> None:
    user, password = ward.credential("executor")
    command = ["ssh", *ward.options(), "-p", str(ward.port), f"{user}%ward@127.0.0.1", "hostname"]
    client = subprocess.Popen(
        command,
        env=ward.environment(password),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert client.stderr is not None
    told = client.stderr.readline()
    approval = json.loads(told[told.index(b"{") :])["approval"]
    ward.decide(approval, "approve", "rita")
    out, _ = client.communicate(timeout=60)
    assert client.returncode == 0
    assert out.strip()
