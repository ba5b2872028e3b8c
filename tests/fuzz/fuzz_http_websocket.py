"""Fuzz the frames of WebSockets: ``tools/fuzz`` runs every target."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["hoopgate.http"]):
    from fuzz.http_checks import CHECKS

atheris.Setup(sys.argv, CHECKS["http_websocket"])
atheris.Fuzz()
