"""What a node needs of this room: keys, examiners, factories."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from twisted.conch.ssh.keys import Key

from hoopgate.errors import Refused
from hoopgate.identity.device_flow import DeviceFlowClient
from hoopgate.shell.line import Line
from hoopgate.ssh import certificates
from hoopgate.ssh.backend import load_key
from hoopgate.ssh.examiner import SSHExaminer
from hoopgate.ssh.factory import SSHFactory
from hoopgate.ssh.identities import DeviceFlows
from hoopgate.ssh.keys import AUTHORITY, HOST_KEY, host_keys, own_key
from hoopgate.ssh.known_hosts import public_blob
from hoopgate.ssh.side import SidePaths

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime

    from hoopgate.events import Principal
    from hoopgate.identity.credentials import Credential
    from hoopgate.interfaces import IGateway, ISecretSource
    from hoopgate.settings.model import DeviceLogin, Listener, Resource, Settings


class SSHRoom:
    """SSH on one node."""

    def __init__(self, settings: Settings, reactor: IReactorTime) -> None:
        self._settings = settings
        self._reactor = reactor
        self._host_keys: dict[str, dict[bytes, Key]] = {}
        self._sides: list[SidePaths] = []

    def needed(self) -> bool:
        """Whether the settings speak of SSH at all."""
        return any(one.protocol == "ssh" for one in self._settings.resources.values())

    def read_keys(self) -> None:
        """Read the host keys that the settings name: it may need rights that are dropped next.

        :raises OSError: one cannot be read.
        :raises ValueError: one is no private key.
        """
        for listener in self._settings.listeners:
            if listener.ssh is not None and listener.ssh.host_keys:
                keys = [load_key(path) for path in listener.ssh.host_keys]
                self._host_keys[listener.name] = host_keys(keys)

    def authority(self) -> Ed25519PrivateKey:
        """The key that signs user certificates; made at the first start.

        :raises OSError: it cannot be read or written.
        :raises ValueError: it is no such key.
        """
        return own_key(self._settings.node.state_dir / "keys" / AUTHORITY)

    def certify(self, public_key: str, credential: Credential) -> str:
        """A user certificate that stands for a session credential, and ends with it.

        :raises Refused: ``certificate.key``, or ``certificate.resource``: it is not one for SSH.
        """
        resource = self._settings.resources.get(credential.resource)
        if resource is None or resource.ssh is None:
            raise Refused("certificate.resource", "the resource does not speak SSH")
        return certificates.issue(
            self.authority(),
            public_key,
            credential=credential.user,
            principals=[credential.user, credential.principal.subject],
            now=time.time(),
            expires=credential.principal.expires_at,
        )

    def examiners(
        self,
        secrets: ISecretSource,
        itself: Principal,
        parse: Callable[[str], Deferred[Line]],
    ) -> Mapping[str, SSHExaminer]:
        """Of every resource that speaks SSH."""
        found = {}
        for resource in self._settings.resources.values():
            if resource.ssh is not None:
                side = SidePaths(self._reactor, resource, secrets, itself)
                self._sides.append(side)
                found[resource.name] = SSHExaminer(resource, side, parse)
        return found

    def factory(
        self, gateway: IGateway, listener: Listener, resources: dict[str, Resource]
    ) -> SSHFactory:
        """The factory of a listener.

        :raises OSError: a key of the node's own cannot be read or written.
        :raises SettingsError: a file of certificates of an issuer cannot be used.
        """
        authority = public_blob(self.authority().public_key())
        factory = SSHFactory(
            self._reactor, gateway, listener, resources, self._keys_of(listener), authority
        )
        if listener.ssh is not None and listener.ssh.device is not None:
            factory.devices = self._devices(listener.ssh.device)
        return factory

    def _devices(self, device: DeviceLogin) -> DeviceFlows:
        issuer = next(one for one in self._settings.issuers if one.name == device.issuer)
        return DeviceFlows(DeviceFlowClient(self._reactor, issuer, device.client_id))

    def public_host_keys(self, listener: Listener) -> list[str]:
        """The host keys that clients of a listener may be shown, as in OpenSSH's known_hosts.

        :raises OSError: the node's own key cannot be read or written.
        """
        keys = {key.public().toString("OPENSSH") for key in self._keys_of(listener).values()}
        return sorted(line.decode() for line in keys)

    def _keys_of(self, listener: Listener) -> dict[bytes, Key]:
        keys = self._host_keys.get(listener.name)
        if keys is None:
            own = own_key(self._settings.node.state_dir / "keys" / HOST_KEY)
            keys = self._host_keys[listener.name] = host_keys([Key(own)])
        return keys

    def stop(self) -> None:
        """End the gateway's own connections."""
        for side in self._sides:
            side.stop()
