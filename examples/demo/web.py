"""The steps on web services, with plain curl: a FHIR server, and a server of MCP."""

from __future__ import annotations

import json

from telling import Telling, expect
from terminal import command, output, say
from world import AGENT, REVIEWER

_CURL = "curl --oauth2-bearer $TOKEN"
_PRETTY = "python3 -m json.tool"
_PATIENT = "Patient/10000003-0000-4000-8000-000000000000"


class Web(Telling):
    """Plain curl, and curl behind a few lines of shell for MCP."""

    def _tell_of_the_web(self) -> None:
        for one in self._world.patients:
            if one["resourceType"] == "Patient":
                self._secrets |= {one["name"][0]["family"]}
                self._secrets |= {identifier["value"] for identifier in one["identifier"]}
        line = f"be {AGENT} printenv HOOPGATE_TOKEN"
        self._world.environment["TOKEN"] = self._run(line.split(), 0)
        self._reads()
        self._exports()
        self._calls()

    def _reads(self) -> None:
        self._title("Plain curl: a FHIR server's answers come masked, and nobody is found by name")
        command("agent", f"export TOKEN=$(be {AGENT} printenv HOOPGATE_TOKEN)")
        line = f"""{_CURL} $EHR/{_PATIENT} | grep -o '"name":.*"birthDate":"[0-9]*"'"""
        shown = self._shell(line)
        expect("[NAME]" in shown and '"birthDate":"1936"' in shown, "the patient is masked")
        shown = self._shell(f'{_CURL} "$EHR/Patient?family=Hessel" | {_PRETTY}')
        expect(json.loads(shown)["reason"] == "phi.predicate", "a search by name is refused")

    def _exports(self) -> None:
        self._title("A bulk export is held: curl is told what to wait for, and comes back")
        line = f"{_CURL} --header 'Prefer: respond-async' $EHR/Patient/\\$export"
        problem = json.loads(self._shell(f"{line} | {_PRETTY}"))
        expect(problem["reason"] == "approval.pending", "the export is held")
        decision = f"approve {problem['approval']} --reason 'a registry'"
        answer = self._decide(REVIEWER, f"hoopgate approvals {decision}", 0)
        expect("approved" in answer, "the reviewer may approve")
        shown = self._shell(f"{line} --include | grep -iE '^(HTTP|Content-Location)'")
        expect("202 Accepted" in shown and "/ehr/bulkstatus/1" in shown, "approved, it passes")
        again = json.loads(self._run_shell(line))
        expect(again["reason"] == "approval.pending", "it passes once")
        words = ["be", REVIEWER, "hoopgate", "approvals", "deny", again["approval"]]
        self._run([*words, "--reason", "one is enough"], 0)
        say("   (and once only: the same line again is held again)")

    def _calls(self) -> None:
        self._title("Tools of an MCP server: listed are those that may be called")
        shown = self._shell("""mcp tools/list | grep -o '"name":"[a-z-]*"'""")
        expect("get-sum" in shown and "get-env" not in shown, "tools are filtered")
        shown = self._shell("""mcp tools/call '{"name":"get-sum","arguments":{"a":2,"b":3}}'""")
        expect("is 5." in shown, "a tool is called")
        found = """grep -oE '"(text|isError|reason|retry)": ?("[^"]*"|true)'"""
        shown = self._shell("""mcp tools/call '{"name":"get-env","arguments":{}}' | """ + found)
        expect('"isError": true' in shown and "rule.none" in shown, "another is not")

    def _shell(self, line: str) -> str:
        command("agent", line)
        shown = self._run_shell(line)
        output(shown)
        return shown

    def _run_shell(self, line: str) -> str:
        shown = self._run(["sh", "-c", line], 0)
        self._no_secret_in(shown)
        return shown
