"""Security keys in certificates: every part of a signature counts; OpenSSH's client uses one."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given, settings
from hypothesis import strategies as st
from softkey import Agent, SoftKey
from testbed.certificates import Certificates
from testbed.openssh import SYSTEM, TEN, OpenSSH
from testbed.sshd import keygen
from testbed.ward import Ward, running_ward

from hoopgate.errors import IdentityRefused, Refused
from hoopgate.ssh.certificates import UserCertificate, check_user_certificate, issue
from hoopgate.ssh.known_hosts import public_blob
from hoopgate.ssh.security_keys import (
    ECDSA,
    ED25519,
    KINDS,
    PRESENT,
    VERIFIED,
    SecurityKey,
    certificate_kind,
)
from hoopgate.ssh.wire import Reader, string, uint32, uint64

AUTHORITY = ed25519.Ed25519PrivateKey.generate()
NOW = 1_800_000_000.0
DATA = b"what the client signs"
BOTH = pytest.mark.parametrize("kind", sorted(KINDS), ids=["ecdsa", "ed25519"])


def line(key: SoftKey) -> str:
    return f"{key.kind.decode()} {base64.b64encode(key.blob).decode()} token"


def issued(key: SoftKey) -> bytes:
    text = issue(
        AUTHORITY,
        line(key),
        credential="hg-x",
        principals=["agent", "other"],
        now=NOW,
        expires=NOW + 600,
    )
    kind, blob = text.split()
    assert kind.encode() == certificate_kind(key.kind)
    return base64.b64decode(blob)


def check(blob: bytes, name: str = "agent", now: float = NOW) -> UserCertificate:
    authority = public_blob(AUTHORITY.public_key())
    return check_user_certificate(blob, authority=authority, name=name, peer="10.0.0.1", now=now)


def with_options(key: SoftKey, options: bytes) -> bytes:
    """A certificate of the authority's with critical options."""
    body = string(certificate_kind(key.kind)) + string(b"n" * 32) + key.fields + uint64(1)
    body += uint32(1) + string(b"hg-x") + string(string(b"agent"))
    body += uint64(int(NOW) - 9) + uint64(int(NOW) + 9) + string(options) + string(b"") * 2
    body += string(public_blob(AUTHORITY.public_key()))
    return body + string(string(b"ssh-ed25519") + string(AUTHORITY.sign(body)))


@BOTH
def test_the_right_signature_is_one(kind: bytes) -> None:
    key = SoftKey(kind)
    found = check(issued(key))
    assert isinstance(found.key, SecurityKey)
    assert (found.key.kind, found.key.application) == (kind, b"ssh:")
    for _ in range(20):  # numbers of all lengths
        assert found.proves(certificate_kind(kind), key.sign(DATA), DATA)
    assert not found.proves(certificate_kind(kind), key.sign(DATA), DATA + b"x")


@BOTH
def test_any_changed_byte_is_noticed(kind: bytes) -> None:
    key = SoftKey(kind)
    found = check(issued(key))
    signature = key.sign(DATA)
    for at in range(len(signature)):
        changed = bytearray(signature)
        changed[at] ^= 0x01
        assert not found.proves(certificate_kind(kind), bytes(changed), DATA), at
    for wrong in (signature + b"\0", signature[:-1], b""):
        assert not found.proves(certificate_kind(kind), wrong, DATA)


@BOTH
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_bytes_are_no_signature(kind: bytes, data: st.DataObject) -> None:
    key = SoftKey(kind)
    found = check(issued(key))
    signature = string(kind) + string(data.draw(st.binary(max_size=80)))
    assert not found.proves(b"", signature + data.draw(st.binary(max_size=9)), DATA)


@BOTH
def test_without_a_touch_it_is_none(kind: bytes) -> None:
    key = SoftKey(kind, touched=0)
    assert not check(issued(key)).proves(b"", key.sign(DATA), DATA)
    key.touched = VERIFIED
    assert not check(issued(key)).proves(b"", key.sign(DATA), DATA)


@BOTH
def test_for_another_application_it_is_none(kind: bytes) -> None:
    key = SoftKey(kind)
    found = check(issued(key))
    assert not found.proves(b"", key.sign(DATA, application=b"ssh:other"), DATA)
    assert not found.proves(b"", key.sign(DATA, application=b"https://example.org"), DATA)


@BOTH
def test_a_plain_signature_of_the_same_key_is_none(kind: bytes) -> None:
    """Nobody was there to touch anything."""
    key = SoftKey(kind)
    found = check(issued(key))
    if kind == ED25519:
        plain = string(b"ssh-ed25519") + string(key.private.sign(DATA))
        assert not found.proves(b"", plain, DATA)
        disguised = string(kind) + string(key.private.sign(DATA)) + b"\1" + uint32(1)
        assert not found.proves(b"", disguised, DATA)


@BOTH
def test_where_a_person_has_to_be_recognised(kind: bytes) -> None:
    key = SoftKey(kind)
    found = check(with_options(key, string(b"verify-required") + string(b"")))
    assert found.verified
    assert not found.proves(b"", key.sign(DATA), DATA)
    key.touched = PRESENT | VERIFIED
    assert found.proves(b"", key.sign(DATA), DATA)


@BOTH
def test_its_certificates_are_checked_as_others_are(kind: bytes) -> None:
    blob = issued(SoftKey(kind))
    check(blob, "other")
    for name, now in (("nobody", NOW), ("agent", NOW + 601), ("agent", NOW - 100)):
        with pytest.raises(IdentityRefused):
            check(blob, name, now)
    for at in range(len(blob)):
        changed = bytearray(blob)
        changed[at] ^= 0x01
        with pytest.raises(IdentityRefused):
            check(bytes(changed))


@BOTH
def test_a_key_for_something_else_is_not_certified(kind: bytes) -> None:
    with pytest.raises(Refused, match="no public key"):
        issued(SoftKey(kind, application=b"https://example.org"))
    key = SoftKey(kind)
    with pytest.raises(IdentityRefused):
        check(with_options(SoftKey(kind, application=b"web"), b""))
    text = f"ssh-ed25519 {base64.b64encode(key.blob).decode()}"
    with pytest.raises(Refused, match="no public key"):
        issue(AUTHORITY, text, credential="x", principals=["a"], now=NOW, expires=NOW + 9)


def test_openssh_reads_the_certificate(tmp_path: Path) -> None:
    for kind in KINDS:
        key = SoftKey(kind)
        path = tmp_path / "id-cert.pub"
        path.write_text(
            f"{certificate_kind(kind).decode()} {base64.b64encode(issued(key)).decode()}\n"
        )
        done = subprocess.run(
            ["ssh-keygen", "-L", "-f", path], capture_output=True, text=True, timeout=60, check=True
        )
        assert "user certificate" in done.stdout
        assert "Principals: \n                agent\n                other\n" in done.stdout
        assert "Critical Options: (none)" in done.stdout


# --- OpenSSH's client, whose agent has one --------------------------------------------------------


@pytest.fixture(scope="module", params=["refuse", "require"])
def strict(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
) -> Iterator[tuple[str, Ward]]:
    """A ward whose listener refuses security keys, and one that wants nothing else."""

    def adjust(settings: dict[str, Any]) -> None:
        settings["listeners"][0]["ssh"] = {"security_keys": request.param}

    with running_ward(tmp_path_factory.mktemp("sk"), certificates, adjust=adjust) as running:
        yield request.param, running


def certificate(ward: Ward, public_key: str) -> bytes:
    body = {"resource": "ward", "lifetime": "300", "public_key": public_key}
    page = ward.admin("POST", "/v1/ssh-certificates", "executor", body)
    return base64.b64decode(page["certificate"].split()[1])


def log_in(
    ward: Ward, agent: Path, client: OpenSSH, *options: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [
            *(client.program("ssh"), "-F", "none", "-o", f"UserKnownHostsFile={ward.known_hosts}"),
            *("-o", "BatchMode=yes", "-o", f"IdentityAgent={agent}", *options),
            *("-p", str(ward.port), "executor%%ward@127.0.0.1", "echo", "touched"),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )


@BOTH
@pytest.mark.parametrize("client", [SYSTEM, TEN], ids=lambda one: one.name)
def test_openssh_logs_in(ward: Ward, tmp_path: Path, client: OpenSSH, kind: bytes) -> None:
    key = SoftKey(kind)
    held = certificate(ward, line(key))
    assert Reader(held).string() == certificate_kind(kind)
    with Agent(tmp_path / "agent", key, held) as agent:
        done = log_in(ward, agent.path, client)
        assert (done.returncode, done.stdout) == (0, b"touched\n"), done.stderr
        key.touched = 0
        done = log_in(ward, agent.path, client)
        assert done.returncode == 255
        assert b"Permission denied" in done.stderr


def test_policy_decides_on_them(strict: tuple[str, Ward], tmp_path: Path) -> None:
    policy, ward = strict
    key = SoftKey(ECDSA)
    with Agent(tmp_path / "agent", key, certificate(ward, line(key))) as agent:
        by_token = log_in(ward, agent.path, SYSTEM)
    plain = keygen(tmp_path / "id")
    public = plain.with_suffix(".pub").read_text().strip()
    held = base64.b64encode(certificate(ward, public)).decode()
    (tmp_path / "id-cert.pub").write_text(f"ssh-ed25519-cert-v01@openssh.com {held}\n")
    by_file = log_in(ward, Path("none"), SYSTEM, "-o", "IdentitiesOnly=yes", "-i", str(plain))
    wanted, unwanted = (by_file, by_token) if policy == "refuse" else (by_token, by_file)
    assert (wanted.returncode, wanted.stdout) == (0, b"touched\n"), wanted.stderr
    assert unwanted.returncode == 255
    assert b"identity.security_key" in unwanted.stderr
