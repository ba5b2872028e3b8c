"""An SSH server of asyncssh's that knows one password, and echoes: ``PORT HOST_KEY SECRET``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import asyncssh

PORT, HOST_KEY, SECRET = sys.argv[1:]


class Server(asyncssh.SSHServer):
    """Refuses the password method, so that the client has to answer a question."""

    def begin_auth(self, username: str) -> bool:
        return True

    def kbdint_auth_supported(self) -> bool:
        return True

    def get_kbdint_challenge(
        self, username: str, lang: str, submethods: str
    ) -> tuple[str, str, str, list[tuple[str, bool]]]:
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, username: str, responses: list[str]) -> bool:
        return username == "agent" and responses == [Path(SECRET).read_text()]


async def main() -> None:
    def echo(process: asyncssh.SSHServerProcess[str]) -> None:
        words = str(process.command).replace("'", "").split()
        process.stdout.write(f"{words[0]}: {' '.join(words[1:])}\n")
        process.exit(0)

    await asyncssh.create_server(
        Server, "127.0.0.1", int(PORT), server_host_keys=[HOST_KEY], process_factory=echo
    )
    print("listening", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
