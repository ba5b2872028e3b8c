"""A private OpenLDAP server: LDAPS and StartTLS, its own data directory and ports.

As root it runs as an unprivileged user; nothing of the machine's own slapd is touched.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import ldap3
from ldap3.utils.dn import escape_rdn

from testbed.certificates import Certificates, write_private
from testbed.parts import debian
from testbed.ports import free_port
from testbed.process import Server, ServerFailed, unprivileged_user

_SCHEMAS = Path("/etc/ldap/schema")
_CONFIGURATION = """
include {schemas}/core.schema
include {schemas}/cosine.schema
include {schemas}/inetorgperson.schema
include {schemas}/nis.schema
include {schemas}/dyngroup.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload dynlist
moduleload ppolicy
attributetype ( 1.3.6.1.4.1.4203.666.1.901 NAME 'userAccountControl' SINGLE-VALUE
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 )
attributetype ( 1.3.6.1.4.1.4203.666.1.902 NAME 'accountExpires' SINGLE-VALUE
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 )
attributetype ( 1.3.6.1.4.1.4203.666.1.903 NAME 'nsAccountLock' SINGLE-VALUE
  EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( 1.3.6.1.4.1.4203.666.3.901 NAME 'accountStatus' AUXILIARY
  MAY ( userAccountControl $ accountExpires $ nsAccountLock ) )
pidfile {directory}/slapd.pid
argsfile {directory}/slapd.args
TLSCACertificateFile {directory}/ca.pem
TLSCertificateFile {directory}/server.pem
TLSCertificateKeyFile {directory}/server.key
TLSVerifyClient never
{options}
database mdb
maxsize 67108864
suffix "{base}"
rootdn "{admin_dn}"
rootpw {admin_password}
directory {directory}/data
dbnosync
index objectClass,uid,member,uniqueMember,memberUid eq
{overlay}
overlay ppolicy
access to attrs=userPassword by anonymous auth by * none
access to * by users read by anonymous auth
"""

#: memberOf computed at each search, with all groups above a group (slapo-dynlist(5)); and groups
#: whose members are who a search finds.
DYNLIST = """overlay dynlist
dynlist-attrset groupOfURLs memberURL member+memberOf@groupOfNames*"""


def entry(dn: str, classes: Iterable[str], **attributes: str | Iterable[str]) -> str:
    """One entry as LDIF."""
    lines = [f"dn: {dn}", *(f"objectClass: {name}" for name in classes)]
    for name, values in attributes.items():
        lines += [f"{name}: {value}" for value in ([values] if isinstance(values, str) else values)]
    return "\n".join(lines) + "\n\n"


class Slapd:
    """An OpenLDAP server with people under ``ou=people`` and groups under ``ou=groups``.

    :ivar url: ``ldaps://127.0.0.1:…``.
    :ivar plain_url: ``ldap://127.0.0.1:…``, which also does StartTLS.
    :ivar ca_file: PEM file of the authority that signed the server's certificate.
    :ivar admin_dn: may read and write everything; ``admin_password`` is its password.
    :ivar reader_dn: may read; ``reader_password`` is its password.
    """

    base = "dc=example,dc=org"
    people = f"ou=people,{base}"
    groups = f"ou=groups,{base}"
    admin_dn = f"cn=admin,{base}"
    admin_password = "admin of the testbed"
    reader_dn = f"cn=reader,{base}"
    reader_password = "reader of the testbed"

    def __init__(
        self,
        certificates: Certificates,
        ldif: str = "",
        *,
        options: str = "",
        pair: str = "",
        overlay: str = "overlay memberof",
    ) -> None:
        """:param ldif: entries to add at the start, below :attr:`base`.
        :param options: more global lines of slapd.conf, e.g. ``sizelimit 5``.
        :param overlay: what makes memberOf: :data:`DYNLIST`, or the older overlay.
        :param pair: host name of the server's certificate, when it is not to be 127.0.0.1's.
        :raises MissingPart: slapd is not installed.
        """
        self._program = debian("slapd", "slapd", "/usr/sbin")
        self._user = unprivileged_user()
        self.ca_file = certificates.ca
        self.directory = Path(tempfile.mkdtemp(prefix="hoopgate-slapd-"))
        self._server: Server | None = None
        self._choose_ports()
        tls = certificates.issue(pair, dns=[pair], addresses=[]) if pair else certificates.server
        (self.directory / "data").mkdir(mode=0o700)
        shutil.copy(certificates.ca, self.directory / "ca.pem")
        shutil.copy(tls.certificate, self.directory / "server.pem")
        write_private(self.directory / "server.key", tls.key.read_bytes())
        configuration = _CONFIGURATION.format(
            schemas=_SCHEMAS,
            directory=self.directory,
            base=self.base,
            admin_dn=self.admin_dn,
            admin_password=f'"{self.admin_password}"',
            options=options,
            overlay=overlay,
        )
        write_private(self.directory / "slapd.conf", configuration.encode())
        self._give_away()
        self._ldif = (
            entry(self.base, ["domain"], dc="example")
            + entry(self.people, ["organizationalUnit"], ou="people")
            + entry(self.groups, ["organizationalUnit"], ou="groups")
            + entry(
                self.reader_dn,
                ["organizationalRole", "simpleSecurityObject"],
                cn="reader",
                userPassword=self.reader_password,
            )
            + ldif
        )

    # --- life ----------------------------------------------------------------------------------

    def __enter__(self) -> Slapd:
        self.start()
        self.add(self._ldif)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.directory)

    def start(self) -> None:
        """Start the server on its ports; with the data it has."""
        for attempt in range(3):
            self._server = Server(
                [
                    *(self._program, "-d", "0", "-f", self.directory / "slapd.conf"),
                    *("-h", f"{self.plain_url} {self.url}"),
                ],
                log=self.directory / "log",
                user=self._user,
                directory=self.directory,
            )
            try:
                self._server.wait_until(self._answers, 120)
            except ServerFailed:
                # Another process may have taken a port since we looked
                if attempt == 2 or self._ldif == "":
                    raise
                self._choose_ports()
            else:
                return

    def stop(self) -> None:
        """Stop the server; its data stay."""
        if self._server is not None:
            self.resume()
            self._server.stop()
            self._server = None

    def pause(self) -> None:
        """The server hangs: it accepts connections and answers nothing."""
        assert self._server is not None
        self._server.send(signal.SIGSTOP)
        tasks = Path(f"/proc/{self._server.pid}/task")
        # The signal is on its way only: a thread that runs meanwhile would still answer.
        while any(_state(task) not in "TX" for task in tasks.iterdir()):
            time.sleep(0.001)

    def resume(self) -> None:
        """The server goes on."""
        if self._server is not None:
            self._server.send(signal.SIGCONT)

    # --- content -------------------------------------------------------------------------------

    def add(self, ldif: str) -> None:
        """Add entries, by ``ldapadd`` as the administrator."""
        self._tool("ldapadd", ldif)

    def modify(self, ldif: str) -> None:
        """Change entries, by ``ldapmodify`` (add ``-e relax`` operations work too)."""
        self._tool("ldapmodify", ldif, "-e", "relax")

    def user(self, uid: str, *classes: str, **attributes: str) -> str:
        """LDIF of a person."""
        return entry(
            f"uid={uid},{self.people}",
            ["inetOrgPerson", *classes],
            **{"uid": uid, "cn": uid, "sn": uid, **attributes},
        )

    def group(self, name: str, *members: str, kind: str = "groupOfNames") -> str:
        """LDIF of a group; members are uids, or DNs (with ``=``)."""
        dns = [one if "=" in one else f"uid={one},{self.people}" for one in members]
        by_kind: Mapping[str, Mapping[str, str | Iterable[str]]] = {
            "groupOfNames": {"member": dns},
            "groupOfUniqueNames": {"uniqueMember": dns},
            "posixGroup": {"memberUid": members, "gidNumber": "1000"},
        }
        return entry(self.group_dn(name), [kind], cn=name, **by_kind[kind])

    def group_dn(self, name: str) -> str:
        """The DN of a group."""
        return f"cn={escape_rdn(name)},{self.groups}"

    # --- inside --------------------------------------------------------------------------------

    def _choose_ports(self) -> None:
        self.url = f"ldaps://127.0.0.1:{free_port()}"
        self.plain_url = f"ldap://127.0.0.1:{free_port()}"

    def _answers(self) -> bool:
        port = int(self.plain_url.rpartition(":")[2])
        try:
            # ldap3 leaves a socket behind that cannot connect
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
        server = ldap3.Server(self.plain_url, get_info=ldap3.NONE, connect_timeout=1)
        connection = ldap3.Connection(server, self.admin_dn, self.admin_password, receive_timeout=1)
        try:
            return bool(connection.bind())
        finally:
            connection.unbind()

    def _tool(self, name: str, ldif: str, *options: str) -> None:
        program = debian(name, "ldap-utils")
        done = subprocess.run(
            [
                *(program, "-x", "-H", self.plain_url, "-D", self.admin_dn),
                *("-w", self.admin_password, *options),
            ],
            input=ldif.encode(),
            check=False,
            capture_output=True,
            timeout=60,
            env={**os.environ, "LDAPCONF": "/dev/null"},
        )
        if done.returncode != 0:
            raise ServerFailed(f"{name}: {done.stderr.decode(errors='replace')}")

    def _give_away(self) -> None:
        if self._user is not None:
            for path in (self.directory, *self.directory.iterdir()):
                shutil.chown(path, self._user)


def _state(task: Path) -> str:
    """State letter of a thread (proc(5)); X when it is gone."""
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"
