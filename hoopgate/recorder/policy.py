"""Whom to trust with a log's head: a policy, handed over out of band (c2sp.org/tlog-policy).

::

    log      gw-1.example.org/hoopgate+0f7c…+AQ…
    witness  city   city.example.net/witness+91…+BA…  https://witness.city.example.net/
    witness  county county.example.net/witness+7d…+BA…
    group    both   all  city county
    quorum   both

What the specification calls no policy is none here either: two readers of one file must not come to
trust different witnesses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from hoopgate.recorder.cosign import WitnessKey
from hoopgate.recorder.errors import BadNote
from hoopgate.recorder.note import Checkpoint, Note, Verifier, open_checkpoint

_Key = TypeVar("_Key", Verifier, WitnessKey)

_NONE = "none"
#: Of the controls, a policy holds tabs and newlines; nothing but tabs and spaces is between words.
_CONTROL = re.compile(r"[^\t\n -~\x80-\U0010ffff]")
_SPACE = re.compile(r"[\t ]+")


@dataclass(frozen=True, slots=True)
class Group:
    """Satisfied when ``threshold`` of ``members`` (witnesses or groups) are."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """The keys of logs and witnesses that are trusted, and how many witnesses it takes.

    :ivar quorum: name of a witness or group; ``none``: it takes no witness.
    """

    logs: tuple[Verifier, ...]
    witnesses: Mapping[str, WitnessKey] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    quorum: str = _NONE

    @classmethod
    def parse(cls, text: str) -> Policy:
        """:raises BadNote: not a policy; says which line."""
        logs: list[Verifier] = []
        witnesses: dict[str, WitnessKey] = {}
        groups: dict[str, Group] = {}
        quorum = ""
        for number, line in enumerate(text.split("\n"), 1):
            words = _SPACE.split(line.strip("\t "))
            try:
                if _CONTROL.search(line):
                    raise BadNote("a control character")
                match words:
                    case [first, *_] if not first or first.startswith("#"):
                        continue
                    case ["log", key] | ["log", key, _]:
                        logs.append(_other(Verifier.parse(key), logs))
                    case ["witness", name, key] | ["witness", name, key, _]:
                        _new(name, witnesses, groups)
                        witnesses[name] = _other(WitnessKey.parse(key), witnesses.values())
                    case ["group", name, threshold, *members] if members:
                        _new(name, witnesses, groups)
                        groups[name] = _group(threshold, members, witnesses, groups)
                    case ["quorum", name] if not quorum:
                        if name != _NONE and name not in witnesses and name not in groups:
                            raise BadNote(f"{name} is no witness or group of the lines above")
                        quorum = name
                    case _:
                        raise BadNote("not a line of a policy")
            except BadNote as error:
                raise BadNote(f"policy, line {number}: {error}") from None
        if not logs or not quorum:
            raise BadNote("a policy has a log and a quorum (which may be none)")
        return cls(tuple(logs), witnesses, groups, quorum)

    def check(self, data: bytes) -> tuple[Checkpoint, dict[str, int]]:
        """A checkpoint, and when each witness cosigned it (seconds since the epoch).

        :raises BadNote: malformed, not signed by the log, a signature is wrong, or too few
            witnesses cosigned.
        """
        note = Note.parse(data)
        checkpoint = open_checkpoint(data, self.logs)
        times: dict[str, int] = {}
        for name, witness in self.witnesses.items():
            time = witness.cosigned(note)
            if time is not None:
                times[name] = time
        if self.quorum != _NONE and not self._met(self.quorum, times):
            raise BadNote(
                f"the policy asks for {self.quorum}, and "
                + (f"only {', '.join(times)} cosigned" if times else "no witness cosigned")
            )
        return checkpoint, times

    def _met(self, name: str, times: Mapping[str, int]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name in times
        return sum(self._met(member, times) for member in group.members) >= group.threshold


def _new(name: str, *taken: Mapping[str, object]) -> None:
    if name == _NONE or any(name in names for names in taken):
        raise BadNote(f"the name {name} is taken")


def _other(key: _Key, keys: Iterable[_Key]) -> _Key:
    """A key under two names would count twice."""
    if any(key.public == other.public for other in keys):
        raise BadNote("the same key is there under another name")
    return key


def _group(
    threshold: str,
    members: list[str],
    witnesses: Mapping[str, WitnessKey],
    groups: Mapping[str, Group],
) -> Group:
    for member in members:
        if member not in witnesses and member not in groups:
            raise BadNote(f"{member} is no witness or group of the lines above")
    # In two groups, one witness would count twice for a group of both.
    taken = [name for group in groups.values() for name in group.members]
    if len({*members, *taken}) < len(members) + len(taken):
        raise BadNote("a witness or a group is a member once, and of one group")
    wanted = {"any": 1, "all": len(members)}.get(threshold)
    if wanted is None:
        if re.fullmatch("[0-9]{1,9}", threshold) is None:
            raise BadNote("a group asks for any, all, or a number of its members")
        wanted = int(threshold)
    if not 1 <= wanted <= len(members):
        raise BadNote("a group asks for no more members than it has, and for one at least")
    return Group(wanted, tuple(members))
