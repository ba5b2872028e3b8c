"""The story: an agent's session, a reviewer at a second terminal, an auditor. Nothing is staged:
every line behind a prompt is run, and every answer is checked before the story goes on."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from files import Files
from psql import Psql
from telling import expect
from terminal import command, output, remark, say
from web import Web
from world import AGENT, OWNER, REVIEWER, World


class Story(Files, Web):
    """Told once, from top to bottom."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._secrets = set(
            world.postgres.psql(
                "SELECT unnest(ARRAY[name, ssn, mrn, email, phone]) FROM patients", "clinic"
            ).split("\n")
        ) - {""}
        expect(len(self._secrets) > 900, "the clinic has patients")

    def tell(self) -> None:
        """Tell it.

        :raises StoryFailed: the gateway did not do what it says.
        """
        agent = self._log_in()
        self._masked(agent)
        self._aliases(agent)
        self._predicate(agent)
        self._drop(agent)
        self._export(agent)
        expect(agent.close() == 0, "the session ends well")
        self._recorded()
        self._verified()
        self._mariadb()
        self._tell_of_files()
        self._tell_of_the_web()

    # --- the agent ------------------------------------------------------------------------------

    def _log_in(self) -> Psql:
        self._title("An agent logs in: its OpenID token is its password, its groups are LDAP's")
        command("agent", f"be {AGENT} psql")
        agent = Psql(AGENT, self._world)
        where = agent.run("\\conninfo")
        expect("TLS" in where, "psql is connected, over TLS")
        output(where.split("\n")[0])
        session = self._sessions()[-1]["id"]
        who = self._hoopgate("replay", session).split("\n")[1]
        expect("research-agents" in who and "analysts" in who, "nested groups are known")
        output(who.strip())
        return agent

    def _masked(self, agent: Psql) -> None:
        self._title("What the data dictionary calls secret comes back masked, dates as years")
        shown = self._query(
            agent, "SELECT id, name, ssn, dob, zip, sex FROM patients ORDER BY id LIMIT 3;"
        )
        expect(shown.count("[SSN]") == 3 and shown.count("-01-01") == 3, "rows come masked")

    def _aliases(self, agent: Psql) -> None:
        self._title("No alias, expression or view changes that: the database says what is read")
        statement = "SELECT s AS colour, upper(n) || '!' AS hello FROM patient_names WHERE id = 1;"
        shown = self._query(agent, statement)
        expect("[SSN]" in shown, "aliases are seen through")

    def _predicate(self, agent: Psql) -> None:
        self._title("A secret decides nothing: it cannot be guessed at by asking yes or no")
        shown = self._query(agent, "SELECT count(*) FROM patients WHERE ssn LIKE '9%';")
        expect("phi/predicate" in shown, "a predicate on a secret is refused")

    def _drop(self, agent: Psql) -> None:
        self._title("What would do harm is an error, not a hang-up: the session goes on")
        shown = self._query(agent, "DROP TABLE encounters;")
        expect("hipaa-baseline/ddl" in shown, "DROP is blocked")
        shown = self._query(agent, "SELECT count(*) AS still_there FROM encounters;")
        expect("1000" in shown, "the session is alive, and the table")

    def _export(self, agent: Psql) -> None:
        self._title("A bulk export waits for a person")
        copy = self._world.directory / "export.tsv"
        statement = "\\copy patients (id, name, ssn, dob, sex) to 'export.tsv'"
        command("agent", statement, "clinic=>")
        agent.send(statement)
        notice = agent.until(lambda line: line.startswith(("HINT", "ERROR")))
        output(notice, "reviewer")
        found = re.search(r"apr-\w+", notice)
        expect(found, "the export is held, and the agent is told the request's id")
        request = str(found and found[0])
        say()
        remark("a second terminal: neither the agent nor the person it runs for may approve")
        reason = "--reason 'yearly report'"
        for who in (AGENT, OWNER):
            answer = self._decide(who, f"hoopgate approvals approve {request} {reason}", 1)
            expect("approval.self" in answer, f"{who} may not approve")
        listed = self._decide(REVIEWER, "hoopgate approvals list", 0)
        expect(request in listed, "the reviewer sees the request")
        expect(not copy.exists() or not copy.read_text(), "nothing was delivered yet")
        answer = self._decide(REVIEWER, f"hoopgate approvals approve {request} {reason}", 0)
        expect("approved" in answer, "the reviewer may approve")
        say()
        remark("the agent's terminal: the same statement, still waiting, goes on")
        done = agent.rest()
        output(done)
        expect(done == "COPY 200", "the export is delivered")
        command("agent", "\\! head -2 export.tsv", "clinic=>")
        output("\n".join(copy.read_text().split("\n")[:2]).expandtabs())
        rows = copy.read_text()
        expect(rows.count("[SSN]\t") == 200, "the export is masked")
        self._no_secret_in(rows)

    # --- the auditor ----------------------------------------------------------------------------

    def _recorded(self) -> None:
        self._title("Every request was on disk, encrypted, before it went to the database")
        output(self._typed("hoopgate sessions"), table=True)
        session = self._sessions()[-1]["id"]
        # The end is in the log when the next checkpoint is signed.
        replay = self._hoopgate("replay", session)
        self._no_secret_in(replay)
        command("quiet", f"hoopgate replay {session} | grep -A3 DROP")
        lines = replay.split("\n")
        at = next(number for number, line in enumerate(lines) if "DROP TABLE" in line)
        output("\n".join(lines[at : at + 4]))

    def _verified(self) -> None:
        self._title("The log is checked as a whole: one byte changed in a copy of it is found")
        output(self._typed("hoopgate audit verify"), "good")
        copy = self._world.directory / "copy-of-log"
        shutil.copytree(self._world.log, copy)
        place = self._change(copy)
        remark(f"one byte of {place} is changed")
        bad = self._typed("hoopgate audit verify --directory copy-of-log --vkey state/log/vkey", 1)
        output(bad, "bad")
        expect(bad.startswith("BAD"), "the changed byte is found")

    def _change(self, log: Path) -> str:
        segment = min((log / "seg").iterdir())
        data = bytearray(segment.read_bytes())
        data[len(data) // 2] ^= 0xFF
        segment.write_bytes(data)
        return f"{segment.name} at byte {len(data) // 2} of {len(data)}"

    # --- MariaDB ---------------------------------------------------------------------------------

    def _mariadb(self) -> None:
        self._title("MariaDB's own client, the same rules: told to come back, it passes")
        query = "SELECT id, name, ssn, dob, sex FROM patients LIMIT 1"
        shown = self._ask(query, 0)
        expect("[SSN]" in shown and "-01-01" in shown, "MariaDB's rows come masked")
        update = "UPDATE encounters SET department = 'ICU' WHERE id = 5"
        shown = self._ask(update, 1)
        found = re.search(r"apr-\w+", shown)
        expect(found and "approval.pending" in shown, "the change is held")
        line = f"hoopgate approvals approve {found and found[0]} --reason 'a typing error'"
        answer = self._decide(REVIEWER, line, 0)
        expect("approved" in answer, "the reviewer may approve")
        self._ask(update, 0)

    def _ask(self, statement: str, status: int) -> str:
        """Have the agent run ``statement`` with MariaDB's client."""
        words = ["be", AGENT, "mariadb", "-t", "-e", statement]
        shown = self._run(words, status)
        self._no_secret_in(shown)
        command("agent", f'be {AGENT} mariadb -te "{statement}"')
        answer = [line for line in shown.split("\n") if line.strip("-")]
        answer = [line for line in answer if line != statement and not line.startswith("+--")]
        # What is for programs on a line of its own.
        output("\n".join(answer).replace(" {", "\n{") or "(done)")
        return shown

    def _query(self, agent: Psql, statement: str) -> str:
        command("agent", statement, "clinic=>")
        shown = agent.run(statement)
        output(shown, "bad")
        self._no_secret_in(shown)
        return shown
