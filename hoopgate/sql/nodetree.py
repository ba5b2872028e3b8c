"""Reader of PostgreSQL's ``pg_node_tree`` text, as found in ``pg_proc.prosqlbody``,
``pg_rewrite.ev_action``, ``pg_attrdef.adbin`` and ``pg_policy.polqual``.

The format is that of ``src/backend/nodes/outfuncs.c`` and ``read.c``: ``{TYPE :field value …}``,
``(list)``, ``<>`` for NULL, ``"string"`` and bare tokens with backslash escapes, and
``4 [ 1 0 0 0 ]`` for a datum. The reader is generic: it knows no node type, so it reads the trees
of every server version; what a field means is the business of :mod:`hoopgate.sql.lineage`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hoopgate.errors import HoopgateError

MAX_BYTES: Final = 8 * 2**20
MAX_DEPTH: Final = 2000

#: Words of a datum that is read: brackets, and bytes of the longest constant that matters anywhere
#: (a text of ten characters, :data:`hoopgate.sql.constants.TELLING`).
_DATUM: Final = 2 + 14
# An escaped character may be anything, white space and brackets included (outToken()).
_TOKEN: Final = re.compile(r"[(){}]|(?:[^\s(){}\\]|\\.)+", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_STRAY_BACKSLASH: Final = re.compile(r"(?<!\\)(?:\\\\)*\\\Z")


class NodeTreeError(HoopgateError):
    """The text is not a node tree, or is larger or deeper than the bounds."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """``{TYPE :field value …}``.

    :ivar type: the node's type in upper case, as written.
    :ivar fields: values by field name. Compared by identity: trees are large.
    """

    type: str
    fields: dict[str, Value]

    def node(self, field: str) -> Node | None:
        """The node in ``field``, or None when it is NULL or absent.

        :raises NodeTreeError: the field holds something else.
        """
        value = self.fields.get(field)
        if value is None or isinstance(value, Node):
            return value
        raise NodeTreeError(f"{self.type}.{field} is not a node")

    def nodes(self, field: str) -> list[Node]:
        """The list of nodes in ``field``; empty when it is NULL or absent.

        :raises NodeTreeError: the field is not a list of nodes.
        """
        value = self.fields.get(field)
        if value is None:
            return []
        if isinstance(value, list):
            found = [item for item in value if isinstance(item, Node)]
            if len(found) == len(value):
                return found
        raise NodeTreeError(f"{self.type}.{field} is not a list of nodes")

    def integer(self, field: str, default: int | None = None) -> int:
        """The integer in ``field``.

        :raises NodeTreeError: absent (without ``default``) or not an integer.
        """
        value = self.fields.get(field)
        if value is None and default is not None:
            return default
        if isinstance(value, str):
            try:
                return int(value)
            except ValueError:
                pass
        raise NodeTreeError(f"{self.type}.{field} is not an integer")

    def integers(self, field: str) -> list[int]:
        """The integer, OID or bit list in ``field``; empty when NULL or absent."""
        value = self.fields.get(field)
        if value is None:
            return []
        if isinstance(value, list) and value and value[0] in ("i", "o", "x", "b"):
            try:
                return [int(item) for item in value[1:] if isinstance(item, str)]
            except ValueError:
                pass
        raise NodeTreeError(f"{self.type}.{field} is not a list of integers")

    def true(self, field: str) -> bool:
        """True when the boolean ``field`` is there and true."""
        return self.fields.get(field) == "true"

    def text(self, field: str) -> str | None:
        """The string in ``field``, None when NULL or absent."""
        value = self.fields.get(field)
        if value is None or isinstance(value, str):
            return value
        raise NodeTreeError(f"{self.type}.{field} is not a string")

    def strings(self, field: str) -> list[str]:
        """The list of strings in ``field``."""
        value = self.fields.get(field)
        if value is None:
            return []
        if isinstance(value, list):
            return [unquote(item) for item in value if isinstance(item, str)]
        raise NodeTreeError(f"{self.type}.{field} is not a list of strings")


Value = Node | list["Value"] | str | None


def unquote(token: str) -> str:
    """The content of a String node, written ``"…"`` in a list."""
    if len(token) >= 2 and token[0] == '"' and token[-1] == '"':
        return token[1:-1]
    return token


def _literal(token: str) -> str | None:
    if token == "<>":
        return None
    if token == '""':
        return ""
    return _ESCAPE.sub(r"\1", token) if "\\" in token else token


def parse(text: str, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Value:
    """Read one value. Linear in ``len(text)``; recursion-free.

    :raises NodeTreeError: not a node tree, above ``max_bytes`` characters or ``max_depth`` levels.
    """
    if len(text) > max_bytes:
        raise NodeTreeError("the node tree is too large")
    if _STRAY_BACKSLASH.search(text[-64:]):
        raise NodeTreeError("the node tree ends inside an escape")
    tokens = _TOKEN.findall(text)
    count = len(tokens)
    position = 0
    # Each open structure: a list, or a Node with the field whose value comes next.
    stack: list[tuple[list[Value] | Node, str]] = []
    done: Value = None
    while True:
        if position >= count:
            raise NodeTreeError("the node tree ends early")
        token = tokens[position]
        position += 1
        value: Value
        closed = False
        if stack and isinstance(stack[-1][0], list):
            closed = token == ")"
        elif stack:
            node = stack[-1][0]
            assert isinstance(node, Node)
            if token == "}":
                closed = True
            elif token[0] == ":" and len(token) > 1:
                if token[1:] in node.fields:
                    raise NodeTreeError("a field is given twice")
                stack[-1] = (node, token[1:])
                if position >= count:
                    raise NodeTreeError("the node tree ends early")
                token = tokens[position]
                position += 1
            else:
                raise NodeTreeError("a field name is missing")
        if closed:
            done = stack.pop()[0]
            value = done
        elif token == "(" or token == "{":
            if len(stack) >= max_depth:
                raise NodeTreeError("the node tree is too deep")
            if token == "(":
                stack.append(([], ""))
            else:
                if position >= count or tokens[position] in ("(", ")", "{", "}"):
                    raise NodeTreeError("a node type is missing")
                stack.append((Node(tokens[position], {}), ""))
                position += 1
            continue
        elif token == ")" or token == "}":
            raise NodeTreeError("the brackets do not match")
        elif stack and stack[-1][1] == "constvalue" and token != "<>":
            # Datum: a length, then the bytes. Long ones are never needed, only skipped.
            start = position
            try:
                position = tokens.index("]", position) + 1
            except ValueError:
                raise NodeTreeError("a datum does not end") from None
            value = " ".join(tokens[start:position]) if position - start <= _DATUM else ""
        else:
            value = _literal(token)
        if not stack:
            break
        parent, field = stack[-1]
        if isinstance(parent, list):
            parent.append(value)
        else:
            parent.fields[field] = value
            stack[-1] = (parent, "")
    if position != count:
        raise NodeTreeError("text follows the node tree")
    return value
