"""The list of commands, and what scp and rsync ask of the other side."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.errors import Refused
from hoopgate.guardrails.commands import matches
from hoopgate.settings.model import CommandEntry
from hoopgate.shell.transfers import transfer
from hoopgate.shell.words import value_of

LOOK = CommandEntry(
    "look",
    frozenset({"cat"}),
    options=("-l", "-a", "--lines=*", "-n *"),
    arguments=(),
    paths=("/data/public/*",),
)
SEARCH = CommandEntry(
    "search", frozenset({"grep"}), options=("-i",), arguments=("*",), paths=("/d/*",)
)


def check(entry: CommandEntry, *words: str) -> bool:
    """A path leads to itself; what is relative leads nowhere."""
    resolved = {word: word if word.startswith("/") else "" for word in words}
    return matches(entry, words, resolved)


@pytest.mark.parametrize(
    "words",
    [
        ("cat",),
        ("cat", "/data/public/x"),
        ("cat", "/data/public/x", "/data/public/y/z"),
        ("cat", "/data/public"),
        ("cat", "-l", "/data/public/x"),
        ("cat", "-la", "/data/public/x"),
        ("cat", "--lines=3", "/data/public/x"),
        ("cat", "-n", "3", "/data/public/x"),
        ("cat", "--", "/data/public/x"),
    ],
)
def test_what_an_entry_describes(words: tuple[str, ...]) -> None:
    assert check(LOOK, *words)


@pytest.mark.parametrize(
    "words",
    [
        ("cat", "/data/secret"),
        ("cat", "/data/publicly"),
        ("cat", "/data"),
        ("cat", "relative"),
        ("cat", "-"),
        ("cat", "-x", "/data/public/x"),
        ("cat", "-lx", "/data/public/x"),
        ("cat", "--lines", "3"),
        ("cat", "-n"),
        ("cat", "--files-from=/data/public/x"),
        ("cat", "--", "-l"),
        ("cat", "-l", "--", "/data/public/x", "/etc/passwd"),
    ],
)
def test_what_it_does_not(words: tuple[str, ...]) -> None:
    assert not check(LOOK, *words)


def test_arguments_stand_before_paths() -> None:
    assert check(SEARCH, "grep", "-i", "pattern", "/d/x")
    assert check(SEARCH, "grep", "/etc/passwd", "/d/x")  # it is what is looked for
    assert not check(SEARCH, "grep", "-i")
    assert not check(SEARCH, "grep", "pattern", "/etc/passwd")


#: Where words lead: links, ``..`` and relative names as the server resolves them.
LEADS = {
    "/data/list": "/data/list",
    "/data/../etc/shadow": "/etc/shadow",
    "/data/link": "/etc/shadow",
    "../etc/shadow": "/etc/shadow",
    "list": "/data/list",
    "./list": "/data/list",
    "=/etc/shadow": "/home/=/etc/shadow",
    "/etc/shadow": "/etc/shadow",
    "/etc/a=b": "/etc/a=b",
    "/data/a=b": "/data/a=b",
}


@pytest.mark.parametrize(
    ("options", "arguments", "words", "fine"),
    [
        (options, arguments, (form, path) if apart else (form + path,), fine)
        for options, arguments, form, apart in [
            (("-f /data/*",), (), "-f", True),
            (("--file /data/*",), (), "--file", True),
            (("--file=/data/*",), (), "--file=", False),
            (("--f*=/data/*",), (), "--file=", False),
            (("-f/data/*",), (), "-f", False),
            (("-f=/data/*",), (), "-f=", False),
            ((), ("/data/*",), "", False),
        ]
        for path, fine in [
            ("/data/list", True),
            ("/data/a=b", True),
            ("/data/../etc/shadow", False),
            ("/data/link", False),
            ("../etc/shadow", False),
            ("/etc/shadow", False),
            ("/etc/a=b", False),
            ("", False),
        ]
    ],
    ids=str,
)  # fmt: skip
def test_a_path_in_any_word_is_where_it_leads(
    options: tuple[str, ...], arguments: tuple[str, ...], words: tuple[str, ...], fine: bool
) -> None:
    entry = CommandEntry("x", frozenset({"p"}), options=options, arguments=arguments)
    assert matches(entry, ("p", *words), LEADS) is fine


def test_what_is_hidden_in_the_home_has_to_be_named() -> None:
    """A list that lets a program write in the home would let it write what runs there."""
    leads = {one: one for one in ("/home/a/x", "/home/a/.bashrc", "/home/a/.ssh/rc", "/home/b/.x")}
    wide = CommandEntry("x", frozenset({"p"}), options=("-t /home/*",), paths=("/home/*",))
    for path, fine in zip(leads, (True, False, False, True), strict=True):
        assert matches(wide, ("p", path), leads, "/home/a/") is fine
        assert matches(wide, ("p", "-t", path), leads, "/home/a/") is fine
    named = CommandEntry("x", frozenset({"p"}), paths=("/home/a/.ssh/*",))
    assert matches(named, ("p", "/home/a/.ssh/rc"), leads, "/home/a/")
    assert not matches(named, ("p", "/home/a/.bashrc"), leads, "/home/a/")
    both = CommandEntry("x", frozenset({"p"}), paths=("/home/a/.ssh/*", "/home/*"))
    assert matches(both, ("p", "/home/a/.ssh/rc"), leads, "/home/a/")
    assert not matches(both, ("p", "/home/a/.bashrc"), leads, "/home/a/")


def test_relative_patterns_go_nowhere_up() -> None:
    entry = CommandEntry("x", frozenset({"p"}), options=("--include=*/x", "--sep=/"))
    assert matches(entry, ("p", "--include=a/x", "--sep=/"), {})
    assert not matches(entry, ("p", "--include=../x"), {})
    assert not matches(entry, ("p", "--sep=//"), {})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--file=/x", "/x"),
        ("--file=a=b", "a=b"),
        ("-f=/x", "/x"),
        ("-f/x=y", "/x=y"),
        ("-f/x", "/x"),
        ("-f", ""),
        ("--file", ""),
        ("--", ""),
        ("-", ""),
    ],
)
def test_values_of_options(option: str, value: str) -> None:
    assert value_of(option) == value
    assert option.endswith(value)


@given(st.lists(st.text(max_size=10), max_size=6))
def test_no_words_pass_without_their_paths(words: list[str]) -> None:
    entry = CommandEntry("x", frozenset({"p"}), paths=("/d/*",))
    assert matches(entry, ["p", *words], {}) == (not [one for one in words if one != "--"] or False)


def test_transfers() -> None:
    found = transfer(("scp", "-v", "-t", "--", "/d/x"))
    assert found is not None
    assert (found.writes, found.paths, found.flags) == (True, ("/d/x",), frozenset())
    assert found.words_for(("/e",)) == ("scp", "-v", "-t", "--", "/e")
    found = transfer(("rsync", "--server", "--sender", "-logDtpre.iLsfxCIvu", ".", "/d/"))
    assert found is not None
    assert not found.writes
    assert found.words_for(("/e",))[-1] == "/e/"
    found = transfer(("rsync", "--server", "-logDtpre.iLsfxCIvu", "--delete", ".", "/d"))
    assert found is not None
    assert found.flags == {"recursive", "destructive"}


@pytest.mark.parametrize("words", [("ls",), ("scp", "a", "b"), ("rsync", "-a", "x", "y")])
def test_what_is_no_transfer(words: tuple[str, ...]) -> None:
    assert transfer(words) is None


@pytest.mark.parametrize(
    "words",
    [
        ("scp", "-t", "-f", "x"),
        ("scp", "-t", "-S", "/bin/sh", "x"),
        ("scp", "-t", "-oProxyCommand=x", "y"),
        ("scp", "-f", "a", "b"),
        ("scp", "-t"),
        ("rsync", "--server", "-e", "sh -c x", ".", "/d"),
        ("rsync", "--server", "--rsync-path=x", ".", "/d"),
        ("rsync", "--server", "--log-file=/etc/x", ".", "/d"),
        ("rsync", "--server", "-K", ".", "/d"),
        ("rsync", "--server", "-vL", ".", "/d"),
        ("rsync", "--server", "--copy-dest=/etc", ".", "/d"),
        ("rsync", "--server", "-v", "."),
        ("rsync", "--server", "--daemon", ".", "/d"),
    ],
)
def test_transfers_that_are_not_understood(words: tuple[str, ...]) -> None:
    with pytest.raises(Refused, match="not known"):
        transfer(words)
