"""User certificates: checked in full, issued by the gateway, used by OpenSSH's client."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificateBuilder,
    SSHCertificateType,
)
from testbed.sshd import keygen
from testbed.ward import Ward

from hoopgate.errors import IdentityRefused, Refused
from hoopgate.ssh.certificates import check_user_certificate, issue
from hoopgate.ssh.known_hosts import public_blob
from hoopgate.ssh.wire import string

AUTHORITY = ed25519.Ed25519PrivateKey.generate()
USER = ed25519.Ed25519PrivateKey.generate()
NOW = 1_800_000_000.0
HOOPGATE = Path(sys.executable).with_name("hoopgate")


def made(
    *,
    key: Any = USER,
    authority: Any = AUTHORITY,
    kind: SSHCertificateType = SSHCertificateType.USER,
    principals: tuple[bytes, ...] = (b"agent",),
    after: float = NOW - 60,
    before: float = NOW + 600,
    options: dict[bytes, bytes] | None = None,
) -> bytes:
    """A certificate's blob."""
    builder = (
        SSHCertificateBuilder()
        .public_key(key.public_key())
        .serial(7)
        .type(kind)
        .key_id(b"hg-credential")
        .valid_principals(list(principals))
        .valid_after(int(after))
        .valid_before(int(before))
    )
    for name, value in (options or {}).items():
        builder = builder.add_critical_option(name, value)
    line = builder.sign(authority).public_bytes()
    return base64.b64decode(line.split()[1])


def check(blob: bytes, *, name: str = "agent", peer: str = "10.1.2.3", now: float = NOW) -> Any:
    authority = public_blob(AUTHORITY.public_key())
    return check_user_certificate(blob, authority=authority, name=name, peer=peer, now=now)


def test_a_certificate_in_order() -> None:
    found = check(made())
    assert found.credential == "hg-credential"
    assert found.force_command is None
    assert found.key.blob() == public_blob(USER.public_key())


@pytest.mark.parametrize(
    ("blob", "why"),
    [
        (made(kind=SSHCertificateType.HOST), "not a user's"),
        (made(authority=ed25519.Ed25519PrivateKey.generate()), "another authority"),
        (made(authority=USER), "another authority"),
        (made(principals=(b"other",)), "another user name"),
        (made(after=NOW + 60), "not valid now"),
        (made(before=NOW), "not valid now"),
        (made(options={b"no-such-option": b""}), "option"),
        (made(options={b"verify-required": b""}), "option"),
        (made(options={b"source-address": string(b"10.1.2.4/32,192.168.0.0/16")}), "address"),
        (made(options={b"source-address": string(b"nonsense")}), "cannot be checked"),
        (made(key=rsa.generate_private_key(65537, 1024)), "size"),
        (made()[:-1], "malformed"),
        (made() + b"x", "malformed"),
        (public_blob(USER.public_key()), "malformed"),
        (b"", "malformed"),
    ],
    # The bytes are others in every process.
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_in_order(blob: bytes, why: str) -> None:
    with pytest.raises(IdentityRefused, match=why):
        check(blob)


def test_a_certificate_without_principals_is_for_nobody() -> None:
    line = (
        SSHCertificateBuilder()
        .public_key(USER.public_key())
        .type(SSHCertificateType.USER)
        .valid_for_all_principals()
        .valid_after(int(NOW) - 60)
        .valid_before(int(NOW) + 60)
        .sign(AUTHORITY)
        .public_bytes()
    )
    with pytest.raises(IdentityRefused, match="another user name"):
        check(base64.b64decode(line.split()[1]))


def test_any_changed_byte_is_noticed() -> None:
    blob = made()
    for at in range(0, len(blob), 3):
        changed = bytearray(blob)
        changed[at] ^= 1
        with pytest.raises(IdentityRefused):
            check(bytes(changed))


def test_options_that_are_known_are_carried_out() -> None:
    source = {b"source-address": string(b"10.1.0.0/16")}
    assert check(made(options=source)).force_command is None
    forced = {b"force-command": string(b"id -u")}
    assert check(made(options=forced)).force_command == "id -u"


@pytest.mark.parametrize("key", [USER, ec.generate_private_key(ec.SECP384R1())])
def test_an_issued_certificate_passes(key: Any) -> None:
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    line = issue(
        AUTHORITY,
        public + " a comment",
        credential="hg-credential",
        principals=["agent"],
        now=NOW,
        expires=NOW + 60,
    )
    assert check(base64.b64decode(line.split()[1])).credential == "hg-credential"


@pytest.mark.parametrize("text", ["", "ssh-ed25519 AAAA", "nonsense", "ssh-dss AAAA x", "\udcff"])
def test_what_is_no_key_is_not_certified(text: str) -> None:
    with pytest.raises(Refused, match="public key"):
        issue(AUTHORITY, text, credential="x", principals=["a"], now=NOW, expires=NOW + 60)


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_openssh_logs_in_with_one(ward: Ward, tmp_path: Path, kind: str) -> None:
    key = keygen(tmp_path / "id", kind)
    made = subprocess.run(
        [HOOPGATE, "ssh-cert", "ward", f"{key}.pub", "--config", ward.gateway.config],
        env={"HOOPGATE_TOKEN": ward.token(), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    user = made.stdout.splitlines()[-1].split()[-1].partition("@")[0]
    shown = subprocess.run(
        ["ssh-keygen", "-L", "-f", tmp_path / "id-cert.pub"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "user certificate" in shown.stdout
    assert "Critical Options: (none)" in shown.stdout

    def run(name: str, *options: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [
                *("ssh", "-F", "none", "-o", f"UserKnownHostsFile={ward.known_hosts}"),
                *("-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i", str(key), *options),
                *("-p", str(ward.port), f"{name}@127.0.0.1", "echo", "in"),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )

    for name in (user, "executor%ward"):
        done = run(name)
        assert (done.returncode, done.stdout) == (0, b"in\n"), done.stderr
    assert run("planner%ward").returncode == 255
    # The key alone is nobody's.
    (tmp_path / "id-cert.pub").unlink()
    assert run(user).returncode == 255


def test_a_certificate_ends_with_its_credential(ward: Ward, tmp_path: Path) -> None:
    key = keygen(tmp_path / "id")
    body = {
        "resource": "ward",
        "lifetime": "2",
        "public_key": key.with_suffix(".pub").read_text().strip(),
    }
    page = ward.admin("POST", "/v1/ssh-certificates", "planner", body)
    (tmp_path / "id-cert.pub").write_text(page["certificate"] + "\n")
    time.sleep(max(0.0, page["expires"] - time.time()) + 0.1)
    done = subprocess.run(
        [
            *("ssh", "-F", "none", "-o", f"UserKnownHostsFile={ward.known_hosts}"),
            *("-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i", str(key)),
            *("-p", str(ward.port), f"{page['user']}%ward@127.0.0.1", "id"),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 255
    assert b"hoopgate:" in done.stderr
