"""Reading pg_node_tree text."""

from __future__ import annotations

import time

import pytest
from conftest import Twins
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.sql.nodetree import Node, NodeTreeError, Value, parse

# What PostgreSQL's outToken() escapes.
_SPECIAL = set(" \n\t(){}\\")
_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
_FIELDS = st.text("abcdefghij", min_size=1, max_size=5)


def out_token(text: str | None) -> str:
    """outToken() of src/backend/nodes/outfuncs.c."""
    if text is None:
        return "<>"
    if text == "":
        return '""'
    first = text[0]
    start = ""
    if first in '<"0123456789' or (first in "+-" and text[1:2] in set("0123456789.")):
        start = "\\"
    return start + "".join("\\" + c if c in _SPECIAL or c.isspace() else c for c in text)


def out(value: Value) -> str:
    if isinstance(value, Node):
        fields = "".join(f" :{name} {out(child)}" for name, child in value.fields.items())
        return "{" + value.type + fields + "}"
    if isinstance(value, list):
        return "(" + " ".join(map(out, value)) + ")"
    return out_token(value)


def plain(value: Value) -> object:
    if isinstance(value, Node):
        return value.type, {name: plain(child) for name, child in value.fields.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


VALUES = st.recursive(
    st.none() | _NAMES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.builds(
            Node, st.sampled_from(["QUERY", "VAR"]), st.dictionaries(_FIELDS, inner, max_size=4)
        )
    ),
    max_leaves=25,
)


@given(VALUES)
def test_what_is_written_is_read(value: Value) -> None:
    assert plain(parse(out(value))) == plain(value)


@given(st.text(st.sampled_from(list('{}()<>:\\"[] aQ1\n')), max_size=60) | st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except NodeTreeError:
        pass


def test_a_datum_is_skipped() -> None:
    tree = parse("{CONST :constlen 4 :constvalue 4 [ 3 0 0 0 0 0 0 0 ] :location -1}")
    assert isinstance(tree, Node)
    assert (tree.integer("constlen"), tree.integer("location")) == (4, -1)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "{}", "{A :x", "{A :x 1 :x 2}", "(", ")", "{A x}", "a b"),
        "{A :constvalue 4 [ 1",
        "(" * 5000,
        "x\\",
    ],
)
def test_what_is_broken_is_refused(text: str) -> None:
    with pytest.raises(NodeTreeError):
        parse(text)


def test_time_is_linear() -> None:
    def seconds(count: int) -> float:
        text = "(" + "{VAR :varno 1 :name a\\ b :list (i 1 2 3)} " * count + ")"
        best = 1.0
        for _ in range(3):
            start = time.thread_time()  # not what other processes take meanwhile
            parse(text)
            best = min(best, time.thread_time() - start)
        return best

    assert seconds(8000) < 40 * seconds(800)


def test_every_tree_of_the_server_is_read(twins: Twins) -> None:
    rows = twins.one.execute(
        "SELECT ev_action::text FROM pg_rewrite UNION ALL SELECT adbin::text FROM pg_attrdef"
    ).fetchall()
    assert len(rows) > 100
    for (text,) in rows:
        tree = parse(text)
        assert isinstance(tree, list | Node)
