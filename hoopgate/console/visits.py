"""What a page is made from: the node's parts, and who asks for what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hoopgate.console.html import Markup
from hoopgate.console.logins import Login
from hoopgate.errors import Refused
from hoopgate.events import Principal
from hoopgate.settings.packs import read_pack

if TYPE_CHECKING:
    from hoopgate.approvals.service import Approvals
    from hoopgate.console.archive import Archive
    from hoopgate.gateway.node import Node
    from hoopgate.gateway.rules import Rules
    from hoopgate.interfaces import IIdentityVerifier
    from hoopgate.recorder.gate import Log
    from hoopgate.settings.model import Console, Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """The running node, as the console sees it.

    :ivar archive: the log on the disk, read by threads.
    :ivar now: seconds since the epoch.
    """

    settings: Settings
    console: Console
    node: Node
    approvals: Approvals
    recorder: Log
    verifier: IIdentityVerifier
    rules: Rules
    archive: Archive
    reactor: Any
    now: Callable[[], float]

    def reviewer_groups(self) -> frozenset[str]:
        """Groups that some rule in force names as reviewers."""
        policy = self.rules.pipeline.policy
        rules = [*policy.rules, *(rule for pack in policy.packs for rule in read_pack(pack))]
        return frozenset().union(*(rule.reviewers for rule in rules))


@dataclass(frozen=True, slots=True)
class Roles:
    """What somebody may see, by the groups he is in now."""

    reviewer: bool
    auditor: bool
    operator: bool

    @property
    def any(self) -> bool:
        """He may be here at all."""
        return self.reviewer or self.auditor or self.operator

    def demand(self, *roles: str) -> None:
        """
        :raises Refused: ``console.role``: he has none of them.
        """
        if not any(getattr(self, role) for role in roles):
            raise Refused("console.role", f"this page is for {' and '.join(_plural(roles))}")


def _plural(roles: tuple[str, ...]) -> list[str]:
    return [f"{role}s" for role in roles]


def roles_of(parts: Parts, principal: Principal) -> Roles:
    """The roles that the settings and the rules in force give to these groups."""
    groups = principal.groups
    return Roles(
        bool(groups & parts.reviewer_groups()),
        bool(groups & parts.console.auditors),
        bool(groups & parts.console.operators),
    )


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is logged in.

    :ivar login: None: the request came with a token of its own (the JSON API).
    :ivar query: its parameters, each once.
    :ivar form: the body's fields.
    :ivar passive: a page renews itself; nobody looks at something new.
    """

    parts: Parts
    who: Principal
    roles: Roles
    path: str
    login: Login | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    passive: bool = False

    @property
    def csrf(self) -> str:
        """The value of the forms' hidden field."""
        return self.login.csrf if self.login is not None else ""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer for people.

    :ivar at: path of the entry of the navigation that it belongs to.
    :ivar plays: it has the player of terminals, which is WebAssembly.
    """

    title: str
    body: Markup
    at: str = ""
    status: int = 200
    plays: bool = False


@dataclass(frozen=True, slots=True)
class Redirect:
    """See that page."""

    path: str


@dataclass(frozen=True, slots=True)
class Data:
    """An answer for programs."""

    content: object
    status: int = 200


@dataclass(frozen=True, slots=True)
class File:
    """An answer to keep: no browser shows it."""

    name: str
    kind: str
    content: bytes = field(repr=False)


Answer = Page | Redirect | Data | File
