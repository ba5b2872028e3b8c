"""Groups kept in the settings file, for nodes without a directory."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from hoopgate.errors import IdentityRefused
from hoopgate.events import Principal
from hoopgate.interfaces import IGroupDirectory
from hoopgate.settings.model import FileDirectory


@implementer(IGroupDirectory)
class FileGroups:
    """Answers from :class:`FileDirectory`. A subject that is in no group is unknown."""

    def __init__(self, settings: FileDirectory) -> None:
        self._groups: dict[str, set[str]] = {}
        for group, subjects in settings.members.items():
            for subject in subjects:
                self._groups.setdefault(subject, set()).add(group)

    def groups(self, principal: Principal) -> Deferred[frozenset[str]]:
        """Fails with :class:`IdentityRefused` (``identity.unknown``)."""
        found = self._groups.get(principal.subject)
        if found is None:
            return fail(IdentityRefused("identity.unknown", "the directory knows no such account"))
        return succeed(frozenset(found))
