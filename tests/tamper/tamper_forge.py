"""What somebody does who holds the node's disk and its signing key: a log rewritten whole."""

from __future__ import annotations

import json
import shutil
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from recorder.recorder_world import World

from hoopgate.recorder.leaf import encode
from hoopgate.recorder.note import Checkpoint
from hoopgate.recorder.segments import (
    HEADER_BYTES,
    MAGIC,
    Scan,
    encode_record,
    segment_name,
    segment_numbers,
)
from hoopgate.recorder.signer import FileSigner
from hoopgate.recorder.tiles import Edge
from hoopgate.recorder.tree import Frontier, leaf_hash

Record = tuple[dict[str, Any], bytes]


def records_of(world: World) -> list[Record]:
    """All leaves with their payloads, in order."""
    return [
        (json.loads(leaf), payload)
        for number in segment_numbers(world.directory)
        for _, leaf, payload in Scan(world.directory, number)
    ]


def rewrite(world: World, change: Callable[[list[Record]], list[Record]]) -> None:
    """Change the records, make segments, tiles, chains and places fit, sign with the node's key."""
    records = change(records_of(world))
    shutil.rmtree(world.directory / "tile")
    shutil.rmtree(world.directory / "seg")
    (world.directory / "seg").mkdir()
    edge, tree = Edge(0, [], []), Frontier()
    chains: dict[str, tuple[int, str]] = {}
    running: dict[str, tuple[int, str]] = {}
    sealed: list[list[object]] = []
    file = bytearray()
    number = 0
    for leaf, payload in records:
        if leaf["type"] in ("epoch.start", "segment.start"):
            if number:
                _write(world.directory, number, file)
                sealed = [[number, len(file), len(file), ""]]
            number += 1
            file = bytearray(MAGIC + number.to_bytes(4, "big"))
            state = {id: list(chain) for id, chain in running.items()}
            payload = encode({"open": state, "sealed": sealed})
            leaf["length"] = len(payload)
            leaf["hash"] = b64encode(sha256(payload).digest()).decode()
        session = leaf["session"]
        seq, prev = chains.get(session, (0, ""))
        leaf |= {"index": tree.size, "offset": len(file), "segment": number}
        leaf |= {"seq": seq, "prev": prev}
        if leaf["type"] == "session.close":
            leaf["last_seq"] = seq - 1
        data = encode(leaf)
        hashed = leaf_hash(data)
        chains[session] = (seq + 1, b64encode(hashed).decode())
        if leaf["type"] == "session.close":
            running.pop(session, None)
        else:
            running[session] = chains[session]
        file += b"".join(encode_record(data, payload))
        edge.append(data, hashed)
        tree.append(hashed)
    _write(world.directory, number, file)
    for name, content in {**edge.pending, **edge.partials()}.items():
        path = world.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    signer = FileSigner.load(world.state / "keys/log-signer.key")
    checkpoint = Checkpoint(world.recording.origin, tree.size, tree.root())
    (world.directory / "checkpoint").write_bytes(signer.sign(checkpoint))


def _write(directory: Path, number: int, content: bytearray) -> None:
    assert len(content) >= HEADER_BYTES
    (directory / "seg" / segment_name(number)).write_bytes(content)
