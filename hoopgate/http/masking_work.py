"""Masking that another process does: what it is asked, and what it says. Sans-I/O.

A document of megabytes takes most of a second to mask, and the reactor has others to serve. So the
parts of a body go to a child (``masking_worker.py``), which makes the rewriter anew of its recipe.
What it must not have are the keys of tokens: it leaves marks in their places, and says whose. Nor
does it know which of an MCP server's tools the client may call: it says what there is.
"""

from __future__ import annotations

import base64
import json
import pickle
import re
import secrets
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

from hoopgate.http.bodies import BodyRefused
from hoopgate.http.codings import Identity
from hoopgate.http.rewriting import Recipe
from hoopgate.phi import documents
from hoopgate.phi.documents import Tokens

_LENGTH: Final = struct.Struct("!I")
_NUMBER: Final = 8  # hexadecimal digits


def request(recipe: object, parts: Sequence[bytes], *, tokens: bool) -> bytes:
    """Ask for what may be seen of ``parts``.

    :param tokens: there are some; without them what would come as one becomes a constant.
    """
    return pickle.dumps((recipe, tokens, list(parts)), protocol=5)


def answer(asked: bytes) -> bytes:
    """What the child says. It trusts who asks, its parent; not what the parts hold."""
    recipe, tokens, parts = pickle.loads(asked)  # noqa: S301 - its parent's
    assert isinstance(recipe, Recipe)
    marks = _Marks()
    header: dict[str, Any]
    try:
        rewriter = recipe.made(Identity(), marks if tokens else None, marks.listed)
        assert rewriter is not None
        shown = b"".join(map(rewriter.show, parts))
        header = {
            "etag": rewriter.etag.decode("ascii"),
            "tools": [[(name, len(tool)) for name, tool in one] for one in marks.lists],
            **marks.said(),
        }
        shown = b"".join([*(tool for one in marks.lists for _, tool in one), shown])
    except BodyRefused as refused:
        header, shown = {"refused": [refused.code, str(refused)]}, b""
    head = json.dumps(header).encode()
    return _LENGTH.pack(len(head)) + head + shown


def read(
    said: bytes | None, tokens: Tokens | None, permits: Callable[[str], bool] | None = None
) -> tuple[bytes, bytes]:
    """What may be seen, and its entity tag; of an :func:`answer`, None: there was none.

    :param permits: whether a tool of that name may be seen; None: none may.
    :raises BodyRefused: nothing of it.
    """
    if said is None:
        raise BodyRefused("body.masking", "The answer could not be masked now.")
    try:
        (length,) = _LENGTH.unpack_from(said)
        header = json.loads(said[_LENGTH.size : _LENGTH.size + length])
        at = _LENGTH.size + length
        if "refused" in header:
            code, message = header["refused"]
            raise BodyRefused(str(code), str(message))
        lists = []
        for tools in header["tools"]:
            kept = []
            for name, size in tools:
                if permits is not None and permits(str(name)):
                    kept.append(said[at : at + size])
                at += size
            lists.append(b"[" + b",".join(kept) + b"]")
        shown = said[at:]
        mark = re.escape(header["mark"].encode())
        if lists:
            listed = re.compile(rb'"' + mark + rb'\[([0-9]+)\]"')
            shown = listed.sub(lambda found: lists[int(found[1])], shown)
        values = [(str(kind), base64.b64decode(value)) for kind, value in header["values"]]
        if values:
            assert tokens is not None
            words = [tokens(kind, value).encode() for kind, value in values]
            marked = re.compile(mark + rb"([0-9a-f]{%d})" % _NUMBER)
            shown = marked.sub(lambda found: words[int(found[1], 16)], shown)
        return shown, str(header["etag"]).encode("ascii")
    except (ValueError, KeyError, TypeError, IndexError, AssertionError, struct.error):
        raise BodyRefused("body.masking", "The answer could not be masked now.") from None


class _Marks:
    """Stand for tokens, and for lists of tools, in what is shown. Nobody can have written one: they
    begin at random.

    :ivar lists: name of each tool, and what may be seen of it, per list.
    """

    def __init__(self) -> None:
        self._mark = secrets.token_hex(16)
        self._numbers: dict[tuple[str, bytes], int] = {}
        self.lists: list[list[tuple[str, bytes]]] = []

    def listed(self, tools: list[dict[str, Any]]) -> str:
        """See :class:`hoopgate.http.mcp_answers.MCPMasker`."""
        self.lists.append([(tool["name"], documents.encode(tool)) for tool in tools])
        return f"{self._mark}[{len(self.lists) - 1}]"

    def __call__(self, kind: str, value: bytes) -> str:
        number = self._numbers.setdefault((kind, value), len(self._numbers))
        return f"{self._mark}{number:0{_NUMBER}x}"

    def said(self) -> dict[str, Any]:
        """The mark, and kind and value of each number."""
        values = [[kind, base64.b64encode(value).decode()] for kind, value in self._numbers]
        return {"mark": self._mark, "values": values}
