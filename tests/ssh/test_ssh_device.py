"""Keyboard-interactive by the device flow: a person at ssh, and in a browser at the issuer."""

from __future__ import annotations

import http.client
import os
import re
import ssl
import subprocess
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

import asyncssh
import pytest
from test_ssh_channels import run
from testbed.certificates import Certificates
from testbed.openssh import SYSTEM, TEN, OpenSSH
from testbed.ward import Ward, running_ward

from hoopgate.identity.client_secrets import hash_secret

PASSWORD = "a-person's-password"


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Ward]:
    """A ward whose people log in at the issuer."""
    user = {"password_hash": hash_secret(PASSWORD), "scopes": ["hoopgate:ward"]}

    def adjust(settings: dict[str, object]) -> None:
        (listener,) = settings["listeners"]  # type: ignore[misc]
        listener["ssh"] = {"device": {"issuer": "embedded", "client_id": "device"}}

    with running_ward(
        tmp_path_factory.mktemp("asking"),
        certificates,
        people={"planner": user},
        adjust=adjust,
    ) as running:
        yield running


class Person:
    """At a client of OpenSSH's, whose questions a program answers, and in a browser."""

    def __init__(self, ward: Ward, client: OpenSSH = SYSTEM) -> None:
        self._ward = ward
        self._ready, self.answer = ward.home / "ready", ward.home / "answer"
        self._ready.unlink(missing_ok=True)
        self.answer.unlink(missing_ok=True)
        script = ward.home / "askpass-device"
        script.write_text(
            f'#!/bin/sh\nprintf "%s" "$1" >{self._ready}.new\nmv {self._ready}.new {self._ready}\n'
            f"for _ in $(seq 600); do [ -e {self.answer} ] && break; sleep 0.1; done\n"
            f"cat {self.answer}\n"
        )
        script.chmod(0o700)
        options = [one.replace("=password", "=keyboard-interactive") for one in ward.options()]
        self.errors = ward.home / "errors"
        with self.errors.open("wb") as errors:
            self.client = subprocess.Popen(
                [
                    *(client.program("ssh"), *options, "-p", str(ward.port)),
                    *("anybody%%ward@127.0.0.1", "echo", "in"),
                ],
                env=os.environ | {"SSH_ASKPASS": str(script), "SSH_ASKPASS_REQUIRE": "force"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            )

    def told(self) -> str:
        """What the person is asked, on the terminal and at the prompt."""
        self._ward.wait_until(self._ready.exists)
        return self.errors.read_text() + self._ready.read_text()

    def enter(self) -> tuple[int, bytes, bytes]:
        """Press it; the client's exit status and what it printed."""
        new = self.answer.with_suffix(".new")
        new.write_text("\n")
        new.rename(self.answer)
        return self.ends()

    def ends(self) -> tuple[int, bytes, bytes]:
        """The client's exit status and what it printed, when it is over."""
        out, _ = self.client.communicate(timeout=60)
        return self.client.returncode, out, self.errors.read_bytes()

    def leave(self) -> None:
        """Go away in the middle."""
        self.client.kill()
        self.client.communicate(timeout=60)
        self.answer.touch()

    def browse(self, url: str, code: str, name: str, decision: str) -> int:
        """The issuer's page: type the code, log in, decide."""
        parts = urlsplit(url)
        context = ssl.create_default_context(cafile=str(self._ward.issuer.ca_file))
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=60, context=context
        )
        form = {"user_code": code, "name": name, "password": PASSWORD, "decision": decision}
        try:
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", parts.path, urlencode(form), kind)
            return connection.getresponse().status
        finally:
            connection.close()


def asked(told: str) -> tuple[str, str]:
    """Address and code."""
    found = re.search(r"open (https://\S+/device)\s+and type the code ([A-Z]{4}-[A-Z]{4})", told)
    assert found, told
    return found[1], found[2]


@pytest.mark.parametrize("client", [SYSTEM, TEN], ids=lambda one: one.name)
def test_a_person_who_allows_it_is_in(asking: Ward, client: OpenSSH) -> None:
    person = Person(asking, client)
    told = person.told()
    url, code = asked(told)
    assert person.browse(url, code, "planner", "allow") == 200
    status, out, errors = person.enter()
    assert (status, out) == (0, b"in\n"), errors
    shown = asking.replay(asking.sessions()[-1]).stdout.decode()
    assert "planner on ward" in shown
    assert code not in asking.gateway.log_text()


def test_a_person_who_refuses_is_not(asking: Ward) -> None:
    person = Person(asking)
    url, code = asked(person.told())
    person.browse(url, code, "planner", "deny")
    status, _, errors = person.enter()
    assert status == 255
    assert b"identity.device" in errors


def test_a_credential_may_be_given_there(asking: Ward) -> None:
    async def give() -> None:
        async with asyncssh.connect(
            "127.0.0.1",
            asking.port,
            username="anybody%ward",
            client_factory=lambda: Giving(asking.token()),
            preferred_auth="keyboard-interactive",
            known_hosts=str(asking.known_hosts),
            client_keys=None,
            config=None,
        ) as connection:
            assert (await connection.run("echo given")).stdout == "given\n"

    run(give())


class Giving(asyncssh.SSHClient):
    def __init__(self, token: str) -> None:
        self._token = token

    def kbdint_auth_requested(self) -> str:
        return ""

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: list[tuple[str, bool]]
    ) -> list[str]:
        return [self._token for _ in prompts]


def test_who_leaves_frees_the_place(asking: Ward) -> None:
    """One address may have eight open; more get a prompt that asks for a secret."""
    people = []
    for _ in range(8):
        person = Person(asking)
        assert "type the code" in person.told()
        people.append(person)
    ninth = Person(asking)
    assert "Token or session credential" in ninth.told()
    for person in [ninth, *people]:
        person.leave()
    asking.wait_until(lambda: "type the code" in _once(asking), 120)


def _once(ward: Ward) -> str:
    person = Person(ward)
    try:
        return person.told()
    finally:
        person.leave()


def test_an_issuer_that_is_away_gives_no_code(asking: Ward) -> None:
    """Stands last: the issuer does not come back."""
    asking.issuer.stop()
    person = Person(asking)
    status, _, errors = person.ends()
    assert status == 255
    assert b"the issuer gives no code now" in errors
