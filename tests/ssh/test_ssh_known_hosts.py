"""Which host keys are accepted: lines written by ssh-keygen, and by hand."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed.sshd import keygen

from hoopgate.errors import RemoteProtocolError
from hoopgate.ssh.known_hosts import HostKeys, KnownHosts, fingerprint
from hoopgate.ssh.signatures import HostKeyRefused


class Keys:
    """Two hosts, an authority, and what ssh-keygen makes of them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in ("host", "other", "authority"):
            keygen(directory / name)

    def line(self, name: str) -> str:
        """Kind and key, as in a .pub file."""
        return " ".join((self.directory / f"{name}.pub").read_text().split()[:2])

    def blob(self, name: str) -> bytes:
        return base64.b64decode((self.directory / f"{name}.pub").read_text().split()[1])

    def certificate(self, *options: str, by: str = "authority") -> bytes:
        """A certificate for ``host``."""
        subprocess.run(
            [
                *("ssh-keygen", "-q", "-s", self.directory / by, "-I", "id", *options),
                self.directory / "host.pub",
            ],
            check=True,
            timeout=60,
        )
        return base64.b64decode((self.directory / "host-cert.pub").read_text().split()[1])


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


def known(text: str, host: str = "files.example", port: int = 22) -> HostKeys:
    import time

    return KnownHosts(text).for_host(host, port, time.time)


def test_the_key_that_is_known(keys: Keys) -> None:
    found = known(f"# a comment\n\nfiles.example,10.0.0.1 {keys.line('host')} comment\n")
    assert found.check(keys.blob("host")).blob() == keys.blob("host")
    assert found.algorithms() == [b"ssh-ed25519"]


def test_a_hashed_name(keys: Keys, tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(
        f"files.example {keys.line('host')}\n[files.example]:2222 {keys.line('other')}\n"
    )
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", file], check=True, timeout=60)
    text = file.read_text()
    assert "files.example" not in text
    assert known(text).check(keys.blob("host"))
    assert known(text, port=2222).check(keys.blob("other"))
    with pytest.raises(HostKeyRefused, match="changed"):
        known(text).check(keys.blob("other"))


@pytest.mark.parametrize(
    "hosts",
    ["other.example", "*.example,!files.example", "[files.example]:2222", "files.example.x"],
)
def test_a_host_that_is_not_named(keys: Keys, hosts: str) -> None:
    found = known(f"{hosts} {keys.line('host')}\n")
    assert found.algorithms() == []
    with pytest.raises(HostKeyRefused, match="not in known_hosts"):
        found.check(keys.blob("host"))


@pytest.mark.parametrize(
    "hosts", ["*.example", "FILES.example", "f?les.example", "a,files.example"]
)
def test_names_are_patterns(keys: Keys, hosts: str) -> None:
    assert known(f"{hosts} {keys.line('host')}\n").check(keys.blob("host"))


def test_a_revoked_key_is_worth_nothing(keys: Keys) -> None:
    text = f"files.example {keys.line('host')}\n@revoked * {keys.line('host')}\n"
    with pytest.raises(HostKeyRefused, match="revoked"):
        known(text).check(keys.blob("host"))


def test_a_certified_host(keys: Keys) -> None:
    text = f"@cert-authority *.example {keys.line('authority')}\n"
    found = known(text)
    assert found.algorithms()[0] == b"ssh-ed25519-cert-v01@openssh.com"
    blob = keys.certificate("-h", "-n", "files.example", "-V", "-1m:+10m")
    assert found.check(blob).blob() == keys.blob("host")
    with pytest.raises(HostKeyRefused):
        found.check(keys.blob("host"))  # without its certificate


@pytest.mark.parametrize(
    ("options", "by", "why"),
    [
        (("-n", "files.example", "-V", "-1m:+10m"), "authority", "not for this host"),
        (("-h", "-n", "other.example", "-V", "-1m:+10m"), "authority", "not for this host"),
        (("-h", "-V", "-1m:+10m"), "authority", "not for this host"),
        (("-h", "-n", "files.example", "-V", "-10m:-1m"), "authority", "not valid now"),
        (("-h", "-n", "files.example", "-V", "-1m:+10m"), "other", "no authority"),
    ],
)
def test_a_certificate_that_is_not_in_order(
    keys: Keys, options: tuple[str, ...], by: str, why: str
) -> None:
    text = f"@cert-authority *.example {keys.line('authority')}\n"
    with pytest.raises(HostKeyRefused, match=why):
        known(text).check(keys.certificate(*options, by=by))


def test_a_revoked_authority_or_host_key(keys: Keys) -> None:
    blob = keys.certificate("-h", "-n", "files.example", "-V", "-1m:+10m")
    for name in ("authority", "host"):
        text = f"@cert-authority * {keys.line('authority')}\n@revoked * {keys.line(name)}\n"
        with pytest.raises(HostKeyRefused):
            known(text).check(blob)


@pytest.mark.parametrize("text", ["x", "@what * ssh-ed25519 AAAA", "a ssh-ed25519 &&&"])
def test_a_malformed_line_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        KnownHosts(f"# fine\n{text}\n")


@given(st.binary(max_size=100))
def test_any_blob_is_refused(blob: bytes) -> None:
    keys = HostKeys("h", frozenset(), frozenset({b"x"}), frozenset(), lambda: 0.0)
    with pytest.raises((HostKeyRefused, RemoteProtocolError)):
        keys.check(blob)


def test_fingerprints_are_ssh_keygen_s(keys: Keys) -> None:
    done = subprocess.run(
        ["ssh-keygen", "-l", "-f", keys.directory / "host.pub"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert fingerprint(keys.blob("host")) in done.stdout
