"""``[[recording.witnesses]]``, who cosigns this log, and ``[witness]``, whose logs we cosign."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hoopgate.settings import endpoints, material, urls
from hoopgate.settings.model import (
    Node,
    Recording,
    SharedHead,
    TimestampAuthority,
    Witness,
    WitnessPeer,
)
from hoopgate.settings.reader import Table

#: c2sp.org/signed-note: name, hash and key; :mod:`hoopgate.recorder` checks the rest.
_VKEY = re.compile(r"[^+\s]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44,1752}={0,2}")
_EXAMPLE = '"witness.example.net+0f7c8a11+BA…"'
GATES = ("durable", "witnessed")


def recording(table: Table, node: Node, check: bool) -> Recording:
    """The table ``[recording]``."""
    witnesses = tuple(_peers(table, check))
    found = Recording(
        directory=table.path("directory", node.state_dir / "log"),
        origin=table.text("origin", f"{node.name}/hoopgate"),
        witnesses=witnesses,
        gate=table.choice("gate", GATES, "durable"),
        signer=table.optional_path("signer"),
        auditors=tuple(_auditors(table, check)),
        timestamps=_authority(table, check) if "timestamps" in table else None,
        head=_head(table, check) if "head" in table else None,
        **table.bounds(Recording),
    )
    if any(character.isspace() or character == "+" for character in found.origin):
        # C2SP signed-note: a key name is not empty and has no space and no plus.
        table.wrong("origin", "a space or a plus in it", '"gw-1.example.org/hoopgate"')
    # What is below the state directory is made with it.
    if check and "directory" in table and node.state_dir not in found.directory.parents:
        material.directory(table, "directory", found.directory)
    # Two tables with keys of one name are one witness.
    count = len({one.key.split("+")[0] for one in witnesses})
    if found.quorum > max(1, count):
        table.wrong("quorum", f"there are {count} witnesses", "no more than there are witnesses")
    if found.gate == "witnessed" and not witnesses:
        table.wrong("gate", "there is no witness to wait for", "a table [[recording.witnesses]]")
    table.finish()
    return found


def _auditors(table: Table, check: bool) -> Iterator[Path]:
    for name in table.texts("auditors", (), '["auditor.pub"]', empty=True):
        path = table.problems.file.parent / name
        content = material.read(table, "auditors", path, "a public key") if check else None
        if content is not None and not _is_public_key(content):
            table.wrong("auditors", f"{path} is no X25519 public key in PEM", "one that is")
        yield path


def _is_public_key(content: bytes) -> bool:
    try:
        return isinstance(load_pem_public_key(content), X25519PublicKey)
    except ValueError:
        return False


def _peers(parent: Table, check: bool) -> Sequence[WitnessPeer]:
    peers: list[WitnessPeer] = []
    for table in parent.tables("witnesses"):
        name = table.text("name", example='"city"')
        if name in {peer.name for peer in peers}:
            table.wrong("name", f'"{name}" is there twice', "another name")
        peer = WitnessPeer(name, _vkey(table, "key"), _url(table), table.optional_path("ca_file"))
        if check and peer.ca_file is not None:
            material.read(table, "ca_file", peer.ca_file, "certificates (PEM)")
        table.finish()
        peers.append(peer)
    return peers


def _authority(parent: Table, check: bool) -> TimestampAuthority:
    table = parent.table("timestamps")
    found = TimestampAuthority(
        url=table.text("url", example='"https://tsa.example.net/tsr"'),
        roots=table.path("roots", example='"/etc/hoopgate/tsa.pem"'),
        interval_seconds=table.duration("interval", 3600.0),
        ca_file=table.optional_path("ca_file"),
    )
    # What it signs needs no secrecy, and is verified.
    parts = urls.parts(found.url)
    if found.url and (parts is None or parts.scheme not in ("https", "http")):
        table.wrong("url", f'"{found.url}" is no http address', '"https://tsa.example.net/tsr"')
    if check:
        material.read(table, "roots", found.roots, "certificates (PEM)")
        if found.ca_file is not None:
            material.read(table, "ca_file", found.ca_file, "certificates (PEM)")
    table.finish()
    return found


def _head(parent: Table, check: bool) -> SharedHead:
    table = parent.table("head")
    found = SharedHead(
        host=table.text("host", example='"state.example.org"'),
        port=table.integer("port", 5432),
        database=table.text("database", "hoopgate"),
        user=table.text("user", "hoopgate"),
        password=material.secret(table, "password", check=check),
        ca_file=table.optional_path("ca_file"),
        tls=table.boolean("tls", True),
    )
    if not found.tls and found.host and not endpoints.is_loopback(found.host):
        table.wrong("tls", "off, and the host is not this machine", "tls = true, or 127.0.0.1")
    if check and found.ca_file is not None:
        material.read(table, "ca_file", found.ca_file, "certificates (PEM)")
    table.finish()
    return found


def witness(table: Table, check: bool) -> Witness:
    """The table ``[witness]``."""
    pair = None
    if "tls" in table:
        tls = table.table("tls")
        pair = material.pair(tls, check=check)
        tls.finish()
    found = Witness(
        endpoint=endpoints.server(table, "endpoint", '"tcp:8444"'),
        tls=pair,
        name=table.text("name", example='"witness.example.net"'),
        directory=table.path("directory", example='"/var/lib/hoopgate-witness"'),
        logs=table.texts("logs", None, f"[{_EXAMPLE}]"),
        ml_dsa=table.boolean("ml_dsa", False),
    )
    if found.name and re.search(r"[\s+]", found.name):
        table.wrong("name", "a space or a plus in it", '"witness.example.net"')
    for log in found.logs:
        if not _VKEY.fullmatch(log):
            table.wrong("logs", f'"{log[:40]}" is no verifier key', "name+hash+base64, from vkey")
    if pair is None and found.endpoint and "interface=127.0.0.1" not in found.endpoint:
        table.wrong("tls", "missing", "tls = { certificate = …, key = … }, or a loopback endpoint")
    if check and "directory" in table:
        material.directory(table, "directory", found.directory)
    table.finish()
    return found


def _vkey(table: Table, name: str) -> str:
    text: str = table.text(name, example=_EXAMPLE)
    if text and not _VKEY.fullmatch(text):
        table.wrong(name, "is no verifier key", f"name+hash+base64, as in {_EXAMPLE}")
    return text


def _url(table: Table) -> str:
    example = '"https://witness.example.net:8444/"'
    url: str = table.text("url", example=example)
    if url and ("?" in url or not urls.is_safe(url)):
        table.wrong("url", f'"{url}" is neither https nor http on loopback', example)
    return url
