"""Which command lines may run at all. Rules say who; this says what, and it never allows.

Where a resource's commands are an allow-list, a line is one simple command of literal words that
an entry of the list describes. Elsewhere a tripwire stops what is known to destroy; it is no
control: a list of bad words is never whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from zope.interface import implementer

from hoopgate.events import Judged, Operation, OperationFacts, SessionFacts
from hoopgate.guardrails.rules import RuleGuard
from hoopgate.interfaces import IGuardrail
from hoopgate.settings.model import CommandEntry, Resource
from hoopgate.shell.readers import looks_here
from hoopgate.shell.words import value_of
from hoopgate.verdicts import Block, Verdict

_LETTERS: Final = re.compile(r"-[A-Za-z0-9]{2,}")
_TRANSFERS: Final = frozenset({"scp", "rsync"})
_WILDCARD: Final = re.compile(r"[*?\[]")
#: Values that no program takes for options of its own, nor for the name of a file to read.
_NUMBER: Final = re.compile(r"-[0-9]+|\+?[0-9]+[kKMGTPE]?[bB]?")
#: ``-n5`` and ``-d,``: no letter in it could be another option where ``-n`` has no value.
_ATTACHED: Final = re.compile(r"(-[A-Za-z0-9])([^A-Za-z/]*)")
_LONG: Final = re.compile(r"(--[A-Za-z0-9][A-Za-z0-9-]*)=(.*)", re.DOTALL)
_COUNTING: Final = frozenset({"head", "tail"})
#: Programs that read the same options and arguments in the same way.
_ALIKE: Final = (
    frozenset({"grep", "egrep", "fgrep", "zgrep"}),
    frozenset({"head", "tail"}),
    frozenset({"awk", "gawk", "mawk"}),
    frozenset({"sha1sum", "sha224sum", "sha256sum", "sha384sum", "sha512sum", "md5sum"}),
)


@implementer(IGuardrail)
class CommandGuard:
    """Refuses command lines that are not on the list of a resource.

    :param resources: all of them; those without SSH are none of its business.
    :param rules: knows whether somebody lets a person decide.
    """

    name = "commands"
    grants = False

    def __init__(
        self,
        entries: Sequence[CommandEntry],
        resources: Mapping[str, Resource],
        rules: RuleGuard,
    ) -> None:
        self._rules = rules
        self._modes = {
            name: resource.ssh.commands for name, resource in resources.items() if resource.ssh
        }
        self._phi = frozenset(name for name, resource in resources.items() if resource.phi)
        self._entries = {
            name: [one for one in entries if not one.resources or name in one.resources]
            for name in self._modes
        }

    def judge(self, judged: Judged, session: SessionFacts, now: float) -> Verdict | None:
        """See :class:`hoopgate.interfaces.IGuardrail`."""
        mode = self._modes.get(session.resource)
        if mode is None or not isinstance(judged.statement, Operation):
            return None
        for facts in judged.facts or ():
            if not isinstance(facts, OperationFacts):
                return _block("unknown", "The command is not understood.", "Use another one.")
            block = None
            if facts.kind in _TRANSFERS and "ssh.exec" not in facts.classes:
                block = self._transfer(facts, session.resource)
            elif "ssh.exec" in facts.classes and mode == "allow":
                block = self._listed(facts, session.resource)
            elif "ssh.exec" in facts.classes:
                block = self._tripwire(facts, session, now)
            if block is not None:
                return block
        return None

    def _listed(self, facts: OperationFacts, resource: str) -> Block | None:
        words = [word for word, _ in facts.attributes.get("ssh.word", ())]
        if not words:
            return _block(
                "not_literal",
                "Only one simple command of literal words may run here: no pipes, variables,"
                " substitutions, patterns, redirections or other shell syntax.",
                "Send single commands, and put words with special characters in single quotes.",
            )
        resolved = dict(facts.attributes.get("ssh.resolved", ()))
        entries = [one for one in self._entries[resource] if words[0] in one.programs]
        home = next((path for path, _ in facts.attributes.get("ssh.home", ())), "")
        there = frozenset(word for word, _ in facts.attributes.get("ssh.there", ()))
        if any(matches(entry, words, resolved, home, there) for entry in entries):
            return None
        if entries:
            return _block(
                "arguments",
                "The command may not run with these arguments.",
                "Leave out options and paths that the list of commands does not have; where there"
                " is no path, name one.",
            )
        return _block(
            "unlisted",
            "The command is not on the list of this resource.",
            "Use SFTP for files, or ask an operator to list it.",
        )

    def _tripwire(self, facts: OperationFacts, session: SessionFacts, now: float) -> Block | None:
        if "destructive" not in facts.flags:
            return None
        if self._rules.approves(facts, session, now, frozenset({"destructive"})):
            return None
        return _block(
            "destructive",
            "The command line names something that destroys.",
            "Ask an operator for an approve rule with the flag destructive.",
        )

    def _transfer(self, facts: OperationFacts, resource: str) -> Block | None:
        if resource in self._phi and "sftp.read" in facts.classes:
            return _block(
                "unmaskable",
                "Files of a resource that holds PHI are not given out by scp -O or rsync.",
                "Use SFTP (sftp, or scp without -O).",
            )
        if facts.kind == "scp" and "recursive" in facts.flags:
            return _block(
                "recursive",
                "Whole directories are not copied by the old protocol of scp, which follows links.",
                "Use SFTP (sftp -r, or scp -r without -O).",
            )
        return None


def matches(
    entry: CommandEntry,
    words: Sequence[str],
    resolved: Mapping[str, str],
    home: str = "",
    there: frozenset[str] = frozenset(),
) -> bool:
    """Whether an entry describes the command line.

    :param resolved: word → the path it leads to, "" where that is not known.
    :param home: of the account, with a slash at its end: what is hidden in it an entry has to name.
    :param there: words that lead to something that there is.
    """
    leads = _Leads(resolved, f"{home}." if home else "", there, entry.paths)
    mixed = not _alike(entry.programs)
    counts = words[0].rpartition("/")[2] in _COUNTING
    rest = list(words[1:])
    operands: list[str] = []
    while rest:
        word = rest.pop(0)
        if word == "--":
            operands += rest
            break
        if not word.startswith("-") or word == "-":
            operands.append(word)
            continue
        if counts and word[1:].isdecimal():
            word = f"-n{word[1:]}"  # what POSIX had before
        # Not every program knows each option, nor any option behind an operand.
        taken = _option(entry.options, word, rest, leads, strict=mixed or bool(operands))
        if taken is None:
            return False
        del rest[:taken]
    if len(operands) < len(entry.arguments):
        return False
    first, named = operands[: len(entry.arguments)], operands[len(entry.arguments) :]
    for one, pattern in zip(first, entry.arguments, strict=True):
        # Where no path is named none is read, but for what the arguments say.
        if not _is(one, pattern, leads) or (entry.paths and not leads.free(one, pattern, mixed)):
            return False
    if not named and entry.paths and looks_here(words) and not leads.covers(home.rstrip("/")):
        return False
    return all(leads.within(one) for one in named)


def _alike(programs: frozenset[str]) -> bool:
    """Whether programs take the same words for options, for values and for files."""
    names = {one.rpartition("/")[2] for one in programs}
    return len(names) < 2 or any(names <= one for one in _ALIKE)


@dataclass(frozen=True, slots=True)
class _Leads:
    """Where words lead.

    :ivar hidden: how the paths begin that a pattern has to name; "" where there are none.
    :ivar there: words that lead to something that there is.
    :ivar paths: patterns of the entry's.
    """

    resolved: Mapping[str, str]
    hidden: str
    there: frozenset[str]
    paths: Sequence[str]

    def to(self, word: str, pattern: str) -> bool:
        """A word leads to a path that a pattern describes."""
        return self._described(self.resolved.get(word, ""), pattern)

    def _described(self, path: str, pattern: str) -> bool:
        shut = self.hidden and path.startswith(self.hidden) and not pattern.startswith(self.hidden)
        return bool(path) and not shut and fnmatchcase(path, pattern)

    def within(self, word: str) -> bool:
        """The same of one of the entry's paths, or to the directory that one is below of."""
        return self.covers(self.resolved.get(word, ""))

    def covers(self, path: str) -> bool:
        """A path is one of the entry's, or the directory that one is below of."""
        return any(
            self._described(path, pattern) or (pattern.endswith("/*") and path == pattern[:-2])
            for pattern in self.paths
        )

    def free(self, word: str, pattern: str, strict: bool) -> bool:
        """A text is no path that nobody allowed, should a program take it for one.

        :param strict: a program may well do: then it is no option either.
        """
        if pattern == word or _leads(pattern):
            return True  # it is just what was said
        if self.within(word) or _NUMBER.fullmatch(word) or word in ("", "-"):
            return True
        if strict and (word.startswith("-") or "/" in word):
            return False
        return word not in self.there or (not strict and ("/" not in word or word == "/"))


def _is(word: str, pattern: str, leads: _Leads) -> bool:
    """Whether a word, or a value in one, is what a pattern describes.

    An absolute path with a wildcard in it describes where the word leads, and not how it is
    written: ``/data/*`` is not ``/data/../etc/passwd``, nor a link of that name.
    """
    if _leads(pattern):
        return leads.to(word, pattern)
    if "/" not in pattern or not _WILDCARD.search(pattern):
        return fnmatchcase(word, pattern)
    return fnmatchcase(word, pattern) and ".." not in word.split("/")


def _leads(pattern: str) -> bool:
    """Whether a pattern describes where a word leads."""
    return pattern.startswith("/") and _WILDCARD.search(pattern) is not None


def _attached(word: str, pattern: str, leads: _Leads, *, strict: bool) -> bool:
    """The same for an option with its value in one word: ``--file=/data/*``, ``-f/data/*``."""
    value, described = value_of(word), value_of(pattern)
    if "/" not in pattern:
        fine = fnmatchcase(word, pattern)
    else:
        fine = fnmatchcase(word.removesuffix(value), pattern.removesuffix(described))
        fine = fine and _is(value, described, leads)
    if not fine:
        return False
    if strict and not word.startswith("--") and pattern[1:2].isalnum() and word != pattern:
        return _leads(described) or _ATTACHED.fullmatch(word) is not None
    return leads.free(value, described, strict=False)


def _option(
    options: Iterable[str], word: str, rest: Sequence[str], leads: _Leads, *, strict: bool
) -> int | None:
    """How many of the words behind an option belong to it; None: it is not allowed.

    :param strict: the value may be an operand, or another option, to the program.
    """
    plain = []
    joined = _ATTACHED.fullmatch(word) or _LONG.fullmatch(word)
    for pattern in options:
        option, space, value = pattern.partition(" ")
        if not space:
            plain.append(pattern)
        elif word == option:
            if rest and _is(rest[0], value, leads) and leads.free(rest[0], value, strict):
                return 1
        elif (
            joined is not None
            and joined[1] == option
            and _is(joined[2], value, leads)
            and leads.free(joined[2], value, strict=False)
        ):
            return 0
    if any(_attached(word, pattern, leads, strict=strict) for pattern in plain):
        return 0
    # -la is -l and -a.
    if _LETTERS.fullmatch(word) and all(f"-{letter}" in plain for letter in word[1:]):
        return 0
    return None


def _block(word: str, message: str, remedy: str) -> Block:
    return Block(f"commands/{word}", f"command.{word}", message, remedy)
