"""What a command line is, by tree-sitter's grammar of bash. Runs in a child process.

Two opinions have to agree before a line counts as literal words: the grammar's, that it is one
simple command without anything in it that a shell acts on, and :mod:`hoopgate.shell.words`'.
"""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

import re
from typing import Final

import tree_sitter
import tree_sitter_bash

from hoopgate.shell.line import Line
from hoopgate.shell.words import literal_words

_PARSER: Final = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))

_LITERAL: Final = frozenset(
    ["word", "raw_string", "string", "string_content", "concatenation", "number", "command_name"]
)
_EXPANSIONS: Final = frozenset(
    [
        "simple_expansion",
        "expansion",
        "command_substitution",
        "process_substitution",
        "arithmetic_expansion",
        "ansi_c_string",
        "translated_string",
        "brace_expression",
        "extglob_pattern",
        "regex",
    ]
)
_REDIRECTIONS: Final = frozenset(
    ["file_redirect", "heredoc_redirect", "herestring_redirect", "redirected_statement"]
)
_GLOB: Final = re.compile(r"[*?\[~{]")

#: Programs that destroy, and those that run whatever they are told. A tripwire: no list is whole.
DESTROYERS: Final = frozenset(
    """
    rm rmdir unlink shred dd mkfs wipefs truncate fdisk parted mkswap blkdiscard sgdisk
    shutdown reboot halt poweroff kill killall pkill userdel groupdel chattr
    """.split()
)
INTERPRETERS: Final = frozenset(
    """
    sh bash dash zsh ksh csh tcsh fish busybox eval exec source . env xargs nohup setsid sudo
    su doas python python2 python3 perl ruby node php lua awk gawk mawk sed vi vim nano ed ex
    emacs less more man ssh nc ncat socat curl wget crontab at batch psql mysql sqlite3 git
    make expect timeout nice stdbuf watch script parallel systemd-run
    """.split()
)
_DESTRUCTIVE_OPTIONS: Final = frozenset(["-delete", "-exec", "-execdir", "-ok", "--delete"])
_REDIRECT_TARGETS: Final = re.compile(rb">\s*/(dev/(sd|nvme|vd|mem)|etc/|boot/)")


def analyze(text: str) -> Line:
    """What ``text`` is. Never raises for what stands in it."""
    source = text.encode("utf-8", "surrogatepass")
    tree = _PARSER.parse(source)
    kinds: set[str] = set()
    names: set[str] = set()
    stack = [tree.root_node]
    commands = 0
    while stack:
        node = stack.pop()
        kinds.add(node.type)
        if node.is_missing:
            kinds.add("ERROR")
        if node.type == "command":
            commands += 1
        elif node.type in ("command_name", "word"):
            names.add(source[node.start_byte : node.end_byte].decode("utf-8", "replace"))
        stack.extend(node.children)
    words = literal_words(text)
    simple = (
        words is not None
        and commands == 1
        and not tree.root_node.has_error
        and _is_simple(tree.root_node, len(words))
    )
    if simple and words is not None:
        return Line(words, _words_flags(words))
    return Line((), _flags(kinds, names, source, text))


def _is_simple(root: tree_sitter.Node, count: int) -> bool:
    """One command of as many literal parts as there are words."""
    if [child.type for child in root.named_children] != ["command"]:
        return False
    command = root.named_children[0]
    if command.start_byte != root.start_byte and root.start_byte == 0:
        return False
    if len(command.children) != count:
        return False
    stack = list(command.children)
    while stack:
        node = stack.pop()
        if node.is_named and node.type not in _LITERAL:
            return False
        stack.extend(node.named_children)
    return True


def _words_flags(words: tuple[str, ...]) -> frozenset[str]:
    flags = set()
    program = words[0].rpartition("/")[2]
    if program in DESTROYERS or program.startswith("mkfs") or _DESTRUCTIVE_OPTIONS & set(words):
        flags.add("destructive")
    if program in INTERPRETERS:
        flags.add("interpreter")
    return frozenset(flags)


def _flags(kinds: set[str], names: set[str], source: bytes, text: str) -> frozenset[str]:
    flags = {"not_literal"}
    if "ERROR" in kinds or not text.strip():
        flags.add("unparsable")
    if kinds & _EXPANSIONS or _GLOB.search(text):
        flags.add("shell_expansion")
    if kinds & _REDIRECTIONS:
        flags.add("shell_redirection")
    if not kinds <= {"program", "command", *_LITERAL, *_EXPANSIONS}:
        flags.add("shell_compound")
    programs = {name.rpartition("/")[2] for name in names}
    if (
        programs & DESTROYERS
        or names & _DESTRUCTIVE_OPTIONS
        or any(name.startswith("mkfs") for name in programs)
        or _REDIRECT_TARGETS.search(source)
    ):
        flags.add("destructive")
    if programs & INTERPRETERS:
        flags.add("interpreter")
    return frozenset(flags)
