"""One statement: its tree read once, its facts put together. One method per kind of statement."""

from __future__ import annotations

import re
from typing import Any, Final

from hoopgate.sql import classes as lists
from hoopgate.sql.ddl import examines_rows, gives_values, moves_columns
from hoopgate.sql.rawtree import Tree, constant, on, option_value, strings, walk
from hoopgate.sql.reading import CLASS_OF, Reading
from hoopgate.sql.shape import Tokens

_DDL: Final = re.compile(
    r"^(Create|Alter|Drop|Rename|Comment|Import|Define|View|Index|Rule|RefreshMatView|Composite"
    r"|Replica)\w*Stmt$|^(DropdbStmt|CreatedbStmt|ViewStmt|IndexStmt|RuleStmt|DefineStmt"
    r"|RenameStmt|CommentStmt)$"
)
_LASTING: Final = frozenset({"AlterRoleSetStmt", "AlterDatabaseSetStmt"})
_ROLE_SETTINGS: Final = frozenset({"role", "session_authorization"})


class SqlStatement(Reading):
    """What its kind says besides."""

    def __init__(self, source: bytes, tokens: Tokens, tree: Tree) -> None:
        super().__init__(source, tokens, tree)
        self._classify(self.kind, self.node)
        executed = True
        if self.kind == "ExplainStmt":
            executed = "explain_analyze" in self.flags
        self._collect(tree, executed)
        handler = _HANDLERS.get(self.kind)
        if handler is not None:
            handler(self, self.node)
        if self.classes & {"ddl", "maintenance"} and examines_rows(walk(tree)):
            self.flags.add("stored_rows")
        if "ddl" in self.classes and moves_columns(walk(tree)):
            self.flags.add("moves_columns")
        if "ddl" in self.classes and gives_values(walk(tree)):
            self.flags.add("given_values")
        if self.kind == "SelectStmt":
            self._selected(self.node)
        if self.kind == "RefreshMatViewStmt":
            self._relation(self.node.get("relation", {}), set())

    def _classify(self, kind: str, node: Tree) -> None:
        if kind == "VariableSetStmt":
            self._setting(node)
        elif kind == "TransactionStmt":
            two_phase = node.get("kind", "").endswith("PREPARED") or node.get("kind", "").endswith(
                "STMT_PREPARE"
            )
            self.classes.add("two_phase" if two_phase else "transaction")
            self._isolation(node.get("options", []))
        elif kind == "CopyStmt":
            self._copy(node)
        elif kind in CLASS_OF:
            self.classes.add(CLASS_OF[kind])
        elif _DDL.match(kind):
            self.classes.add("ddl")
        else:
            self.classes.add("unknown")
        if kind in _LASTING:  # what sessions begin with from now on
            classes, setting = set(self.classes), node.get("setstmt", {})
            self._setting(setting.get("VariableSetStmt", setting))
            self.classes = classes | (self.classes & {"role"})
            self.name = ""
        if kind == "ExplainStmt":
            for option in node.get("options", []):
                element = option.get("DefElem", {})
                if element.get("defname") == "analyze" and on(element.get("arg")):
                    self.flags.add("explain_analyze")

    def _setting(self, node: Tree) -> None:
        name = node.get("name", "").lower()
        kind = node.get("kind")
        if kind == "VAR_SET_MULTI":
            self.classes.add("transaction")
            self._isolation(node.get("args", []))
            if "snapshot" in name:
                self.flags.add("unlisted_setting")
            return
        self.name = name
        if name in _ROLE_SETTINGS:
            self.classes.add("role")
            return
        self.classes.add("session")
        if kind == "VAR_RESET_ALL":
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
        if name in lists.ISOLATION_SETTINGS and "serializable" in given:
            self.flags.add("serializable")
        if name in lists.HARMLESS_SETTINGS:
            return
        if values is None or kind != "VAR_SET_VALUE" or not given or set(given) - values:
            self.flags.add("unlisted_setting")

    def _isolation(self, options: list[Any]) -> None:
        for option in options:
            element = option.get("DefElem", {})
            level = element.get("arg", {}).get("A_Const", {}).get("sval", {}).get("sval", "")
            if element.get("defname") == "transaction_isolation" and level == "serializable":
                self.flags.add("serializable")

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
            self.columns = tuple(strings(node.get("attlist")))
        else:
            start = self._find("(") + 1
            self.inner = self._slice(start, self._closing(start))
            query = node.get("query", {}).get("SelectStmt")
            if query is not None:
                self._selected(query)
        for option in node.get("options", []):
            element = option.get("DefElem", {})
            self.options[element.get("defname", "").lower()] = option_value(element.get("arg"))
        if node.get("whereClause") and not constant(node["whereClause"]):
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
        self._function(strings(call.get("funcname")))
        self._arguments(call.get("args", []))

    def _deallocate(self, node: Tree) -> None:
        self.space, self.name = "deallocate", node.get("name", "")

    def _declare(self, node: Tree) -> None:
        self.space, self.name = "declare", node.get("portalname", "")
        if node.get("options", 0) & 0x20:  # CURSOR_OPT_HOLD
            self.flags.add("with_hold")
        if not node.get("options", 0) & 0x6:  # CURSOR_OPT_SCROLL, CURSOR_OPT_NO_SCROLL
            self.flags.add("scrolls_by_plan")
        self.inner = self._slice(self._find("FOR") + 1, len(self.tokens))
        query = node.get("query", {}).get("SelectStmt")
        if query is not None:
            self._selected(query)

    def _fetch(self, node: Tree) -> None:
        self.space, self.name = "fetch", node.get("portalname", "")
        direction, count = node.get("direction"), int(node.get("howMany", 0))
        if direction not in ("FETCH_FORWARD", "FETCH_RELATIVE") or count <= 0:
            self.flags.add("backward")  # DoPortalRunFetch of pquery.c

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
            parts = strings(node.get(field)) if isinstance(node.get(field), list) else []
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


_HANDLERS: Final = {
    "CopyStmt": SqlStatement._copied,
    "PrepareStmt": SqlStatement._prepare,
    "ExecuteStmt": SqlStatement._execute,
    "CallStmt": SqlStatement._call,
    "DeallocateStmt": SqlStatement._deallocate,
    "DeclareCursorStmt": SqlStatement._declare,
    "FetchStmt": SqlStatement._fetch,
    "ClosePortalStmt": SqlStatement._close,
    "DiscardStmt": SqlStatement._discard,
    "ExplainStmt": SqlStatement._explain,
    "CreateTableAsStmt": SqlStatement._create_as,
    "ViewStmt": SqlStatement._view,
    "CreateStmt": SqlStatement._table,
    "CreateForeignTableStmt": SqlStatement._table,
    "CreateSeqStmt": SqlStatement._sequence,
    "CreateFunctionStmt": SqlStatement._function_or_type,
    "CompositeTypeStmt": SqlStatement._function_or_type,
    "CreateDomainStmt": SqlStatement._function_or_type,
    "CreateEnumStmt": SqlStatement._function_or_type,
    "DefineStmt": SqlStatement._function_or_type,
    "AlterObjectSchemaStmt": SqlStatement._altered,
    "AlterTableStmt": SqlStatement._altered,
    "RenameStmt": SqlStatement._altered,
    "IndexStmt": SqlStatement._altered,
    "RuleStmt": SqlStatement._altered,
    "CreateTrigStmt": SqlStatement._altered,
}
