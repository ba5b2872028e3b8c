"""Who a client is: from what it shows in a login to a principal and a resource.

Nothing of SSH's messages is in here, and nothing of what the identity may do.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from twisted.conch.ssh.keys import Key

from hoopgate.errors import IdentityRefused
from hoopgate.ssh.authentication import split_user
from hoopgate.ssh.certificates import UserCertificate, check_user_certificate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hoopgate.events import Principal
    from hoopgate.identity.device_flow import Begun, DeviceFlowClient
    from hoopgate.interfaces import IGateway
    from hoopgate.settings.model import Resource

#: Device flows that are open at once, of one address and in all: whoever can connect can begin one.
_MOST_OF_ADDRESS: Final = 8
_MOST: Final = 64


class DeviceFlows:
    """The device flows of a listener.

    :param client: asks the issuer.
    """

    def __init__(self, client: DeviceFlowClient) -> None:
        self._client = client
        self._open: dict[str, int] = {}

    async def begin(self, address: str, resource: Resource) -> Begun | None:
        """What a person is asked to do; None: too many are open. :meth:`close` has to follow.

        :raises IdentityRefused: the issuer gives no code.
        """
        open_ = self._open.get(address, 0)
        if open_ >= _MOST_OF_ADDRESS or sum(self._open.values()) >= _MOST:
            return None
        self._open[address] = open_ + 1
        try:
            return await self._client.begin(resource.scope or "")
        except BaseException:
            self.close(address)
            raise

    async def token(self, begun: Begun) -> str:
        """The token, once the person has answered.

        :raises IdentityRefused: there is none.
        """
        return await self._client.token(begun)

    def close(self, address: str) -> None:
        """A flow that was begun is over, whichever way."""
        left = self._open.pop(address, 1) - 1
        if left:
            self._open[address] = left


def instruction(begun: Begun, resource: str) -> str:
    """What a person is told to do."""
    lines = [
        f"To log in to {resource}, open {begun.uri}",
        f"and type the code {begun.user_code} within {begun.seconds / 60:.0f} min.",
    ]
    if begun.complete_uri:
        lines.append(f"Or open {begun.complete_uri}")
    lines.append("Allow it only if you have begun this log-in yourself.")
    return "\n".join(lines)


class Identities:
    """What is shown on one connection.

    :param resources: what can be named here.
    :param authority: blob of the key that signs user certificates.
    :param peer: the client's address, without its port.
    :param security_keys: ``accept``, ``refuse`` or ``require``.
    """

    def __init__(
        self,
        gateway: IGateway,
        resources: Mapping[str, Resource],
        separator: str,
        authority: bytes,
        peer: str,
        security_keys: str = "accept",
    ) -> None:
        self._gateway = gateway
        self._resources = resources
        self._separator = separator
        self._authority = authority
        self._peer = peer
        self._security_keys = security_keys

    def names(self, user: str) -> tuple[str, Resource]:
        """Name and resource of a user name.

        :raises IdentityRefused: it is ambiguous, or names no resource of the listener.
        """
        name, wanted = split_user(user, self._separator)
        if not wanted and len(self._resources) == 1:
            (wanted,) = self._resources
        resource = self._resources.get(wanted)
        if resource is None:
            raise IdentityRefused(
                "resource.unknown",
                f"write the user name as name{self._separator}resource, with a resource of this"
                " listener",
            )
        return name, resource

    def certificate(self, blob: bytes, name: str, resource: Resource) -> UserCertificate:
        """What a certificate says; who shows it may not have its key.

        :raises IdentityRefused: it is not in order, or its credential has ended.
        """
        found = check_user_certificate(
            blob, authority=self._authority, name=name, peer=self._peer, now=time.time()
        )
        unwanted = "require" if isinstance(found.key, Key) else "refuse"
        if self._security_keys == unwanted:
            which = "only security keys (sk-…)" if unwanted == "require" else "no security keys"
            raise IdentityRefused("identity.security_key", f"{which} are accepted here")
        self._gateway.credentials.principal(found.credential, resource.name)
        return found

    async def proven(self, certificate: UserCertificate, resource: Resource) -> Principal:
        """Whom a certificate stands for, whose key has signed.

        :raises Refused: its credential has ended, or the directory says no.
        """
        principal = self._gateway.credentials.principal(certificate.credential, resource.name)
        return await self._gateway.confirm(principal, resource)

    async def secret(self, secret: str, name: str, resource: Resource) -> Principal:
        """Whom a token, or the password of a session credential, stands for.

        :raises Refused: nobody.
        """
        if secret.count(".") == 2:
            return await self._gateway.verify(secret, resource)
        credentials = self._gateway.credentials
        if not credentials.verifier(name).proves(secret):
            raise IdentityRefused("identity.credential", "the session credential is not in force")
        return await self._gateway.confirm(credentials.principal(name, resource.name), resource)
