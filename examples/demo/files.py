"""The steps on the file server: OpenSSH's own clients, a certificate in the place of a token."""

from __future__ import annotations

import re
import shlex
import subprocess
import threading

from telling import Telling, expect
from terminal import command, output, remark, say
from world import AGENT, REVIEWER

_SSH = "-F ssh_config"


class Files(Telling):
    """Plain ssh and sftp."""

    def _tell_of_files(self) -> None:
        self._secrets |= {"Ada Example", "Bob Example", "123-45-6789", "987-65-4321"}
        self._commands()
        self._download()

    def _commands(self) -> None:
        self._title("Plain ssh: a certificate of minutes, commands from a list, nothing destroyed")
        line = "hoopgate ssh-cert files id_ed25519.pub"
        command("agent", f"be {AGENT} {line}")
        answer = self._run(["be", AGENT, *line.split()], 0)
        output(answer.split("\n")[0])
        shown = self._as_agent(f"ssh {_SSH} files cat $FILES/public/fax.log")
        expect("re [SSN]" in shown, "what programs print is searched for identifiers")
        shown = self._as_agent(f"ssh {_SSH} files rm -rf $FILES", 126)
        expect("commands/unlisted" in shown, "a program that is not listed does not run")
        say("   (exit status 126)")

    def _download(self) -> None:
        self._title("Plain sftp: files come masked, and more than a few wait for a person")
        self._as_agent(f"sftp -q {_SSH} files:$FILES/labs/2026-11.csv .")
        shown = self._as_agent("cat 2026-11.csv")
        expect(shown.count("[NAME],[SSN],HbA1c") == 2, "the table is masked by its columns")
        line = f"sftp -q {_SSH} -r files:$FILES/images scans"
        command("agent", line)
        client = subprocess.Popen(
            shlex.split(self._filled(line)),
            env=self._world.environment,
            cwd=self._world.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert client.stderr is not None
        silent = threading.Timer(60, client.kill)
        silent.start()
        try:
            told = client.stderr.readline()
            output(told)
            found = re.search(r"apr-\w+", told)
            expect(found, "the download is held, and the agent is told the request's id")
            decision = f"approve {found and found[0]} --reason 'five scans'"
            answer = self._decide(REVIEWER, f"hoopgate approvals {decision}", 0)
            expect("approved" in answer, "the reviewer may approve")
            remark("the same sftp, still waiting, goes on")
            expect(client.wait() == 0, "the download ends well")
        finally:
            silent.cancel()
            client.kill()
            client.communicate()
        shown = self._as_agent("ls -x scans")
        expect(len(shown.split()) == 5, "all five files are there")

    def _as_agent(self, line: str, status: int = 0) -> str:
        command("agent", line)
        shown = self._run(shlex.split(self._filled(line)), status)
        self._no_secret_in(shown)
        if shown:
            output(shown)
        return shown

    def _filled(self, line: str) -> str:
        return line.replace("$FILES", self._world.environment["FILES"])
