"""Reading libpg_query's JSON: nodes, names, options, and conditions that hold for every row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

#: A node of libpg_query's JSON: {"SelectStmt": {…}} or the fields themselves.
Tree = dict[str, Any]


def walk(tree: Any) -> Iterator[tuple[str, Tree]]:
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


def strings(items: Any) -> list[str]:
    return [item["String"].get("sval", "") for item in items or () if "String" in item]


def dotted(parts: list[str]) -> str:
    """A dotted name; a part that holds a dot or quote itself is quoted: none is mistaken."""
    return ".".join(
        '"' + part.replace('"', '""') + '"' if "." in part or '"' in part else part
        for part in parts
    )


def constant(tree: Any) -> bool:
    """No column is read in it, so it says nothing of a row."""
    return not any(name in ("ColumnRef", "SubLink", "CurrentOfExpr") for name, _ in walk(tree))


def bare(tree: Any) -> Any:
    """The tree without positions, to compare two; and without literals, so that what is found does
    not depend on what a statement's shape leaves out."""
    if isinstance(tree, list):
        return [bare(item) for item in tree]
    if isinstance(tree, dict):
        return {
            name: None if name == "A_Const" else bare(child)
            for name, child in tree.items()
            if name != "location"
        }
    return tree


def trivial(tree: Any) -> bool:
    """A condition that holds for every row, as far as the grammar can tell."""
    if tree is None or constant(tree):
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
        if left is not None and bare(left) == bare(right):
            return True
        if isinstance(right, dict) and "List" in right:
            return bare(left) in [bare(item) for item in right["List"].get("items", [])]
        if node.get("kind") in ("AEXPR_LIKE", "AEXPR_ILIKE") and isinstance(right, dict):
            pattern = right.get("A_Const", {}).get("sval", {}).get("sval", "")
            return bool(pattern) and not pattern.strip("%")
    if kind == "BooleanTest" or kind == "TypeCast":
        return trivial(node.get("arg"))
    return False


def _complementary(arguments: list[Any]) -> bool:
    tests = [
        (a["NullTest"]["nulltesttype"], bare(a["NullTest"].get("arg")))
        for a in arguments
        if isinstance(a, dict) and "NullTest" in a
    ]
    return any(one[0] != other[0] and one[1] == other[1] for one in tests for other in tests)


def on(argument: Any) -> bool:
    """A boolean option: present alone, or with a value that is not false."""
    return option_value(argument) not in ("false", "off", "0", "no")


def option_value(argument: Any) -> str:
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
        return ",".join(strings(node.get("items")))
    return ""
