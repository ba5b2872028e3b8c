"""The tamper and fault cases, and their outcomes.

``found offline``: the log's own files show it. ``found by others``: what is kept elsewhere shows it
(a checkpoint, a witness, an anchor); nothing on one host can. ``survived``: nothing acknowledged is
lost. ``refused``: it does not happen.
"""

from __future__ import annotations

FOUND, ELSEWHERE = "found offline", "found by others"
SURVIVED, REFUSED = "survived", "refused"

CASES: dict[int, tuple[str, str]] = {
    1: ("flip a byte in a segment", FOUND),
    2: ("flip a byte in a tile", FOUND),
    3: ("flip a byte in an entry bundle", FOUND),
    4: ("cut the last segment below the checkpoint", FOUND),
    5: ("torn tail above the checkpoint", SURVIVED),
    6: ("delete a session's payload", FOUND),
    7: ("delete a leaf, rebuild everything, sign again", ELSEWHERE),
    8: ("reorder leaves", FOUND),
    9: ("swap bundles", FOUND),
    10: ("splice chunks between sessions", FOUND),
    11: ("replay a record", FOUND),
    12: ("roll back the directory", ELSEWHERE),
    13: ("roll back and grow again", ELSEWHERE),
    14: ("fork for two auditors", ELSEWHERE),
    15: ("forge with a retired key", FOUND),
    16: ("forge with the stolen current key", ELSEWHERE),
    17: ("edit size or root of the checkpoint", FOUND),
    18: ("strip or forge a cosignature", FOUND),
    19: ("kill -9 at every system call", SURVIVED),
    20: ("EIO at every system call", REFUSED),
    21: ("ENOSPC", REFUSED),
    22: ("power loss", SURVIVED),
    23: ("two writers", REFUSED),
    24: ("clock set by a day", SURVIVED),
    25: ("witness down", SURVIVED),
    26: ("lying witness", FOUND),
    27: ("timestamps swapped", FOUND),
    28: ("ciphertext that opens under two keys", FOUND),
    29: ("sealed key deleted early", FOUND),
    30: ("lawful shred", SURVIVED),
    31: ("path traversal in a bundle", REFUSED),
    32: ("oversized leaf, malformed note", REFUSED),
    33: ("SIGSTOP the recorder", ELSEWHERE),
    34: ("terminal escapes and HTML in a recording", REFUSED),
    35: ("an administrator disables recording", REFUSED),
    36: ("bit flip in memory before signing", FOUND),
    37: ("a session's id used again", REFUSED),
}
