"""Certificates, keys and secrets on disk: there, readable by us alone, matching, in date."""

from __future__ import annotations

import datetime
import os
import shutil
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from hoopgate.settings.model import Secret, ServerTLS
from hoopgate.settings.reader import Table

_SECRET = '{ file = "/…" }, or environment, or command'


def read(table: Table, name: str, path: Path, what: str, *, private: bool = False) -> bytes | None:
    """The content of a file that the settings name, or None with a note of what is wrong.

    :param private: users other than the owner and the group must not be able to read it.
    """
    if name not in table or path == Path():
        return None
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read()
    except FileNotFoundError:
        table.wrong(name, f"no such file {path}", f"the path of {what}")
        return None
    except OSError as error:
        table.wrong(name, f"{path}: {error.strerror}", f"the path of {what} that hoopgate can read")
        return None
    if private and mode & 0o007:
        table.wrong(name, f"{path} is open to all users", f"its mode anew: chmod o= {path}")
    return content


def directory(table: Table, name: str, path: Path) -> None:
    """Note a directory that is not there and cannot be made, or is something else."""
    try:
        if path.is_dir():
            return
        if path.exists():
            table.wrong(name, f"{path} is no directory", "the path of one")
        elif not path.parent.is_dir():
            write = "a directory that exists, or one that can be made in a directory that does"
            table.wrong(name, f"no such directory {path.parent}", write)
    except OSError as error:
        table.wrong(name, f"{path}: {error.strerror}", "a directory that hoopgate can reach")


def pair(table: Table, *, check: bool) -> ServerTLS:
    """``certificate`` and ``key`` of a table: PEM files that belong together.

    :param check: read the files; False at a reload, which may have lost the right to.
    """
    found = ServerTLS(table.path("certificate"), table.path("key"))
    if not check:
        return found
    certificate = key = None
    content = read(table, "certificate", found.certificate, "a PEM file")
    if content is not None:
        try:
            certificate = x509.load_pem_x509_certificates(content)[0]
        except ValueError:
            table.wrong(
                "certificate", f"{found.certificate} holds no PEM certificate", "one that does"
            )
    content = read(table, "key", found.key, "a PEM file", private=True)
    if content is not None:
        try:
            key = serialization.load_pem_private_key(content, None)
        except TypeError:
            table.wrong("key", f"{found.key} is encrypted", "a key without passphrase")
        except ValueError:
            table.wrong("key", f"{found.key} holds no PEM private key", "one that does")
    if certificate is None:
        return found
    now = datetime.datetime.now(datetime.UTC)
    if certificate.not_valid_after_utc < now:
        ended = certificate.not_valid_after_utc.date()
        table.wrong("certificate", f"{found.certificate} expired on {ended}", "a valid one")
    if certificate.not_valid_before_utc > now:
        begins = certificate.not_valid_before_utc.date()
        table.wrong(
            "certificate", f"{found.certificate} is not valid before {begins}", "a valid one"
        )
    if key is not None and certificate.public_key() != key.public_key():
        table.wrong(
            "key", f"{found.key} does not belong to the certificate", "the key it was made with"
        )
    return found


def authorities(table: Table, name: str, *, check: bool) -> Path | None:
    """A PEM file of certificates to trust, or None when the key is not there."""
    path = table.optional_path(name)
    if path is not None and check:
        content = read(table, name, path, "a PEM file")
        if content is not None:
            try:
                x509.load_pem_x509_certificates(content)
            except ValueError:
                table.wrong(name, f"{path} holds no PEM certificate", "one that does")
    return path


def revocations(table: Table, name: str, *, check: bool) -> Path | None:
    """A PEM file of certificate revocation lists, or None when the key is not there."""
    path = table.optional_path(name)
    if path is not None and check:
        content = read(table, name, path, "a PEM file")
        if content is not None:
            try:
                x509.load_pem_x509_crl(content)
            except ValueError:
                table.wrong(name, f"{path} holds no PEM revocation list", "one that does")
    return path


def secret(parent: Table, name: str, *, check: bool) -> Secret | None:
    """Where a secret is: a table with ``file``, ``environment`` or ``command``."""
    table = parent.table(name, _SECRET)
    if name not in parent or not isinstance(parent.data[name], dict):
        return None
    found = Secret(
        table.optional_path("file"),
        table.optional_text("environment", '"NAME"'),
        table.texts("command", (), '["program", "argument"]') or None,
    )
    if sum(key in table for key in ("file", "environment", "command")) != 1:
        parent.wrong(name, "not exactly one source", _SECRET)
    elif found.environment is not None and "=" in found.environment:
        table.wrong("environment", "a variable's name has no equals sign", '"NAME"')
    elif found.file is not None and check:
        if read(table, "file", found.file, "the secret", private=True) == b"":
            table.wrong("file", f"{found.file} is empty", "the path of the secret")
    elif found.command is not None and check and shutil.which(found.command[0]) is None:
        table.wrong("command", f"{found.command[0]} is no program", "the path of one")
    table.finish()
    return found
