"""Who is logged in at this account: one file for each issuer, mode 0600, tokens renewed in time.

The same token source for all commands: ``--token-file``, then HOOPGATE_TOKEN, then the log-in that
``hoopgate login`` made last.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hoopgate.cli import oauth
from hoopgate.cli.token import by_client
from hoopgate.errors import HoopgateError
from hoopgate.identity.secrets import read_private_file

TOKEN_VARIABLE = "HOOPGATE_TOKEN"
HOME_VARIABLE = "HOOPGATE_HOME"
#: A token with less time left is renewed first.
_SPARE_SECONDS = 30.0
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


class NotLoggedIn(HoopgateError):
    """There is no token to be had."""


@dataclass(frozen=True, slots=True)
class Login:
    """One log-in.

    :ivar method: ``device``, ``client`` or ``workload``.
    :ivar token: the access token; "" where it is read anew each time.
    :ivar expires: of the token, seconds since the epoch.
    :ivar refresh: the refresh token, "" where there is none.
    :ivar place: file of the client's secret or key, or of the workload's token; with
        ``environment`` the name of a variable.
    :ivar gateway: URL of its ``[exchange]``, "" where none was given.
    """

    issuer: str
    method: str
    client_id: str = ""
    scopes: tuple[str, ...] = ()
    resource: str = ""
    ca_file: str = ""
    token: str = field(default="", repr=False)
    expires: float = 0.0
    refresh: str = field(default="", repr=False)
    place: str = ""
    kind: str = ""
    gateway: str = ""


def home() -> Path:
    """Where log-ins and what is written for clients are kept: HOOPGATE_HOME, else below
    XDG_STATE_HOME. A directory of mode 0700.

    :raises HoopgateError: it cannot be made, or is open to others.
    """
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    path = Path(os.environ.get(HOME_VARIABLE) or Path(state) / "hoopgate")
    private_directory(path)
    return path


def private_directory(path: Path) -> None:
    """
    :raises HoopgateError: it cannot be made, or is open to others.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except OSError as error:
        raise HoopgateError(f"{path}: {error.strerror}") from None
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise HoopgateError(f"{path}: open to others, or theirs; chmod 700 it")


def _file(issuer: str) -> Path:
    return home() / f"login-{hashlib.sha256(issuer.encode()).hexdigest()[:16]}.json"


def _pointer() -> Path:
    return home() / "current"


def keep(login: Login) -> Path:
    """Write a log-in, and make it the one that counts; where it is."""
    path = _file(login.issuer)
    oauth.write_private(path, json.dumps(asdict(login)) + "\n")
    oauth.write_private(_pointer(), path.name + "\n")
    return path


def current(issuer: str | None = None) -> Login | None:
    """The log-in at ``issuer``, else the last one; None where nobody is logged in.

    :raises HoopgateError: its file cannot be used.
    """
    if issuer is not None:
        path = _file(issuer)
    else:
        try:
            path = home() / Path(_pointer().read_text().strip()).name
        except OSError:
            return None
    return _read(path) if path.is_file() else None


def _read(path: Path) -> Login:
    try:
        found = json.loads(read_private_file(path))
        return Login(**{**found, "scopes": tuple(found["scopes"])})
    except (ValueError, TypeError, KeyError):
        raise HoopgateError(f"{path}: damaged; log in again") from None


def forget(login: Login) -> None:
    """Take a log-in back: at the issuer where it has a way, and here."""
    if login.refresh:
        context = oauth.trust(_path(login.ca_file))
        metadata = oauth.discover(login.issuer, context)
        if isinstance(metadata.get("revocation_endpoint"), str):
            fields = [("client_id", login.client_id), ("token", login.refresh)]
            oauth.ask(metadata["revocation_endpoint"], context, fields)
    _file(login.issuer).unlink(missing_ok=True)
    if current() is None:
        _pointer().unlink(missing_ok=True)


def access_token(token_file: Path | None = None, issuer: str | None = None) -> str:
    """The token to show.

    :raises NotLoggedIn: there is none, or it cannot be renewed.
    :raises HoopgateError: a file cannot be used.
    """
    if token_file is not None:
        return checked(read_private_file(token_file).decode("latin-1"))
    given = os.environ.get(TOKEN_VARIABLE, "").strip()
    if given and issuer is None:
        return checked(given)
    login = current(issuer)
    if login is None:
        raise NotLoggedIn(
            f"no token: run hoopgate login, give --token-file, or set {TOKEN_VARIABLE}"
        )
    if login.method == "workload":
        return workload_token(login)
    if login.expires > time.time() + _SPARE_SECONDS:
        return login.token
    with _locked(_file(login.issuer)) as kept:
        # Another command may have renewed it meanwhile: refresh tokens are good once.
        if kept.expires <= time.time() + _SPARE_SECONDS:
            kept = _renewed(kept)
            oauth.write_private(_file(login.issuer), json.dumps(asdict(kept)) + "\n")
        return kept.token


def workload_token(login: Login) -> str:
    """A token that the platform puts there and replaces in time (Kubernetes, CI).

    :raises NotLoggedIn: it is not there.
    """
    if login.kind == "environment":
        given = os.environ.get(login.place, "").strip()
        if not given:
            raise NotLoggedIn(f"the environment variable {login.place} holds no token")
        return checked(given)
    try:
        # Projected tokens are files for a group: the platform's own mode is right.
        return checked(Path(login.place).read_text("latin-1"))
    except OSError as error:
        raise NotLoggedIn(f"{login.place}: {error.strerror}") from None


def _renewed(login: Login) -> Login:
    if login.method == "client":
        files = {
            "secret_file": _path(login.place) if login.kind == "secret" else None,
            "private_key": _path(login.place) if login.kind == "key" else None,
        }
        resources = [login.resource] if login.resource else []
        answer = by_client(
            login.issuer,
            login.client_id,
            **files,
            resources=resources,
            scopes=login.scopes,
            ca_file=_path(login.ca_file),
        )
        return with_answer(login, answer)
    if not login.refresh:
        raise NotLoggedIn("the log-in has ended; run hoopgate login")
    context = oauth.trust(_path(login.ca_file))
    url = oauth.endpoint(oauth.discover(login.issuer, context), "token_endpoint")
    fields = [
        ("grant_type", "refresh_token"),
        ("client_id", login.client_id),
        ("refresh_token", login.refresh),
    ]
    if login.resource:
        fields.append(("resource", login.resource))
    try:
        return with_answer(login, oauth.ask(url, context, fields))
    except oauth.OAuthRefused as refused:
        if refused.error == "invalid_grant":
            raise NotLoggedIn("the log-in has ended; run hoopgate login") from None
        raise


def with_answer(login: Login, answer: Mapping[str, Any]) -> Login:
    """A log-in with the tokens of a token endpoint's answer.

    :raises HoopgateError: there are none in it.
    """
    token, seconds = answer.get("access_token"), answer.get("expires_in", 60)
    if not isinstance(token, str) or type(seconds) not in (int, float):
        raise HoopgateError("the issuer's answer holds no token")
    refresh = answer.get("refresh_token", login.refresh)
    return replace(
        login, token=checked(token), expires=time.time() + float(seconds), refresh=str(refresh)
    )


def checked(text: str) -> str:
    """
    :raises NotLoggedIn: it is no token.
    """
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise NotLoggedIn("the token is not one: it holds characters that no token has")
    return token


def _path(name: str) -> Path | None:
    return Path(name) if name else None


@contextmanager
def _locked(path: Path) -> Iterator[Login]:
    with open(home() / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield _read(path)
