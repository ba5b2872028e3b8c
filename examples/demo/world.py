"""Everything the demo runs, private and on 127.0.0.1: database, directory, issuer, gateway."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from string import Template
from typing import Any

from terminal import progress
from testbed.certificates import Certificates, write_private
from testbed.clinic import AGENT_PASSWORD, SCHEMA
from testbed.clinic_mysql import make_database
from testbed.fhirserver import FHIRServer, patients
from testbed.gateway import Gateway
from testbed.issuer import TestIssuer, client
from testbed.mariadb import MariaDB
from testbed.mcpserver import MCPServer
from testbed.parts import debian
from testbed.ports import free_port
from testbed.postgres import Postgres
from testbed.slapd import Slapd
from testbed.sshd import SSHServer, keygen

from hoopgate.identity.client_secrets import hash_secret

#: The gateway's settings, with $names for what is only known when everything runs.
SETTINGS = Path(__file__).with_name("hoopgate.toml")
_MCP = Path(__file__).with_name("mcp.sh")
PROGRAMS = Path(sys.executable).parent

#: An agent; the person it runs for; who decides on exports; somebody who may not.
AGENT, OWNER, REVIEWER, OUTSIDER = "atlas", "olga", "rita", "otto"
PEOPLE = (OWNER, REVIEWER, OUTSIDER)

#: group → members; a member may be a group. Olga is a reviewer, too: not of her own agent's wishes.
GROUPS = {
    "research-agents": [AGENT],
    "analysts": ["research-agents"],
    "data-protection": [REVIEWER, OWNER],
    "privacy-office": ["data-protection"],
    "staff": [*PEOPLE],
}

_BE = """\
#!/bin/sh
# be WHO COMMAND …: run COMMAND in the name of WHO, with a fresh token of the demo's issuer.
. {env}
if [ $# -lt 2 ] || [ ! -e {secrets}/"$1".secret ]; then
    echo "usage: be WHO COMMAND …   WHO: {names}" >&2
    exit 2
fi
who=$1
shift
token=$(hoopgate token --issuer {issuer} --ca-file {ca} --resource hoopgate \\
    --client-id "$who" --client-secret-file {secrets}/"$who".secret) || exit
export PGUSER="$who" PGPASSWORD="$token" MYSQL_PWD="$token" HOOPGATE_TOKEN="$token"
exec "$@"
"""


#: Read by MariaDB's clients where MYSQL_HOME says so. Who somebody is, is in the token.
_MY_CNF = """\
[client]
host=127.0.0.1
port={port}
user=agent
ssl-ca={ca}
ssl-verify-server-cert
[mariadb]
database=ward
"""


#: Named to OpenSSH's clients with -F. Who somebody is, is in the certificate beside the key.
_SSH_CONFIG = """\
Host files
    HostName 127.0.0.1
    Port {port}
    User {user}%%files
    IdentityFile {directory}/id_ed25519
    IdentitiesOnly yes
    PreferredAuthentications publickey
    UserKnownHostsFile {directory}/known_hosts
    StrictHostKeyChecking yes
"""

_FILES = {
    "public/handbook.txt": b"Visiting hours are from 14:00 to 19:00.\n",
    "public/fax.log": b"2026-11-02 09:14 received, 2 pages, re 123-45-6789\n",
    "labs/2026-11.csv": b"name,ssn,test,value\nAda Example,123-45-6789,HbA1c,5.4\n"
    b"Bob Example,987-65-4321,HbA1c,7.1\n",
    "letters/1.txt": b"Dear Ada Example, your results are fine.\n",
    **{f"images/{number}.txt": b"DICOM header of scan %d\n" % number for number in range(1, 6)},
}


class World:
    """What runs, and how a person's programs reach it.

    :ivar directory: holds the settings, the gateway's state, ``env`` and ``bin/be``.
    :ivar environment: what makes psql and hoopgate mean this gateway; nobody's token.
    :ivar patients: what the FHIR server has.
    :ivar console: address of the console; ``password``: the reviewer's, for its log-in.
    """

    def __init__(
        self,
        directory: Path,
        postgres: Postgres,
        issuer: TestIssuer,
        port: int,
        mariadb_port: int,
        console: str,
        password: str,
        files: SSHServer,
        ssh_port: int,
        web_port: int,
        resources: list[dict[str, Any]],
    ) -> None:
        self.console = console
        self.password = password
        self.directory = directory
        self.postgres = postgres
        self.issuer = issuer
        self.patients = resources
        self.log = directory / "state" / "log"
        psql = debian("psql", "postgresql-client", "/usr/lib/postgresql/15/bin")
        self.environment = {
            "PATH": f"{directory / 'bin'}:{PROGRAMS}:{psql.parent}:{os.environ['PATH']}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(port),
            "PGDATABASE": "clinic",
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": str(directory / "certificates" / "ca.pem"),
            "MYSQL_HOME": str(directory),
            "HOOPGATE_CONFIG": str(directory / "hoopgate.toml"),
            "FILES": str(files.root),
            "SSH_CONFIG": str(directory / "ssh_config"),
            "TOOLS": f"https://127.0.0.1:{web_port}/tools/mcp",
            "EHR": f"https://127.0.0.1:{web_port}/ehr",
            "CURL_HOME": str(directory),
        }
        curl = ["silent", "show-error", f'cacert = "{self.environment["PGSSLROOTCERT"]}"']
        (directory / ".curlrc").write_text("\n".join([*curl, ""]))
        self._write_ssh_config(ssh_port)
        options = _MY_CNF.format(port=mariadb_port, ca=self.environment["PGSSLROOTCERT"])
        (directory / "my.cnf").write_text(options)

    def _write_ssh_config(self, port: int) -> None:
        """The agent's key, and the gateway's host key, as an administrator hands them out."""
        keygen(self.directory / "id_ed25519")
        host = (self.directory / "state" / "keys" / "ssh_host_ed25519_key.pub").read_text()
        (self.directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {host}")
        config = _SSH_CONFIG.format(port=port, user=AGENT, directory=self.directory)
        (self.directory / "ssh_config").write_text(config)

    def write_helpers(self, pid: int) -> None:
        """Write ``env``, which a shell sources, and ``bin/be``, which runs a command as somebody.

        :param pid: the gateway's.
        """
        variables = {**self.environment, "HOOPGATE_PID": str(pid)}
        path = variables.pop("PATH").removesuffix(os.environ["PATH"])
        lines = ["# . this file, and psql, hoopgate and `be` mean the demo's gateway."]
        lines += [f'export PATH={shlex.quote(path)}"$PATH"']
        lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        (self.directory / "env").write_text("\n".join(lines) + "\n")
        program = self.directory / "bin" / "be"
        program.parent.mkdir()
        program.write_text(
            _BE.format(
                env=shlex.quote(str(self.directory / "env")),
                secrets=shlex.quote(str(self.issuer.directory)),
                names=" ".join([AGENT, *PEOPLE]),
                issuer=self.issuer.url,
                ca=shlex.quote(self.environment["PGSSLROOTCERT"]),
            )
        )
        program.chmod(0o755)
        shutil.copy(_MCP, program.with_name("mcp"))


class _Node(Gateway):
    """The gateway on a settings file that people can read."""

    def __init__(self, directory: Path, text: str, certificates: Certificates) -> None:
        super().__init__(directory, tomllib.loads(text), certificates)
        self._text = text

    def write(self) -> None:
        self.config.write_text(self._text)


@contextmanager
def running(version: int) -> Iterator[World]:
    """Start everything; it ends with the context, and its files are removed.

    :param version: of PostgreSQL, 15 or 18.
    :raises MissingPart: something is not installed.
    :raises ServerFailed: something did not come up.
    """
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="hoopgate-demo-"))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        certificates = Certificates(directory / "certificates", "hoopgate demo CA")
        with progress(f"PostgreSQL {version}", "200 synthetic patients, TLS, SCRAM"):
            postgres = stack.enter_context(Postgres(version, certificates))
            postgres.create_database("clinic", SCHEMA.read_text())
            postgres.psql(f"ALTER ROLE agent PASSWORD '{AGENT_PASSWORD}'", "clinic")
        with progress("MariaDB", "the same clinic"):
            mariadb = stack.enter_context(MariaDB(certificates))
            make_database(mariadb, "ward")
        with progress("OpenSSH", "a file server of the clinic"):
            files = stack.enter_context(SSHServer(files=_FILES))
        resources = patients(12, 1)
        with progress("FHIR", "Medplum's router, 12 synthetic patients"):
            fhir = stack.enter_context(FHIRServer(directory, resources))
        with progress("MCP", "its reference server of tools"):
            mcp = stack.enter_context(MCPServer(directory))
        with progress("OpenLDAP", "agents, owners, reviewers; groups in groups"):
            slapd = stack.enter_context(Slapd(certificates))
            slapd.add(_entries(slapd))
        console_port = free_port()
        console, password = f"https://127.0.0.1:{console_port}", secrets.token_urlsafe(9)
        with progress("hoopgate issuer", "OpenID Connect, tokens of 15 minutes"):
            issuer = stack.enter_context(_issuer(directory, certificates, console, password))
        with progress("twistd hoopgate", "the gateway, and its console"):
            ports = {"console_port": console_port, "mariadb_gateway_port": free_port()}
            ports |= {"postgres_port": postgres.port, "mariadb_port": mariadb.port}
            ports |= {"ssh_port": free_port(), "sshd_port": files.port, "web_port": free_port()}
            ports |= {"fhir_port": fhir.port, "mcp_port": mcp.port}
            text = _settings(directory, certificates, slapd, issuer, files, ports)
            gateway = stack.enter_context(_Node(directory, text, certificates))
        world = World(
            directory,
            postgres,
            issuer,
            gateway.port,
            ports["mariadb_gateway_port"],
            console,
            password,
            files,
            ports["ssh_port"],
            ports["web_port"],
            resources,
        )
        world.write_helpers(gateway.pid)
        yield world


def _entries(slapd: Slapd) -> str:
    """LDIF of everybody and of the groups."""

    def member(name: str) -> str:
        return slapd.group_dn(name) if name in GROUPS else name

    people = [slapd.user(name) for name in (AGENT, *PEOPLE)]
    groups = [slapd.group(name, *map(member, members)) for name, members in GROUPS.items()]
    return "".join(people + groups)


def _issuer(directory: Path, certificates: Certificates, console: str, password: str) -> TestIssuer:
    own = directory / "issuer"
    own.mkdir(mode=0o700)
    proofs = {name: os.urandom(16).hex() for name in (AGENT, *PEOPLE)}
    for name, secret in proofs.items():
        write_private(own / f"{name}.secret", secret.encode())
    # The agent may even ask for approvals: that it may not decide its own is not left to a scope.
    agent = client(
        proofs[AGENT], scopes=["hoopgate:clinic", "hoopgate:approve"], claims={"owner": OWNER}
    )
    people = {name: client(proofs[name], scopes=["hoopgate:approve"]) for name in PEOPLE}
    # The console has no secret of its own: PKCE. The reviewer has a password for her browser.
    scopes = ["openid", "hoopgate:approve"]
    browser = client(scopes=scopes, redirect_uris=[f"{console}/login/callback"])
    user = {"password_hash": hash_secret(password), "scopes": ["hoopgate:approve"]}
    clients = {AGENT: agent, **people, "hoopgate-console": browser}
    return TestIssuer(clients, proofs, certificates, own, users={REVIEWER: user})


def _settings(
    directory: Path,
    certificates: Certificates,
    slapd: Slapd,
    issuer: TestIssuer,
    files: SSHServer,
    ports: dict[str, int],
) -> str:
    write_private(directory / "clinic.password", AGENT_PASSWORD.encode())
    write_private(directory / "ldap.password", slapd.reader_password.encode())
    return Template(SETTINGS.read_text()).substitute(
        port=free_port(),
        metrics_port=free_port(),
        certificate=certificates.server.certificate,
        key=certificates.server.key,
        ca=certificates.ca,
        issuer=issuer.url,
        ldap=slapd.url,
        ldap_people=slapd.people,
        ldap_groups=slapd.groups,
        ldap_reader=slapd.reader_dn,
        files=files.root,
        files_user=files.user,
        files_home=files.home,
        files_key=files.key,
        files_known_hosts=files.known_hosts,
        **ports,
    )
