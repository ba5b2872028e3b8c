"""The rules in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hoopgate.guardrails.pipeline import Pipeline


class Rules:
    """The rules in force. SIGHUP puts new ones in place; ``generation`` tells sessions."""

    def __init__(self, pipeline: Pipeline, digest: str) -> None:
        self.pipeline = pipeline
        self.digest = digest
        self.generation = 0

    def replace(self, pipeline: Pipeline, digest: str) -> None:
        self.pipeline = pipeline
        self.digest = digest
        self.generation += 1
