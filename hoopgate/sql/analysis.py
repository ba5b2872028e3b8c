"""What PostgreSQL's own grammar (libpg_query, by postgast) says of a text: its statements' facts.

Pure, and meant for a child process (:mod:`hoopgate.sql.worker`): the C parser can exhaust the stack
on deep nesting. Facts come from the raw grammar alone: they name, they do not resolve. What a
statement reads is for the server to say (:mod:`hoopgate.sql.lineage`).
"""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

import ctypes
import fnmatch
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, Final

from postgast.native import lib

from hoopgate.errors import Refused
from hoopgate.events import StatementFacts
from hoopgate.sql import classes as lists
from hoopgate.sql.ddl import examines_rows, moves_columns
from hoopgate.sql.shape import Tokens, scan, shape

MAX_BYTES: Final = 2**20
MAX_TOKENS: Final = 200_000
MAX_BRACKETS: Final = 400
MAX_STATEMENTS: Final = 1000

#: A node of libpg_query's JSON: {"SelectStmt": {…}} or the fields themselves.
Tree = dict[str, Any]

_OPEN: Final = frozenset({ord("("), ord("[")})
_CLOSE: Final = frozenset({ord(")"), ord("]")})
_SEMICOLON: Final = ord(";")

#: Statements whose class is one word whatever is in them. The rest is below.
_CLASS_OF: Final = {
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
_DDL: Final = re.compile(
    r"^(Create|Alter|Drop|Rename|Comment|Import|Define|View|Index|Rule|RefreshMatView|Composite"
    r"|Replica)\w*Stmt$|^(DropdbStmt|CreatedbStmt|ViewStmt|IndexStmt|RuleStmt|DefineStmt"
    r"|RenameStmt|CommentStmt)$"
)
#: Classes in one request of several that do no harm to one another.
_MIXABLE: Final = frozenset(
    "read transaction session show prepare execute deallocate cursor fetch close multi".split()
)
_SET_CONFIG: Final = frozenset({"set_config", "pg_catalog.set_config"})
_ROLE_SETTINGS: Final = frozenset({"role", "session_authorization"})
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


def analyze(
    text: str, max_bytes: int = MAX_BYTES, max_tokens: int = MAX_TOKENS
) -> tuple[StatementFacts, ...]:
    """Facts of each statement in ``text``; an empty text has none.

    :raises Refused: ``parse.size`` (bytes, tokens, nesting or statements above the bounds),
        ``parse.syntax``.
    """
    try:
        source = text.encode()
    except UnicodeEncodeError:
        raise Refused("parse.syntax", "The statement is not valid Unicode.") from None
    if len(source) > max_bytes:
        raise Refused("parse.size", "The statement is too long.")
    tokens = scan(source, text)
    if len(tokens) > max_tokens:
        raise Refused("parse.size", "The statement has too many words.")
    _check_nesting(tokens)
    raw = _parse(source)
    if len(raw) > MAX_STATEMENTS:
        raise Refused("parse.size", "The request has too many statements.")
    found = []
    for entry in raw:
        start = entry.get("stmt_location", 0)
        end = start + entry["stmt_len"] if entry.get("stmt_len") else len(source)
        own = [t for t in tokens if start <= t[1] and t[2] <= end and t[0] != _SEMICOLON]
        found.append(_Statement(source, own, entry["stmt"]))
    if not found and any(token[0] != _SEMICOLON for token in tokens):
        raise Refused("parse.syntax", "The statement cannot be read.")
    mixed = len(found) > 1 and any(one.classes - _MIXABLE for one in found)
    return tuple(one.facts(len(found) > 1, mixed) for one in found)


def _check_nesting(tokens: Tokens) -> None:
    depth = 0
    for kind, _, _ in tokens:
        if kind in _OPEN:
            depth += 1
            if depth > MAX_BRACKETS:
                raise Refused("parse.size", "The statement is nested too deeply.")
        elif kind in _CLOSE:
            depth -= 1


def _parse(source: bytes) -> list[Tree]:
    result = lib.pg_query_parse(source)
    try:
        if result.error:
            raise Refused("parse.syntax", "The statement is not valid SQL.")
        tree = ctypes.string_at(result.parse_tree)
    finally:
        lib.pg_query_free_parse_result(result)
    try:
        statements: list[Tree] = json.loads(tree).get("stmts", [])
    except (ValueError, RecursionError):
        raise Refused("parse.size", "The statement is nested too deeply.") from None
    return statements


def _walk(tree: Any) -> Iterator[tuple[str, Tree]]:
    """Every node with a type, outermost first."""
    todo = [tree]
    while todo:
        value = todo.pop()
        if isinstance(value, list):
            todo.extend(reversed(value))
        elif isinstance(value, dict):
            for name, child in value.items():
                if name[:1].isupper() and isinstance(child, dict):
                    yield name, child
                if isinstance(child, dict | list):
                    todo.append(child)


def _strings(items: Any) -> list[str]:
    return [item["String"].get("sval", "") for item in items or () if "String" in item]


def _name(parts: list[str]) -> str:
    """A dotted name; a part that holds a dot or quote itself is quoted: none is mistaken."""
    return ".".join(
        '"' + part.replace('"', '""') + '"' if "." in part or '"' in part else part
        for part in parts
    )


def _constant(tree: Any) -> bool:
    """No column is read in it, so it says nothing of a row."""
    return not any(name in ("ColumnRef", "SubLink", "CurrentOfExpr") for name, _ in _walk(tree))


def _bare(tree: Any) -> Any:
    """The tree without positions, to compare two; and without literals, so that what is found does
    not depend on what a statement's shape leaves out."""
    if isinstance(tree, list):
        return [_bare(item) for item in tree]
    if isinstance(tree, dict):
        return {
            name: None if name == "A_Const" else _bare(child)
            for name, child in tree.items()
            if name != "location"
        }
    return tree


def trivial(tree: Any) -> bool:
    """A condition that holds for every row, as far as the grammar can tell."""
    if tree is None or _constant(tree):
        return True
    if not isinstance(tree, dict):
        return False
    kind, node = next(iter(tree.items()))
    if kind == "BoolExpr":
        arguments = node.get("args", [])
        if node.get("boolop") == "OR_EXPR":
            return any(map(trivial, arguments)) or _complementary(arguments)
        return all(map(trivial, arguments))
    if kind == "A_Expr":
        left, right = node.get("lexpr"), node.get("rexpr")
        if left is not None and _bare(left) == _bare(right):
            return True
        if isinstance(right, dict) and "List" in right:
            return _bare(left) in [_bare(item) for item in right["List"].get("items", [])]
        if node.get("kind") in ("AEXPR_LIKE", "AEXPR_ILIKE") and isinstance(right, dict):
            pattern = right.get("A_Const", {}).get("sval", {}).get("sval", "")
            return bool(pattern) and not pattern.strip("%")
    if kind == "BooleanTest" or kind == "TypeCast":
        return trivial(node.get("arg"))
    return False


def _complementary(arguments: list[Any]) -> bool:
    tests = [
        (a["NullTest"]["nulltesttype"], _bare(a["NullTest"].get("arg")))
        for a in arguments
        if isinstance(a, dict) and "NullTest" in a
    ]
    return any(one[0] != other[0] and one[1] == other[1] for one in tests for other in tests)


class _Statement:
    """One statement: its tree read once, its facts put together."""

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
        self._classify(self.kind, self.node)
        executed = True
        if self.kind == "ExplainStmt":
            executed = "explain_analyze" in self.flags
        self._collect(tree, executed)
        handler = _HANDLERS.get(self.kind)
        if handler is not None:
            handler(self, self.node)
        if "ddl" in self.classes and examines_rows(_walk(tree)):
            self.flags.add("stored_rows")
        if "ddl" in self.classes and moves_columns(_walk(tree)):
            self.flags.add("moves_columns")
        if self.kind == "SelectStmt":
            self._selected(self.node)
        if self.kind == "RefreshMatViewStmt":
            self._relation(self.node.get("relation", {}), set())

    def facts(self, several: bool, mixed: bool) -> StatementFacts:
        text = self._slice(0, len(self.tokens))
        if several:
            self.classes.add("multi")
        if mixed:
            self.flags.add("multi_mixed")
        # What set_config() sets, a literal says, and how large a group is: such a statement is
        # known by its text alone.
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

    def _classify(self, kind: str, node: Tree) -> None:
        if kind == "VariableSetStmt":
            self._setting(node)
        elif kind == "TransactionStmt":
            two_phase = node.get("kind", "").endswith("PREPARED") or node.get("kind", "").endswith(
                "STMT_PREPARE"
            )
            self.classes.add("two_phase" if two_phase else "transaction")
        elif kind == "CopyStmt":
            self._copy(node)
        elif kind in _CLASS_OF:
            self.classes.add(_CLASS_OF[kind])
        elif _DDL.match(kind):
            self.classes.add("ddl")
        else:
            self.classes.add("unknown")
        if kind == "ExplainStmt":
            for option in node.get("options", []):
                element = option.get("DefElem", {})
                if element.get("defname") == "analyze" and _on(element.get("arg")):
                    self.flags.add("explain_analyze")

    def _collect(self, tree: Tree, executed: bool) -> None:
        """Classes, flags, relations and functions of everything inside."""
        ctes = {node.get("ctename") for name, node in _walk(tree) if name == "CommonTableExpr"}
        # INSERT … VALUES reads nothing, though the grammar calls it a SELECT.
        rows = [
            node["selectStmt"]["SelectStmt"]
            for name, node in _walk(tree)
            if name == "InsertStmt"
            and "valuesLists" in node.get("selectStmt", {}).get("SelectStmt", {})
        ]
        outermost = True
        for name, node in _walk(tree):
            if name == "FuncCall":
                self._function(_strings(node.get("funcname")), sets=_sets_harmlessly(node))
            elif name == "RangeVar":
                self._relation(node, ctes)
            elif name == "ParamRef":
                self.flags.add("parameters")
            elif name == "LockingClause":
                self.flags.add("locking")
            elif name in ("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"):
                if not outermost and executed and not any(node is row for row in rows):
                    self.classes.add(_CLASS_OF[name])
                self._modifying(name, node, ctes, executed)
            outermost = False

    def _modifying(self, name: str, node: Tree, ctes: set[Any], executed: bool) -> None:
        having = _walk(node.get("havingClause"))
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

    def _relation(self, node: Tree, ctes: set[Any]) -> None:
        name = node.get("relname")
        if not name:
            return
        schema = node.get("schemaname")
        if not schema and name in ctes:
            return
        parts = [p for p in (node.get("catalogname"), schema, name) if p]
        self.relations[_name(parts)] = None

    def _function(self, parts: list[str], *, sets: bool = False) -> None:
        if not parts:
            return
        self.functions[_name(parts)] = None
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
                and not _AGGREGATES.isdisjoint(_strings(call.get("funcname")))
                for kind, call in _walk(target)
            )
            for target in targets
        )

    # --- kinds of statements ------------------------------------------------------------------

    def _setting(self, node: Tree) -> None:
        name = node.get("name", "").lower()
        kind = node.get("kind")
        if kind == "VAR_SET_MULTI":
            self.classes.add("transaction")
            if "snapshot" in name:
                self.flags.add("unlisted_setting")
            return
        self.name = name
        if name in _ROLE_SETTINGS:
            self.classes.add("role")
            return
        self.classes.add("session")
        if kind == "VAR_RESET_ALL" or name in lists.HARMLESS_SETTINGS:
            return
        if name in lists.PLANNER_SETTINGS:
            if kind not in ("VAR_RESET", "VAR_SET_DEFAULT"):
                self.flags.add("planner_setting")
            return
        values = lists.FIXED_SETTINGS.get(name)
        given = [
            str(
                constant.get("sval", {}).get("sval", constant.get("ival", {}).get("ival", ""))
            ).lower()
            for constant in (arg.get("A_Const", {}) for arg in node.get("args", []))
        ]
        if values is None or kind != "VAR_SET_VALUE" or not given or set(given) - values:
            self.flags.add("unlisted_setting")

    def _copy(self, node: Tree) -> None:
        if node.get("is_program"):
            self.classes.add("copy.program")
        elif node.get("filename"):
            self.classes.add("copy.file")
        direction = "from" if node.get("is_from") else "to"
        self.classes.add(f"copy.{direction}")
        self.flags.add(f"copy_{direction}")
        if direction == "to" and "query" not in node:
            self.classes.add("read")
            self.flags.add("bulk")

    def _copied(self, node: Tree) -> None:
        relation = node.get("relation")
        if relation:
            self._relation(relation, set())
            self.columns = tuple(_strings(node.get("attlist")))
        else:
            start = self._find("(") + 1
            self.inner = self._slice(start, self._closing(start))
            query = node.get("query", {}).get("SelectStmt")
            if query is not None:
                self._selected(query)
        for option in node.get("options", []):
            element = option.get("DefElem", {})
            self.options[element.get("defname", "").lower()] = _option(element.get("arg"))
        if node.get("whereClause") and not _constant(node["whereClause"]):
            self.classes.add("read")

    def _prepare(self, node: Tree) -> None:
        self.space, self.name = "prepare", node.get("name", "")
        position = 2
        if self._word(position) == "(":
            end = self._closing(position + 1)
            self.inner_types = self._list(position + 1, end)
            position = end + 1
        self.inner = self._slice(position + 1, len(self.tokens))
        query = node.get("query", {}).get("SelectStmt")
        if query is not None:
            self._selected(query)

    def _execute(self, node: Tree) -> None:
        self.space, self.name = "execute", node.get("name", "")
        self._arguments(node.get("params", []))

    def _arguments(self, arguments: list[Any]) -> None:
        for argument in arguments:
            value = argument
            while isinstance(value, dict) and "TypeCast" in value:
                value = value["TypeCast"].get("arg")
            if not (isinstance(value, dict) and ({"A_Const", "ParamRef"} & value.keys())):
                self.flags.add("argument_expression")

    def _call(self, node: Tree) -> None:
        call = node.get("funccall", {})
        self._function(_strings(call.get("funcname")))
        self._arguments(call.get("args", []))

    def _deallocate(self, node: Tree) -> None:
        self.space, self.name = "deallocate", node.get("name", "")

    def _declare(self, node: Tree) -> None:
        self.space, self.name = "declare", node.get("portalname", "")
        if node.get("options", 0) & 0x20:  # CURSOR_OPT_HOLD
            self.flags.add("with_hold")
        self.inner = self._slice(self._find("FOR") + 1, len(self.tokens))
        query = node.get("query", {}).get("SelectStmt")
        if query is not None:
            self._selected(query)

    def _fetch(self, node: Tree) -> None:
        self.space, self.name = "fetch", node.get("portalname", "")

    def _close(self, node: Tree) -> None:
        self.space, self.name = "close", node.get("portalname", "")

    def _discard(self, node: Tree) -> None:
        self.name = node.get("target", "").removeprefix("DISCARD_").lower()
        if self.name == "all":
            self.space, self.name = "discard", ""

    def _explain(self, node: Tree) -> None:
        position = 1
        if self._word(position) == "(":
            position = self._closing(position + 1) + 1
        else:
            while self._word(position) in ("ANALYZE", "ANALYSE", "VERBOSE"):
                position += 1
        inner = next(iter(node.get("query", {})), "")
        if inner in ("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"):
            self.inner = self._slice(position, len(self.tokens))
        elif inner:
            self._classify(inner, node["query"][inner])

    def _create_as(self, node: Tree) -> None:
        self.flags.add("into")
        self._into(node.get("into", {}))
        self._relation(node.get("into", {}).get("rel", {}), set())
        end = len(self.tokens)
        if self._word(end - 1) == "DATA":
            end -= 3 if self._word(end - 2) == "NO" else 2
        if "ExecuteStmt" in node.get("query", {}):
            self.classes.add("execute")
        else:
            self.inner = self._slice(self._find("AS") + 1, end)

    def _view(self, node: Tree) -> None:
        view = node.get("view", {})
        self._relation(view, set())
        self._temporary(view)
        end = len(self.tokens)
        if self._word(end - 1) == "OPTION" and self._word(end - 2) == "CHECK":
            end -= 4 if self._word(end - 3) in ("LOCAL", "CASCADED") else 3
        if "SelectStmt" in node.get("query", {}):
            self.inner = self._slice(self._find("AS") + 1, end)

    def _table(self, node: Tree) -> None:
        base = node.get("base", {}).get("CreateStmt", node)
        relation = base.get("relation", {})
        self._relation(relation, set())
        self._temporary(relation)

    def _sequence(self, node: Tree) -> None:
        relation = node.get("sequence", {})
        self._relation(relation, set())
        self._temporary(relation)

    def _function_or_type(self, node: Tree) -> None:
        for field in ("funcname", "typeName", "defnames", "domainname"):
            parts = _strings(node.get(field)) if isinstance(node.get(field), list) else []
            if parts[:1] == ["pg_temp"]:
                self.flags.add("temporary")

    def _altered(self, node: Tree) -> None:
        if node.get("relation"):
            self._relation(node["relation"], set())
        if str(node.get("newschema", "")).startswith("pg_temp"):
            self.flags.add("temporary")

    def _temporary(self, relation: Tree) -> None:
        if relation.get("relpersistence") == "t" or str(relation.get("schemaname", "")).startswith(
            "pg_temp"
        ):
            self.flags.add("temporary")

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
        _strings(call.get("funcname")) in (["set_config"], ["pg_catalog", "set_config"])
        and len(arguments) == 3
        and call.keys() <= {"funcname", "args", "funcformat", "location"}
        and all("A_Const" in one or "ParamRef" in one for one in arguments)
        and arguments[0].get("A_Const", {}).get("sval", {}).get("sval", "").lower()
        in lists.HARMLESS_SETTINGS
    )


def _on(argument: Any) -> bool:
    """A boolean option: present alone, or with a value that is not false."""
    return _option(argument) not in ("false", "off", "0", "no")


def _option(argument: Any) -> str:
    if not isinstance(argument, dict):
        return "true"
    kind, node = next(iter(argument.items()))
    if kind == "String":
        return str(node.get("sval", ""))
    if kind == "Integer":
        return str(node.get("ival", 0))
    if kind == "Boolean":
        return str(bool(node.get("boolval"))).lower()
    if kind == "A_Star":
        return "*"
    if kind == "List":
        return ",".join(_strings(node.get("items")))
    return ""


_HANDLERS: Final = {
    "CopyStmt": _Statement._copied,
    "PrepareStmt": _Statement._prepare,
    "ExecuteStmt": _Statement._execute,
    "CallStmt": _Statement._call,
    "DeallocateStmt": _Statement._deallocate,
    "DeclareCursorStmt": _Statement._declare,
    "FetchStmt": _Statement._fetch,
    "ClosePortalStmt": _Statement._close,
    "DiscardStmt": _Statement._discard,
    "ExplainStmt": _Statement._explain,
    "CreateTableAsStmt": _Statement._create_as,
    "ViewStmt": _Statement._view,
    "CreateStmt": _Statement._table,
    "CreateForeignTableStmt": _Statement._table,
    "CreateSeqStmt": _Statement._sequence,
    "CreateFunctionStmt": _Statement._function_or_type,
    "CompositeTypeStmt": _Statement._function_or_type,
    "CreateDomainStmt": _Statement._function_or_type,
    "CreateEnumStmt": _Statement._function_or_type,
    "DefineStmt": _Statement._function_or_type,
    "AlterObjectSchemaStmt": _Statement._altered,
    "AlterTableStmt": _Statement._altered,
    "RenameStmt": _Statement._altered,
    "IndexStmt": _Statement._altered,
    "RuleStmt": _Statement._altered,
    "CreateTrigStmt": _Statement._altered,
}
