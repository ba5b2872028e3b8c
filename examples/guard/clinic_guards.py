"""A guard of one's own: who changes data does it for a person.

In ``hoopgate.toml``, where this module is installed beside hoopgate::

    [policy]
    guards = ["clinic_guards:accountable"]
"""

from __future__ import annotations

from collections.abc import Mapping

from zope.interface import implementer

from hoopgate.events import Judged, SessionFacts
from hoopgate.interfaces import IGuardrail
from hoopgate.settings.model import Policy, Resource
from hoopgate.verdicts import Block, Verdict

#: Classes of SQL, of HTTP and FHIR, of files over SSH: docs/rules.md, docs/http.md, docs/ssh.md.
CHANGES = frozenset(
    {
        *("insert", "update", "delete", "merge", "truncate", "copy.from"),
        *("http.write", "http.delete"),
        *("fhir.create", "fhir.update", "fhir.patch", "fhir.delete"),
        *("sftp.write", "sftp.remove", "sftp.rename"),
    }
)


@implementer(IGuardrail)
class Accountable:
    """Blocks changes by an agent whose token names nobody that it runs for.

    Rules can match groups, scopes, classes, times. They cannot say this.
    """

    #: Shown where the guard fails.
    name = "accountable"

    def judge(self, judged: Judged, session: SessionFacts, now: float) -> Verdict | None:
        """Asked for every statement and operation, on the gateway's own thread: no waiting.

        :param judged: ``facts`` has one entry per statement, never empty here.
        :param session: whose it is; ``owner`` is the claim that ``owner_claim`` names.
        :param now: seconds since the epoch; a guard has no clock of its own.
        :return: None: no opinion. A rule still has to allow it.
        """
        changes = any(facts.classes & CHANGES for facts in judged.facts or ())
        if not changes or session.principal.owner:
            return None
        return Block(
            rule="accountable/owner",
            reason="accountable.nobody",
            message="An agent that runs for nobody may not change data.",
            remedy="Ask for a token that names its owner.",
        )


def accountable(policy: Policy, resources: Mapping[str, Resource]) -> Accountable:
    """What ``policy.guards`` names. Called at the start, at each reload, and by ``hoopgate check``.

    :param policy: rules, labels, packs, as they stand in the settings.
    :param resources: by name; ``resource.phi`` says whether it holds PHI.
    """
    return Accountable()
