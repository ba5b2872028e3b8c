"""The transport: what it offers, whom it talks to, and what it does not take."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed.ward import Ward

from hoopgate.errors import RemoteProtocolError
from hoopgate.ssh.packets import CTR, ETM, GCM, CTRSeal, GCMSeal, Plain, Seal, make_seal
from hoopgate.ssh.wire import string

SSH_AUDIT = Path(sys.executable).with_name("ssh-audit")


def pairs() -> list[tuple[Seal, Seal]]:
    """Seals for both ends of every cipher."""
    keys = {"iv": b"i" * 64, "key": b"k" * 64, "mac_key": b"m" * 64}
    made: list[tuple[Seal, Seal]] = [(Plain(), Plain())]
    for cipher, mac in product((*GCM, *CTR), ETM):
        ends = (make_seal(cipher, mac, sealing=sealing, **keys) for sealing in (True, False))
        made.append((next(ends), next(ends)))
    return made


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=5), st.integers(1, 50))
def test_what_is_sealed_is_opened_in_any_chunks(payloads: list[bytes], size: int) -> None:
    for sealing, opening in pairs():
        wire = b"".join(sealing.seal(number, one) for number, one in enumerate(payloads))
        buffer = bytearray()
        found: list[bytes] = []
        for at in range(0, len(wire), size):
            buffer += wire[at : at + size]
            while (payload := opening.open(len(found), buffer)) is not None:
                found.append(payload)
        assert found == payloads
        assert not buffer


@given(st.binary(min_size=1, max_size=100), st.data())
def test_a_changed_bit_is_noticed(payload: bytes, data: st.DataObject) -> None:
    for sealing, opening in pairs()[1:]:
        wire = bytearray(sealing.seal(3, payload))
        at = data.draw(st.integers(0, len(wire) * 8 - 1))
        wire[at // 8] ^= 1 << at % 8
        try:
            assert opening.open(3, wire) is None  # the length is another one
        except RemoteProtocolError:
            continue


def test_another_sequence_number_is_noticed() -> None:
    for cipher in CTR:
        keys = {"iv": b"i" * 64, "key": b"k" * 64, "mac_key": b"m" * 64}
        mac = next(iter(ETM))
        sealed = make_seal(cipher, mac, sealing=True, **keys).seal(3, b"x")
        opening = make_seal(cipher, mac, sealing=False, **keys)
        with pytest.raises(RemoteProtocolError):
            opening.open(4, bytearray(sealed))


@given(st.binary(max_size=300))
def test_any_bytes_raise_one_error_only(data: bytes) -> None:
    for opening in (
        Plain(),
        GCMSeal(b"k" * 32, b"i" * 12),
        CTRSeal(b"k" * 32, b"i" * 16, next(iter(ETM)), b"m" * 64, sealing=False),
    ):
        buffer = bytearray(data)
        try:
            while opening.open(0, buffer):
                pass
        except RemoteProtocolError:
            pass


# --- real clients --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        ("-c", "aes128-gcm@openssh.com"),
        ("-c", "aes256-ctr", "-m", "hmac-sha2-256-etm@openssh.com"),
        ("-c", "aes128-ctr", "-m", "hmac-sha2-512-etm@openssh.com"),
        ("-o", "KexAlgorithms=curve25519-sha256@libssh.org"),
        ("-o", "RekeyLimit=128K", "-C"),
    ],
    ids=lambda options: options[1],
)
def test_openssh_with_other_algorithms(ward: Ward, options: tuple[str, ...]) -> None:
    data = b"x" * 500_000
    path = f"{ward.server.root}/public/kept"
    done = ward.ssh("tee", path, options=options, input=data)
    assert (done.returncode, done.stdout) == (0, data), done.stderr


@pytest.mark.parametrize(
    "options",
    [
        ("-c", "aes128-cbc"),
        ("-c", "aes256-ctr", "-m", "hmac-sha1"),
        ("-c", "aes256-ctr", "-m", "hmac-sha2-256"),
        ("-o", "KexAlgorithms=diffie-hellman-group14-sha256"),
        ("-o", "HostKeyAlgorithms=ssh-rsa"),
    ],
    ids=lambda options: options[-1],
)
def test_weak_algorithms_are_not_there(ward: Ward, options: tuple[str, ...]) -> None:
    done = ward.ssh("id", options=options)
    assert done.returncode == 255
    assert b"no matching" in done.stderr


STRICT = "will use strict KEX ordering"


def test_the_client_sees_strict_key_exchange(ward: Ward) -> None:
    done = ward.ssh("true", options=("-vvv", "-c", "aes256-ctr"))
    assert done.returncode == 0
    text = done.stderr.decode()
    assert STRICT in text
    assert "resetting send seqnr" in text
    assert "resetting read seqnr" in text


def test_the_backend_sees_strict_key_exchange_too(ward: Ward) -> None:
    before = ward.server.log_text().count(STRICT)
    assert ward.ssh("true").returncode == 0
    assert ward.server.log_text().count(STRICT) > before


def test_ssh_audit_is_clean(ward: Ward) -> None:
    done = subprocess.run(
        [SSH_AUDIT, "--json", "--skip-rate-test", "-p", str(ward.port), "127.0.0.1"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    page = json.loads(done.stdout)
    found = {}
    for part in ("kex", "key", "enc", "mac"):
        for one in page[part]:
            for level in ("fail", "warn"):
                for note in one.get("notes", {}).get(level, []):
                    found[one["algorithm"]] = note
    # OpenSSH before 9.9 has no ML-KEM: for it there is curve25519, which is not post-quantum.
    allowed = {"curve25519-sha256", "curve25519-sha256@libssh.org"}
    assert {name for name, note in found.items() if "quantum" in note} <= allowed
    assert not {name: note for name, note in found.items() if "quantum" not in note}
    assert page["cves"] == []


# --- before a login ------------------------------------------------------------------------------


def packet(payload: bytes) -> bytes:
    """A packet before the first keys."""
    padding = 8 - (5 + len(payload)) % 8
    padding += 8 if padding < 4 else 0
    length = struct.pack(">IB", 1 + len(payload) + padding, padding)
    return length + payload + bytes(padding)


def kexinit(kex: bytes = b"curve25519-sha256", *, strict: bool = True) -> bytes:
    names = [
        kex + (b",kex-strict-c-v00@openssh.com" if strict else b""),
        b"ssh-ed25519",
        *[b"aes256-gcm@openssh.com"] * 2,
        *[b"hmac-sha2-256-etm@openssh.com"] * 2,
        *[b"none"] * 2,
        b"",
        b"",
    ]
    return b"\x14" + bytes(16) + b"".join(map(string, names)) + bytes(5)


def talk(ward: Ward, data: bytes, seconds: float = 100) -> bytes:
    """Send ``data``, and read until the gateway hangs up."""
    with socket.create_connection(("127.0.0.1", ward.port), timeout=seconds) as connection:
        connection.sendall(data)
        received = b""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                more = connection.recv(65536)
            except ConnectionResetError:
                return received
            if not more:
                return received
            received += more
    raise AssertionError("the gateway did not hang up")


HELLO = b"SSH-2.0-test\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"x" * 5000,
        b"SSH-1.5-old\r\n",
        b"SSH-2.0-" + b"x" * 300 + b"\r\n",
        HELLO + struct.pack(">I", 0xFFFFFFFF) + bytes(100),
        HELLO + struct.pack(">I", 300_000) + bytes(100),
        HELLO + packet(b"\x5a" + string(b"session") + bytes(12)),  # CHANNEL_OPEN
        HELLO + packet(b"\x50" + string(b"tcpip-forward") + b"\1"),  # GLOBAL_REQUEST
        HELLO + packet(b"\x32" + string(b"root") + string(b"ssh-connection") + string(b"none")),
        HELLO + packet(b"\x05" + string(b"ssh-userauth")),
        HELLO + packet(b"\x15"),  # NEWKEYS
        HELLO + packet(b"\x1e" + string(bytes(32))),  # the exchange before its beginning
        HELLO + packet(b"\x02" + string(b"x")) + packet(kexinit()),  # Terrapin: something before
        HELLO + packet(kexinit()) + packet(b"\x02" + string(b"x")),
        HELLO + packet(kexinit()) + packet(kexinit()),
        HELLO + packet(kexinit()) + packet(b"\x1e" + string(bytes(32))),  # an all-zero secret
        HELLO + packet(kexinit()) + packet(b"\x1e" + string(b"short")),
        HELLO + packet(kexinit(b"mlkem768x25519-sha256")) + packet(b"\x1e" + string(bytes(1216))),
        HELLO + packet(kexinit(b"diffie-hellman-group1-sha1")),
        HELLO + packet(b"\x14" + bytes(10)),
        HELLO + packet(b"\x14" + bytes(16) + struct.pack(">I", 0x7FFFFFFF)),
    ],
    ids=range(21),
)
def test_what_has_no_place_before_a_login_ends_the_connection(ward: Ward, data: bytes) -> None:
    before = ward.gateway.log_text().count("session.open")
    received = talk(ward, data)
    assert received.startswith(b"SSH-2.0-Hoopgate (SFTP as of OpenSSH)\r\n")
    assert ward.gateway.log_text().count("session.open") == before
    assert "login.bug" not in ward.gateway.log_text()
