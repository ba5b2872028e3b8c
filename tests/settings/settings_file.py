"""A valid hoopgate.toml in a directory, to be changed key by key."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from testbed.certificates import Certificates, write_private

from hoopgate.errors import SettingsError
from hoopgate.settings.load import load
from hoopgate.settings.model import Settings

REMOVE = object()


class File:
    """A valid settings file in a directory, to be changed key by key."""

    def __init__(self, directory: Path, certificates: Certificates) -> None:
        self.path = directory / "hoopgate.toml"
        self.directory = directory
        self.certificates = certificates
        write_private(directory / "password", b"hunter2\n")
        pair = certificates.server
        self.valid: dict[str, Any] = {
            "node": {"name": "gw.example", "state_dir": str(directory / "state")},
            "listeners": [
                {
                    "name": "main",
                    "protocol": "postgres",
                    "endpoint": "tcp:5432",
                    "tls": {"certificate": str(pair.certificate), "key": str(pair.key)},
                    "resources": ["clinic"],
                }
            ],
            "issuers": [
                {"name": "login", "url": "https://login.example", "audiences": ["gateway"]}
            ],
            "directory": {"groups": {"analysts": ["agent"], "reviewers": ["dana"]}},
            "resources": [
                {
                    "name": "clinic",
                    "protocol": "postgres",
                    "target": "db.example:5432",
                    "database": "phi",
                    "credentials": {"user": "gateway", "password": {"file": "password"}},
                }
            ],
            "labels": [{"resource": "clinic", "column": "public.patients.ssn", "kind": "SSN"}],
            "policy": {"packs": []},
            "rules": [{"name": "read", "verdict": "allow", "match": {"groups": ["analysts"]}}],
        }

    def write(self, changes: dict[str, Any]) -> Path:
        """Write the file with ``changes``: dotted key → value, or REMOVE."""
        data = copy.deepcopy(self.valid)
        for key, value in changes.items():
            *parents, last = [int(one) if one.isdigit() else one for one in key.split(".")]
            place: Any = data
            for parent in parents:
                place = place[parent] if isinstance(place, list) else place.setdefault(parent, {})
            if value is REMOVE:
                del place[last]
            elif isinstance(place, list) and last == len(place):
                place.append(value)
            else:
                place[last] = value
        self.path.write_text(tomli_w.dumps(data))
        return self.path

    def load(self, **changes: Any) -> Settings:
        return load(self.write({key.replace("__", "."): value for key, value in changes.items()}))

    def problems(self, changes: dict[str, Any]) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            load(self.write(changes))
        prefix = f"{self.path}: "
        assert all(problem.startswith(prefix) for problem in caught.value.problems)
        return [problem.removeprefix(prefix) for problem in caught.value.problems]
