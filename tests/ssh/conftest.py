"""One ward behind one gateway, shared by the end-to-end tests of SSH."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testbed.certificates import Certificates
from testbed.ward import RULES, Ward, running_ward

SECRET = b"123-45-6789"


@pytest.fixture(scope="session")
def ward(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Ward]:
    """A file server that holds no PHI, commands by allow-list."""
    with running_ward(tmp_path_factory.mktemp("ward"), certificates) as running:
        yield running


@pytest.fixture(scope="module")
def fort(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Ward]:
    """One part of what may be read is closed, and one identity may read and set attributes only."""
    closed = {
        "name": "closed",
        "verdict": "block",
        "match": {"ssh": {"path": ["{root}/public/kept/*", "{root}/public/a=b/*"]}},
    }
    readers = {
        "name": "readers",
        "verdict": "allow",
        "match": {
            "groups": ["exporters"],
            "classes": ["sftp.stat", "sftp.list", "sftp.read", "sftp.attributes"],
            "ssh": {"path": ["{root}/public", "{root}/public/*"]},
        },
    }
    files = {**RULES[1], "match": {**RULES[1]["match"], "groups": ["analysts"]}}
    with running_ward(
        tmp_path_factory.mktemp("fort"), certificates, rules=[closed, readers, files, *RULES[2:]]
    ) as running:
        running.server.write("public/kept/secret.txt", SECRET)
        running.server.write("public/a=b/secret.txt", SECRET)
        running.server.write("public/mine/file.txt", b"mine\n")
        (running.server.root / "public/out").symlink_to(running.server.root / "secret")
        yield running
