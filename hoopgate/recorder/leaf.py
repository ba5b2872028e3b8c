"""A leaf: canonical JSON (RFC 8785) below 1 KB that describes a record and holds no payload.

Every leaf has ``type, session, seq, prev, index, time, mono, segment, offset, length``; hashes are
base64. ``prev`` is the Merkle hash of the session's previous leaf, ``time`` the wall clock and
``mono`` the monotonic clock in µs. A record with payload adds ``hash`` (SHA-256 of what is
stored); where that is encrypted, also ``hmac`` (of the plaintext, under the session's key).
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring as _string
from typing import Any, Final

from hoopgate.actions import Decision
from hoopgate.recorder.errors import BadLog
from hoopgate.verdicts import Allow, Block, Hold, Mask

LEAF_BYTES: Final = 1023  #: "below 1 KB"

Leaf = dict[str, Any]

#: Leaves that the recorder alone writes.
OWN = frozenset(
    {"epoch.start", "segment.start", "session.open", "session.close", "chunk", "gap.recovered"}
)
TYPES = OWN | {
    "decision",
    "approval",
    "admin",
    "replay.view",
    "key.rotate",
    "purge",
    "heartbeat",
}

_encode = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
).encode

#: A session's id names a file (``wraps/<id>.json``): nothing that could leave the directory.
SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


# Most leaves are chunks, and a log is read leaf by leaf: one pattern says that a chunk is canonical
# and has all fields, and takes it apart, in a fifth of the time that decoding it and encoding it
# anew takes. What it does not match is not refused: it is looked at the long way.
_NUMBER = "(0|[1-9][0-9]{0,18})"
_HASH = "([A-Za-z0-9+/]{43}=)"
_PLAIN = r'"[ !#-\[\]-~]*"'  # text in which JSON escapes nothing
_VERDICT = '"(?:allow|block|hold|mask)"'
_NAMED = rf"\[{_PLAIN},{_VERDICT},{_PLAIN}\]"
_FIELDS = (
    rf'(?:"decisions":(\[{_NAMED}(?:,{_NAMED})*\]),)?',
    f'"direction":"(backend|both|client)","hash":"{_HASH}","hmac":"{_HASH}",',
    f'"index":{_NUMBER},"length":([1-9][0-9]{{0,18}}),"mono":{_NUMBER},"offset":{_NUMBER},',
    f'"prev":"{_HASH}","segment":{_NUMBER},"seq":{_NUMBER},',
    f'"session":"([A-Za-z0-9][A-Za-z0-9._-]{{0,63}})","time":{_NUMBER},"type":"chunk"',
    rf'(?:,"verdicts":(\{{{_VERDICT}:[1-9][0-9]{{0,18}}\}}))?',
)
#: Groups: decisions, direction, hash, hmac, index, length, mono, offset, prev, segment, seq,
#: session, time, verdicts.
CHUNK: Final = re.compile(rf"\{{{''.join(_FIELDS)}\}}\Z".encode())


def encode(value: object) -> bytes:
    """Canonical JSON. Keys are ASCII and numbers integers, so this is RFC 8785."""
    return _utf8(_encode(value))


def _utf8(text: str) -> bytes:
    """UTF-8 with what it has no bytes for, a surrogate on its own, escaped; two that make a pair
    are one character to whoever reads the JSON, and so are written as one."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        paired = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return paired.encode("utf-8", "backslashreplace")


def decode(data: bytes) -> Leaf:
    """A leaf's fields.

    :raises BadLog: not canonical, too large, or a field is missing or of the wrong type.
    """
    if len(data) > LEAF_BYTES:
        raise BadLog(f"a leaf of {len(data)} bytes")
    if (found := CHUNK.match(data)) is not None:
        return _chunk(*found.groups())
    return _decode(data)


def _chunk(  # the groups of CHUNK
    decisions: bytes | None,
    direction: bytes,
    hash: bytes,
    hmac: bytes,
    index: bytes,
    length: bytes,
    mono: bytes,
    offset: bytes,
    prev: bytes,
    segment: bytes,
    seq: bytes,
    session: bytes,
    time: bytes,
    verdicts: bytes | None,
) -> Leaf:
    leaf: Leaf = {
        "direction": direction.decode(),
        "hash": hash.decode(),
        "hmac": hmac.decode(),
        "index": int(index),
        "length": int(length),
        "mono": int(mono),
        "offset": int(offset),
        "prev": prev.decode(),
        "segment": int(segment),
        "seq": int(seq),
        "session": session.decode(),
        "time": int(time),
        "type": "chunk",
    }
    if decisions is not None:
        leaf["decisions"] = json.loads(decisions)
    if verdicts is not None:
        leaf["verdicts"] = json.loads(verdicts)
    return leaf


def _decode(data: bytes) -> Leaf:
    try:
        leaf: Leaf = json.loads(data)
        canonical = isinstance(leaf, dict) and encode(leaf) == data
    except (ValueError, RecursionError):
        canonical = False
    if not canonical:
        raise BadLog("a leaf is not canonical JSON")
    for name in ("index", "length", "mono", "offset", "segment", "seq", "time"):
        value = leaf.get(name)
        if type(value) is not int or value < 0:
            raise BadLog(f"a leaf's {name} is not a number")
    for name in ("prev", "session", "type"):
        if not isinstance(leaf.get(name), str):
            raise BadLog(f"a leaf's {name} is not text")
    if leaf["type"] not in TYPES:
        raise BadLog("a leaf's type is not known")
    if SESSION_ID.match(leaf["session"]) is None:
        raise BadLog("a leaf's session id is malformed")
    if leaf["length"] and hash_of(leaf, "hash") is None:
        raise BadLog("a leaf has a payload and no hash of it")
    return leaf


def hash_of(leaf: Leaf, name: str) -> bytes | None:
    """A leaf's field that holds 32 bytes, or None."""
    try:
        data = b64decode(leaf.get(name) or "", validate=True)
    except (ValueError, TypeError):
        return None
    return data if len(data) == 32 else None


def verdict_name(decision: Decision) -> str:
    """``allow``, ``mask``, ``block`` or ``hold``."""
    verdict = decision.verdict
    if isinstance(verdict, Allow):
        return "allow"
    if isinstance(verdict, Mask):
        return "mask"
    return "block" if isinstance(verdict, Block) else "hold"


def decision_fields(decisions: Sequence[Decision]) -> dict[str, object]:
    """A request's decisions for its leaf: counts of all verdicts, names of the weightiest few."""
    counts: dict[str, int] = {}
    for decision in decisions:
        name = verdict_name(decision)
        counts[name] = counts.get(name, 0) + 1
    ranked = sorted(decisions, key=_weight)[:4] if len(decisions) > 1 else decisions
    named = [[d.request_id[:64], verdict_name(d), d.verdict.rule[:96]] for d in ranked]
    return {"decisions": named, "verdicts": counts}


def _weight(decision: Decision) -> int:
    kinds: tuple[type, ...] = (Block, Hold, Mask)
    return next((i for i, kind in enumerate(kinds) if isinstance(decision.verdict, kind)), 3)


# What follows is canonical JSON written by hand: there is a chunk, and mostly a decision, for every
# request, and an encoder takes five times as long. Session ids and base64 need no escaping.


def encode_chunk(
    direction: str,
    hash: str,
    hmac: str,
    index: int,
    length: int,
    mono: int,
    offset: int,
    prev: str,
    segment: int,
    seq: int,
    session: str,
    time: int,
    decisions: Sequence[Decision] = (),
) -> bytes:
    """What :func:`encode` makes of a chunk with the :func:`decision_fields` of ``decisions``; may
    be larger than a leaf."""
    before = behind = ""
    if decisions:
        named, counts = _named(decisions)
        before, behind = f'"decisions":{named},', f',"verdicts":{counts}'
    leaf = (
        f'{{{before}"direction":"{direction}","hash":"{hash}","hmac":"{hmac}","index":{index},'
        f'"length":{length},"mono":{mono},"offset":{offset},"prev":"{prev}","segment":{segment},'
        f'"seq":{seq},"session":"{session}","time":{time},"type":"chunk"{behind}}}'
    )
    return _utf8(leaf)


def _named(decisions: Sequence[Decision]) -> tuple[str, str]:
    if len(decisions) == 1:
        decision = decisions[0]
        name = verdict_name(decision)
        rule = _string(decision.verdict.rule[:96])
        return f'[[{_string(decision.request_id[:64])},"{name}",{rule}]]', f'{{"{name}":1}}'
    fields = decision_fields(decisions)
    return _encode(fields["decisions"]), _encode(fields["verdicts"])


def encode_decisions(decisions: Sequence[Decision]) -> bytes:
    """All of a request's decisions, for its payload."""
    details = ",".join([_decision(decision) for decision in decisions])
    return _utf8(f"[{details}]")


def _decision(decision: Decision) -> str:
    verdict = decision.verdict
    classes: set[str] = set()
    for facts in decision.facts:
        classes |= facts.classes
    approval = f'"approval":{_string(decision.approval)},' if decision.approval else ""
    monitored = f'"monitored":{_strings(decision.monitored)},' if decision.monitored else ""
    reason = ""
    if isinstance(verdict, Block | Hold):
        reason = f'"reason":{_string(verdict.reason)},'
    return (
        f'{{{approval}"classes":{_strings(sorted(classes))},{monitored}{reason}'
        f'"request":{_string(decision.request_id)},"rule":{_string(verdict.rule)},'
        f'"verdict":"{verdict_name(decision)}"}}'
    )


def _strings(values: Sequence[str]) -> str:
    strings = ",".join([_string(value) for value in values])
    return f"[{strings}]"


def fit(fixed: Mapping[str, object], extra: Mapping[str, object]) -> tuple[bytes, bool]:
    """Encode ``fixed`` and as much of ``extra`` as fits below 1 KB.

    :return: the leaf, and whether something was left out (it then says ``"cut": true`` and the
        whole of ``extra`` belongs into the record's payload).
    """
    data = encode({**fixed, **extra})
    if len(data) <= LEAF_BYTES:
        return data, False
    kept = {name: _shorten(value) for name, value in extra.items()}
    while kept:
        data = encode({**fixed, **kept, "cut": True})
        if len(data) <= LEAF_BYTES:
            return data, True
        widest = max(kept, key=lambda name: len(encode(kept[name])))
        value = kept[widest]
        if isinstance(value, list) and len(value) > 1:
            kept[widest] = value[:-1]
        else:
            del kept[widest]
    return encode({**fixed, "cut": True}), True


def _shorten(value: object) -> object:
    if isinstance(value, str):
        return value if len(value) <= 80 else value[:79] + "…"
    if isinstance(value, list | tuple):
        return [_shorten(item) for item in value[:8]]
    if isinstance(value, Mapping):
        return {str(k)[:80]: _shorten(v) for k, v in list(value.items())[:8]}
    return value
