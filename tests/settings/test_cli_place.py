"""Commands find the node by ``--config``, by HOOPGATE_CONFIG, or by what they are told instead."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from hoopgate.cli import logfiles, main
from hoopgate.cli.place import CONFIG_VARIABLE


@pytest.fixture(autouse=True)
def _no_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)


@pytest.mark.parametrize(
    "command",
    [["check"], ["sessions"], ["replay", "x"], ["audit", "verify"], ["approvals", "list"]],
)
def test_every_command_takes_the_variable(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main.parser().parse_args(command)
    assert "--config" in capsys.readouterr().err
    monkeypatch.setenv(CONFIG_VARIABLE, "from-environment.toml")
    assert main.parser().parse_args(command).config == Path("from-environment.toml")
    given = main.parser().parse_args([*command, "--config", "given.toml"])
    assert given.config == Path("given.toml")


def test_a_directory_on_the_command_line_counts_more_than_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(CONFIG_VARIABLE, "from-environment.toml")
    options = main.parser().parse_args(["audit", "verify", "--directory", "copy"])
    assert logfiles.find(options) == (Path("copy"), None)


def test_a_directory_and_a_config_on_the_command_line_are_a_mistake() -> None:
    parser = argparse.ArgumentParser()
    logfiles.add_place(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--config", "x", "--directory", "y"])
