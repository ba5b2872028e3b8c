"""What the grammar says of any statement: its classes, flags, and the names in it."""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

import fnmatch
import hashlib
import re
from typing import Any, Final

from hoopgate.errors import Refused
from hoopgate.events import StatementFacts
from hoopgate.sql import classes as lists
from hoopgate.sql.constants import literals_matter
from hoopgate.sql.rawtree import Tree, dotted, strings, trivial, walk
from hoopgate.sql.shape import Tokens, shape

#: Statements whose class is one word whatever is in them. For the rest see
#: :mod:`hoopgate.sql.statements`.
CLASS_OF: Final = {
    "SelectStmt": "read",
    "InsertStmt": "insert",
    "UpdateStmt": "update",
    "DeleteStmt": "delete",
    "MergeStmt": "merge",
    "TruncateStmt": "truncate",
    "DoStmt": "do",
    "CallStmt": "call",
    "VariableShowStmt": "show",
    "DiscardStmt": "session",
    "GrantStmt": "grant",
    "GrantRoleStmt": "grant",
    "AlterDefaultPrivilegesStmt": "grant",
    "CreateRoleStmt": "grant",
    "AlterRoleStmt": "grant",
    "AlterRoleSetStmt": "grant",
    "DropRoleStmt": "grant",
    "DropOwnedStmt": "grant",
    "ReassignOwnedStmt": "grant",
    "AlterOwnerStmt": "grant",
    "CreatePolicyStmt": "grant",
    "AlterPolicyStmt": "grant",
    "SecLabelStmt": "grant",
    "PrepareStmt": "prepare",
    "ExecuteStmt": "execute",
    "DeallocateStmt": "deallocate",
    "DeclareCursorStmt": "cursor",
    "FetchStmt": "fetch",
    "ClosePortalStmt": "close",
    "ExplainStmt": "explain",
    "NotifyStmt": "notify",
    "ListenStmt": "notify",
    "UnlistenStmt": "session",
    "LockStmt": "lock",
    "ConstraintsSetStmt": "transaction",
    "VacuumStmt": "maintenance",
    "ClusterStmt": "maintenance",
    "ReindexStmt": "maintenance",
    "CheckPointStmt": "maintenance",
    "LoadStmt": "maintenance",
    "AlterSystemStmt": "maintenance",
    "CreatePublicationStmt": "replication",
    "AlterPublicationStmt": "replication",
    "CreateSubscriptionStmt": "replication",
    "AlterSubscriptionStmt": "replication",
    "DropSubscriptionStmt": "replication",
}
_SET_CONFIG: Final = frozenset({"set_config", "pg_catalog.set_config"})
_FUNCTION_FLAGS: Final = tuple(
    (flag, re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns)))
    for flag, patterns in (
        ("file_function", lists.FILE_FUNCTIONS),
        ("superuser_function", lists.SUPERUSER_FUNCTIONS),
        ("code_string_function", lists.CODE_STRING_FUNCTIONS),
        ("state_function", lists.STATE_FUNCTIONS),
    )
)
_AGGREGATES: Final = frozenset(
    "count sum avg min max stddev variance bool_and bool_or every string_agg array_agg json_agg "
    "jsonb_agg percentile_cont percentile_disc mode".split()
)


class Reading:
    """A statement's tree, read once."""

    def __init__(self, source: bytes, tokens: Tokens, tree: Tree) -> None:
        self.source = source
        self.tokens = tokens
        self.kind, self.node = next(iter(tree.items()))
        self.classes: set[str] = set()
        self.flags: set[str] = set()
        self.relations: dict[str, None] = {}
        self.functions: dict[str, None] = {}
        self.name = ""
        self.space = ""
        self.inner: str | None = None
        self.exact = False
        self.inner_types: tuple[str, ...] = ()
        self.columns: tuple[str, ...] = ()
        self.options: dict[str, str] = {}

    def facts(self, several: bool, mixed: bool) -> StatementFacts:
        text = self._slice(0, len(self.tokens))
        if several:
            self.classes.add("multi")
        if mixed:
            self.flags.add("multi_mixed")
        # What set_config() sets, a literal says, how large a group is, and whether some calls may
        # fail: such a statement is known by its text alone.
        exact = (
            self.space
            or self.inner is not None
            or self.exact
            or _SET_CONFIG.intersection(self.functions)
        )
        fingerprint = "" if exact else shape(self.source, self.tokens)
        if not fingerprint:
            fingerprint = "=" + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        return StatementFacts(
            classes=frozenset(self.classes),
            relations=tuple(self.relations),
            functions=tuple(self.functions),
            kind=self.space,
            name=self.name,
            text=text if several else "",
            inner=self.inner,
            inner_types=self.inner_types,
            copy_columns=self.columns,
            copy_options=self.options,
            fingerprint=fingerprint,
            flags=frozenset(self.flags),
        )

    # --- reading ------------------------------------------------------------------------------

    def _collect(self, tree: Tree, executed: bool) -> None:
        """Classes, flags, relations and functions of everything inside."""
        ctes = {node.get("ctename") for name, node in walk(tree) if name == "CommonTableExpr"}
        # INSERT … VALUES reads nothing, though the grammar calls it a SELECT.
        rows = [
            node["selectStmt"]["SelectStmt"]
            for name, node in walk(tree)
            if name == "InsertStmt"
            and "valuesLists" in node.get("selectStmt", {}).get("SelectStmt", {})
        ]
        outermost = True
        for name, node in walk(tree):
            if name == "FuncCall":
                sets = _sets_harmlessly(node)
                called = strings(node.get("funcname"))
                self._function(called, sets=sets)
                self.exact |= called[-1:] != [] and literals_matter(called[-1], node)
                if sets and _may_be_serializable(node):
                    self.flags.add("serializable")
            elif name == "RangeVar":
                self._relation(node, ctes)
            elif name == "ParamRef":
                self.flags.add("parameters")
            elif name == "LockingClause":
                self.flags.add("locking")
            elif name in ("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"):
                if not outermost and executed and not any(node is row for row in rows):
                    self.classes.add(CLASS_OF[name])
                self._modifying(name, node, ctes, executed)
            outermost = False

    def _modifying(self, name: str, node: Tree, ctes: set[Any], executed: bool) -> None:
        having = walk(node.get("havingClause"))
        self.exact |= any("agg_filter" in call for kind, call in having if kind == "FuncCall")
        # Fields of a fixed type carry no type name of their own.
        for field in ("relation", "intoClause"):
            child = node.get(field)
            if isinstance(child, dict):
                self._relation(child.get("rel", child), ctes)
        if "intoClause" in node:
            self.classes.add("ddl")
            self.flags.add("into")
            self._into(node["intoClause"])
        if node.get("returningClause") or node.get("returningList"):
            self.classes.add("read")
        if name == "UpdateStmt" and node.get("fromClause"):
            self.classes.add("read")
        if name == "DeleteStmt" and node.get("usingClause"):
            self.classes.add("read")
        if name in ("UpdateStmt", "DeleteStmt") and executed:
            if node.get("whereClause") is None:
                self.flags.add("no_where")
            elif trivial(node["whereClause"]):
                self.flags.add("trivial_where")
        if name == "MergeStmt":
            self.classes.add("read")
            for clause in node.get("mergeWhenClauses", []):
                action = clause.get("MergeWhenClause", {}).get("commandType", "")
                word = action.removeprefix("CMD_").lower()
                if word in ("insert", "update", "delete") and executed:
                    self.classes.add(word)

    def _into(self, into: Tree) -> None:
        if into.get("rel", {}).get("relpersistence") == "t":
            self.flags.add("temporary")
        if into.get("colNames"):
            self.flags.add("given_values")

    def _relation(self, node: Tree, ctes: set[Any]) -> None:
        name = node.get("relname")
        if not name:
            return
        schema = node.get("schemaname")
        if not schema and name in ctes:
            return
        parts = [p for p in (node.get("catalogname"), schema, name) if p]
        self.relations[dotted(parts)] = None

    def _function(self, parts: list[str], *, sets: bool = False) -> None:
        if not parts:
            return
        self.functions[dotted(parts)] = None
        if sets:
            self.flags.add("setting_function")
            return
        for flag, pattern in _FUNCTION_FLAGS:
            if pattern.match(parts[-1]):
                self.flags.add(flag)

    def _selected(self, node: Tree) -> None:
        """Flags of a query that sends rows: does it say which?"""
        if "limitCount" not in node:
            self.flags.add("no_limit")
        if self._open(node):
            self.flags.add("unfiltered")
            if "no_limit" in self.flags and not self._aggregated(node):
                self.flags.add("bulk")

    def _open(self, node: Tree) -> bool:
        if node.get("op", "SETOP_NONE") != "SETOP_NONE":
            return any(self._open(node.get(side, {})) for side in ("larg", "rarg"))
        if "fromClause" not in node:
            return False
        where = node.get("whereClause")
        return where is None or trivial(where)

    def _aggregated(self, node: Tree) -> bool:
        targets = node.get("targetList", [])
        return bool(targets) and all(
            any(
                kind == "FuncCall"
                and "over" not in call
                and not _AGGREGATES.isdisjoint(strings(call.get("funcname")))
                for kind, call in walk(target)
            )
            for target in targets
        )

    # --- source text --------------------------------------------------------------------------

    def _word(self, position: int) -> str:
        if not 0 <= position < len(self.tokens):
            return ""
        _, start, end = self.tokens[position]
        return self.source[start:end].decode("utf-8", "replace").upper()

    def _find(self, word: str) -> int:
        """Position of the first ``word`` outside brackets."""
        depth = 0
        for position in range(len(self.tokens)):
            current = self._word(position)
            if current == word and (depth == 0 or word == "("):
                return position
            depth += (current in ("(", "[")) - (current in (")", "]"))
        raise Refused("parse.syntax", "The statement has no inner query.")

    def _closing(self, position: int) -> int:
        """Position of the bracket that closes the one before ``position``."""
        depth = 1
        while position < len(self.tokens):
            word = self._word(position)
            depth += (word in ("(", "[")) - (word in (")", "]"))
            if depth == 0:
                return position
            position += 1
        raise Refused("parse.syntax", "The statement has no inner query.")

    def _slice(self, first: int, last: int) -> str:
        if first >= last:
            return ""
        return self.source[self.tokens[first][1] : self.tokens[last - 1][2]].decode()

    def _list(self, first: int, last: int) -> tuple[str, ...]:
        items = []
        depth = 0
        start = first
        for position in range(first, last + 1):
            word = self._word(position)
            if position == last or (word == "," and depth == 0):
                items.append(self._slice(start, position))
                start = position + 1
            depth += (word in ("(", "[")) - (word in (")", "]"))
        return tuple(items)


def _sets_harmlessly(call: Tree) -> bool:
    """``set_config('jit', 'off', false)``: drivers use it where SET cannot be in a query."""
    arguments = call.get("args", [])
    return (
        strings(call.get("funcname")) in (["set_config"], ["pg_catalog", "set_config"])
        and len(arguments) == 3
        and call.keys() <= {"funcname", "args", "funcformat", "location"}
        and all("A_Const" in one or "ParamRef" in one for one in arguments)
        and arguments[0].get("A_Const", {}).get("sval", {}).get("sval", "").lower()
        in lists.HARMLESS_SETTINGS
    )


def _may_be_serializable(call: Tree) -> bool:
    """Such a call that asks for SERIALIZABLE, or for what a parameter says."""
    name, level = (
        one.get("A_Const", {}).get("sval", {}).get("sval", "").lower() for one in call["args"][:2]
    )
    return name in lists.ISOLATION_SETTINGS and level in ("serializable", "")
