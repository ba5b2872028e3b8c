"""OpenSSH 10 beside Debian 12's own, as client and as server; what is negotiated with each."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed.certificates import Certificates
from testbed.openssh import SYSTEM, TEN, OpenSSH
from testbed.sshd import keygen
from testbed.ward import HOOPGATE, Ward, running_ward

HYBRID = "mlkem768x25519-sha256"


@pytest.fixture(scope="module")
def new_ward(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Ward]:
    """A ward whose server is OpenSSH 10, with its own choice of ciphers."""
    ciphers = {"Ciphers": "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-ctr"}
    with running_ward(
        tmp_path_factory.mktemp("new"), certificates, server=ciphers, openssh=TEN
    ) as running:
        yield running


def test_these_are_the_versions_of_the_matrix() -> None:
    shown = [
        subprocess.run([one.program("ssh"), "-V"], capture_output=True, text=True).stderr
        for one in (SYSTEM, TEN)
    ]
    assert shown[0].startswith("OpenSSH_")
    assert shown[1].startswith("OpenSSH_10.")


def negotiated(log: str) -> list[str]:
    """The key exchanges that ``-vv`` or sshd's log tell of."""
    return re.findall(r"kex: algorithm: (\S+)", log)


def test_the_client_s_leg_is_post_quantum_and_strict(new_ward: Ward) -> None:
    done = new_ward.ssh("echo", "ten", options=("-vvv",), openssh=TEN)
    told = done.stderr.decode()
    assert (done.returncode, done.stdout) == (0, b"ten\n"), told
    assert set(negotiated(told)) == {HYBRID}
    assert "will use strict KEX ordering" in told
    assert told.count("resetting send seqnr") == told.count("resetting read seqnr") == 1
    # OpenSSH 10.1 warns of exchanges that are not.
    assert "not post-quantum" not in told


def test_the_backend_s_leg_is_post_quantum_and_strict(new_ward: Ward) -> None:
    assert new_ward.ssh("true").returncode == 0
    log = new_ward.server.log_text()
    assert set(negotiated(log)) == {HYBRID}
    assert "will use strict KEX ordering" in log
    assert "kex: client->server cipher: aes256-gcm@openssh.com" in log


@pytest.mark.parametrize("client", [SYSTEM, TEN], ids=lambda one: one.name)
@pytest.mark.parametrize("version", ["old server", "new server"])
def test_commands_and_files(
    ward: Ward, new_ward: Ward, tmp_path: Path, client: OpenSSH, version: str
) -> None:
    one = new_ward if version == "new server" else ward
    root = one.server.root / "public"
    assert one.ssh("cat", f"{root}/readme.txt", openssh=client).stdout == b"hello ward\n"
    done = one.ssh("rm", "-rf", str(root), openssh=client)
    assert done.returncode == 126
    assert b"command.unlisted" in done.stderr
    data = bytes(range(256)) * 4000
    (tmp_path / "up").write_bytes(data)
    programs = ["-S", str(client.program("ssh"))]

    def run(*command: str, input: bytes = b"") -> None:
        done = one.run_as(
            "executor",
            lambda user: [word.replace("USER", f"{user}%%ward") for word in command],
            input=input,
        )
        assert done.returncode == 0, done.stderr

    sftp, scp = str(client.program("sftp")), str(client.program("scp"))
    options = [*one.options(), "-o", "BatchMode=no", "-P", str(one.port), *programs]
    batch = f"put {tmp_path}/up {root}/up\nrename {root}/up {root}/up2\nget {root}/up2 {tmp_path}/d"
    run(sftp, *options, "-b", "-", "USER@127.0.0.1", input=batch.encode())
    assert (tmp_path / "d").read_bytes() == data
    run(scp, *options, f"USER@127.0.0.1:{root}/up2", f"{tmp_path}/modern")
    run(scp, "-O", *options, f"USER@127.0.0.1:{root}/up2", f"{tmp_path}/classic")
    assert (tmp_path / "modern").read_bytes() == (tmp_path / "classic").read_bytes() == data
    run(scp, "-O", *options, f"{tmp_path}/up", f"USER@127.0.0.1:{root}/up3")
    shell = " ".join([str(client.program("ssh")), *one.options(), "-p", str(one.port)])
    run("rsync", "-a", "-e", shell, f"USER@127.0.0.1:{root}/up3", f"{tmp_path}/synced")
    assert (tmp_path / "synced").read_bytes() == data


def test_a_certificate_in_openssh_10(new_ward: Ward, tmp_path: Path) -> None:
    key = keygen(tmp_path / "id")
    done = subprocess.run(
        [HOOPGATE, "ssh-cert", "ward", f"{key}.pub", "--config", new_ward.gateway.config],
        env=new_ward.environment("") | {"HOOPGATE_TOKEN": new_ward.token()},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    user = done.stdout.split()[-1].decode().partition("@")[0]
    for name in (user, "executor%%ward"):
        done = subprocess.run(
            [
                *(TEN.program("ssh"), "-F", "none", "-i", key, "-p", str(new_ward.port)),
                *("-o", f"UserKnownHostsFile={new_ward.known_hosts}", "-o", "BatchMode=yes"),
                *(f"{name}@127.0.0.1", "echo", "certified"),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.stdout == b"certified\n", done.stderr


def test_keys_change_with_openssh_10_on_both_sides(new_ward: Ward) -> None:
    done = new_ward.ssh("seq", "300000", options=("-vv", "-o", "RekeyLimit=300K"), openssh=TEN)
    assert done.returncode == 0
    assert done.stdout == b"".join(b"%d\n" % number for number in range(1, 300001))
    assert done.stderr.count(b"SSH2_MSG_NEWKEYS received") >= 2
