"""Group names as the settings write them.

In LDAP the case of a name says nothing (caseIgnoreMatch, RFC 4519 2.3): who is in ``Staff`` is in
``staff``. A rule that blocks ``staff`` must not miss him for how the directory writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hoopgate.settings.model import Policy, Settings
from hoopgate.settings.packs import read_pack


class Spellings:
    """Of all groups that settings and rules in force mention.

    :param policy: the one in force.
    """

    def __init__(self, settings: Settings, policy: Callable[[], Policy]) -> None:
        self._settings = settings
        self._policy = policy
        self._of: Policy | None = None
        self._known: dict[str, set[str]] = {}

    def __call__(self, groups: frozenset[str]) -> frozenset[str]:
        """``groups``, also as they are mentioned."""
        policy = self._policy()
        if policy is not self._of:
            self._known = {}
            for name in _mentioned(self._settings, policy):
                self._known.setdefault(name.casefold(), set()).add(name)
            self._of = policy
        return groups.union(*(self._known.get(name.casefold(), ()) for name in groups))


def _mentioned(settings: Settings, policy: Policy) -> Iterator[str]:
    rules = [*policy.rules, *(rule for pack in policy.packs for rule in read_pack(pack))]
    for rule in rules:
        yield from rule.match.groups | rule.reviewers
    for budget in policy.budgets:
        yield from budget.match.groups | budget.reviewers
    if settings.console is not None:
        yield from settings.console.auditors | settings.console.operators
    if settings.exchange is not None:
        yield from settings.exchange.operators
