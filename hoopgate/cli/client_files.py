"""Files that unmodified clients read to be logged in: passfile, option file, ssh_config, curl's.

They are in a directory of mode 0700 for each resource, are written anew by each run, and hold a
credential of minutes. What has ended is deleted by the next run.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from hoopgate.cli.exchange import Given
from hoopgate.cli.logins import home, private_directory
from hoopgate.cli.oauth import write_private
from hoopgate.errors import HoopgateError

_EXPIRES = "expires"


def directory(resource: str) -> Path:
    """The directory of a resource; those of others whose credentials have ended are gone after it.

    :raises HoopgateError: it cannot be made.
    """
    root = home() / "clients"
    private_directory(root)
    for one in root.iterdir():
        if one.name != resource and _ended(one):
            shutil.rmtree(one, ignore_errors=True)
    if resource in (".", "..") or "/" in resource:
        raise HoopgateError("that is no name of a resource")
    path = root / resource
    private_directory(path)
    return path


def _ended(path: Path) -> bool:
    try:
        return float((path / _EXPIRES).read_text()) < time.time()
    except (OSError, ValueError):
        return False


def write(given: Given, path: Path, ca_file: Path | None, key: str) -> Mapping[str, str]:
    """Write what the resource's clients read; environment variables that lead them to it.

    :param key: the private key that was certified, where a certificate was given.
    :raises HoopgateError: the gateway does not say where it is, or speaks something else.
    """
    if "host" not in given.place:
        raise HoopgateError(
            "the gateway has no listener for this credential, or does not know its address"
            " (exchange.addresses)"
        )
    writers = {"postgres": _postgres, "mariadb": _mysql, "mysql": _mysql, "http": _http}
    if given.protocol == "ssh":
        write_private(path / _EXPIRES, f"{given.expires}\n")
        return _ssh(given, path, key)
    if given.protocol not in writers:
        raise HoopgateError(f"no client is known for {given.protocol}")
    write_private(path / _EXPIRES, f"{given.expires}\n")
    return writers[given.protocol](given, path, ca_file)


def _postgres(given: Given, path: Path, ca_file: Path | None) -> Mapping[str, str]:
    """libpq's variables and passfile (manual 34.15, 34.16)."""
    fields = given.host, str(given.port), given.resource, given.user, given.secret
    line = ":".join(one.replace("\\", "\\\\").replace(":", "\\:") for one in fields)
    write_private(path / "pgpass", line + "\n")
    found = {
        "PGHOST": given.host,
        "PGPORT": str(given.port),
        "PGDATABASE": given.resource,
        "PGUSER": given.user,
        "PGPASSFILE": str(path / "pgpass"),
    }
    if given.place.get("tls"):
        found["PGSSLMODE"] = "verify-full"
        found["PGSSLROOTCERT"] = "system" if ca_file is None else str(ca_file)
    return found


def _mysql(given: Given, path: Path, ca_file: Path | None) -> Mapping[str, str]:
    """An option file that clients of both dialects take; ``loose_`` is for what one lacks."""
    lines = [
        "[client]",
        f"host={_quoted(given.host)}",
        f"port={given.port}",
        "protocol=tcp",
        f"user={_quoted(given.user)}",
        f"password={_quoted(given.secret)}",
    ]
    if given.place.get("tls"):
        lines += [f"ssl-ca={_quoted(str(ca_file))}"] if ca_file is not None else []
        lines += ["loose_ssl-mode=VERIFY_IDENTITY", "loose_ssl-verify-server-cert=1"]
    lines += ["", "[mysql]", f"database={_quoted(given.resource)}", ""]
    write_private(path / "my.cnf", "\n".join(lines))
    # Both are read by the clients, too: MYSQL_HOME by both dialects' but MySQL's own since 8.
    return {
        "MYSQL_HOME": str(path),
        "MARIADB_HOME": str(path),
        "HOOPGATE_MYSQL": str(path / "my.cnf"),
    }


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _ssh(given: Given, path: Path, key: str) -> Mapping[str, str]:
    """A configuration of OpenSSH's with known hosts, key and certificate."""
    known = "".join(f"[{given.host}]:{given.port} {key}\n" for key in given.place["host_keys"])
    write_private(path / "known_hosts", known)
    write_private(path / "id_ed25519", key)
    write_private(path / "id_ed25519-cert.pub", given.secret + "\n")
    user = f"{given.name}{given.place['separator']}{given.resource}"
    lines = [
        f"Host {given.resource}",
        f"    HostName {given.host}",
        f"    Port {given.port}",
        f"    User {user.replace('%', '%%') if _expands() else user}",
        f'    IdentityFile "{path / "id_ed25519"}"',
        f'    CertificateFile "{path / "id_ed25519-cert.pub"}"',
        "    IdentitiesOnly yes",
        "    PreferredAuthentications publickey",
        f'    UserKnownHostsFile "{path / "known_hosts"}"',
        "    GlobalKnownHostsFile none",
        "    StrictHostKeyChecking yes",
        "",
    ]
    write_private(path / "ssh_config", "\n".join(lines))
    config = str(path / "ssh_config")
    return {"HOOPGATE_SSH": config, "RSYNC_RSH": f"ssh -F '{config}'"}


def _expands() -> bool:
    """Whether this OpenSSH expands percent signs of user names: since 10.1."""
    try:
        done = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=False)  # noqa: S607
    except OSError:
        return False
    version = done.stderr.removeprefix("OpenSSH_").split("p")[0].split(" ")[0]
    try:
        return tuple(int(part) for part in version.split(".")[:2]) >= (10, 1)
    except ValueError:
        return False


def new_key() -> tuple[str, str]:
    """A key pair of OpenSSH's for one certificate: the private half, the public one."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return private.decode(), public.decode()


def _http(given: Given, path: Path, ca_file: Path | None) -> Mapping[str, str]:
    """A configuration of curl's. Not its default one, which would send the token everywhere."""
    lines = [f'header = "Authorization: Bearer {given.secret}"']
    if ca_file is not None and given.place.get("tls"):
        lines.append(f'cacert = "{ca_file}"')
    write_private(path / "curl", "\n".join([*lines, ""]))
    write_private(path / "token", given.secret + "\n")
    scheme = "https" if given.place.get("tls") else "http"
    return {
        "HOOPGATE_URL": f"{scheme}://{given.host}:{given.port}/{given.resource}",
        "HOOPGATE_CURL": str(path / "curl"),
        "HOOPGATE_TOKEN_FILE": str(path / "token"),
    }
