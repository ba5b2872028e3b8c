"""The parser's child process: ``python -m hoopgate.sql.worker``.

It speaks as :mod:`hoopgate.child` says. A request is ``S`` and UTF-8 SQL to be analysed, ``T`` and
a tree to be examined (:mod:`hoopgate.sql.examination`), ``L`` and SQL whose tokens are to be lifted
(:func:`lifting`), or ``M`` and what is asked about MariaDB's or MySQL's SQL
(:mod:`hoopgate.sql.mysql.examination`); an answer is JSON. Nothing is held between requests but
trees that were read before; that the process may die of a statement is what it is for.
"""

from __future__ import annotations

import json
import re
import sys
import threading
from typing import BinaryIO, Final

from hoopgate import child
from hoopgate.errors import Refused
from hoopgate.events import StatementFacts
from hoopgate.sql import examination, tokens
from hoopgate.sql.analysis import analyze
from hoopgate.sql.catalogue import TreeReader
from hoopgate.sql.mysql import examination as mysql
from hoopgate.sql.mysql import literals

#: Bytes of address space, of stack for the recursive parser, and CPU seconds per request.
MEMORY: Final = 2 * 2**30
STACK: Final = 512 * 2**20
CPU_SECONDS: Final = 20
#: Frames of our own recursion; the stack above has room for all of them.
RECURSION: Final = 50_000

#: Characters of trees remembered, and bytes of a resolution at most.
TREES: Final = 4 * 2**20
MOST_RESOLUTION: Final = 2**20


def encode(facts: tuple[StatementFacts, ...]) -> bytes:
    """The answer's JSON for facts."""
    return json.dumps(
        {
            "facts": [
                {
                    "classes": sorted(one.classes),
                    "relations": one.relations,
                    "functions": one.functions,
                    "kind": one.kind,
                    "name": one.name,
                    "text": one.text,
                    "inner": one.inner,
                    "inner_types": one.inner_types,
                    "copy_columns": one.copy_columns,
                    "copy_options": dict(one.copy_options),
                    "fingerprint": one.fingerprint,
                    "flags": sorted(one.flags),
                }
                for one in facts
            ]
        }
    ).encode()


def decode(answer: bytes) -> tuple[StatementFacts, ...]:
    """The facts in an answer.

    :raises Refused: the answer is a refusal.
    """
    content = json.loads(answer)
    if "refused" in content:
        raise Refused(content["refused"], content["message"])
    return tuple(
        StatementFacts(
            classes=frozenset(one["classes"]),
            relations=tuple(one["relations"]),
            functions=tuple(one["functions"]),
            kind=one["kind"],
            name=one["name"],
            text=one["text"],
            inner=one["inner"],
            inner_types=tuple(one["inner_types"]),
            copy_columns=tuple(one["copy_columns"]),
            copy_options=one["copy_options"],
            fingerprint=one["fingerprint"],
            flags=frozenset(one["flags"]),
        )
        for one in content["facts"]
    )


def lifting(text: str, shape: re.Pattern[str], *, mysql: bool) -> bytes:
    """A request for the tokens in ``text``: literals that ``shape`` matches whole."""
    return b"L" + json.dumps([text, shape.pattern, mysql]).encode()


def decode_lifted(answer: bytes) -> tokens.Lifted | None:
    """What was found.

    :raises Refused: the answer is a refusal.
    """
    content = json.loads(answer)
    if "refused" in content:
        raise Refused(content["refused"], content["message"])
    return tokens.decode(content["lifted"])


def _lifted(request: bytes) -> bytes:
    text, pattern, dialect = json.loads(request)
    shape = re.compile(pattern)
    lift = literals.lift if dialect else tokens.lift
    found = lift(text, lambda content: shape.fullmatch(content) is not None)
    return json.dumps({"lifted": tokens.encode(found)}).encode()


def answer(request: bytes, max_bytes: int, reader: TreeReader) -> bytes:
    """The answer to one request."""
    kind = request[:1]
    tree = kind == b"T"
    try:
        if kind == b"M":
            outcome = mysql.answer(request[1:], max_bytes)
            return encode(outcome) if isinstance(outcome, tuple) else json.dumps(outcome).encode()
        if kind == b"L":
            return _lifted(request[1:])
        if not tree:
            return encode(analyze(request[1:].decode(), max_bytes))
        found = json.dumps(examination.answer(request[1:], reader)).encode()
        if len(found) <= MOST_RESOLUTION:
            return found
        code, message = "resolve.size", "The query is too large to judge."
    except Refused as refused:
        code, message = refused.code, str(refused)
    except UnicodeError:
        code, message = "parse.syntax", "The statement is not valid UTF-8."
    except (RecursionError, MemoryError):
        code = "resolve.size" if tree else "parse.size"
        message = "The statement is nested too deeply."
    return json.dumps({"refused": code, "message": message}).encode()


def serve(source: BinaryIO, sink: BinaryIO, max_bytes: int) -> None:
    """Answer until the input ends."""
    reader = TreeReader(TREES)
    child.serve(source, sink, lambda request: answer(request, max_bytes, reader), CPU_SECONDS)


def main() -> None:
    child.confine(MEMORY)
    sys.setrecursionlimit(RECURSION)
    threading.stack_size(STACK)
    max_bytes = int(sys.argv[1]) if len(sys.argv) > 1 else 2**20
    # A thread, because the main thread's stack cannot be chosen from within.
    thread = threading.Thread(target=serve, args=(sys.stdin.buffer, sys.stdout.buffer, max_bytes))
    thread.start()
    thread.join()


if __name__ == "__main__":
    main()
