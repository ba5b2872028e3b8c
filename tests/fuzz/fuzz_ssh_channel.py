"""Fuzz SSH, channel: ``tools/fuzz`` runs every target."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["hoopgate.ssh"]):
    from fuzz.ssh_checks import CHECKS

atheris.Setup(sys.argv, CHECKS["ssh_channel"])
atheris.Fuzz()
