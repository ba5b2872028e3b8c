"""Whatever a file says: it is valid, or every line of the answer names a mistake."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from settings_file import File
from testbed.certificates import Certificates
from twisted.internet.endpoints import _parse, quoteStringArgument

from hoopgate.errors import SettingsError
from hoopgate.settings import endpoints, units
from hoopgate.settings.load import load

#: Close to what belongs in the file, far from it, and of every type that TOML has.
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        st.sampled_from(
            ["", "*", "tcp:1", "tcp:", "systemd:", "unix:", "http://[", "30s", "clinic"]
        ),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(),
        st.booleans(),
        st.just(date(2026, 1, 1)),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["name", "file", "mode", "a"]), inner, max_size=3),
    ),
    max_leaves=4,
)


def places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with every key of it."""
    for key in data if isinstance(data, dict) else range(len(data)):
        yield data, key
        if isinstance(data[key], (dict, list)):
            yield from places(data[key])


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> File:
    file = File(tmp_path_factory.mktemp("settings"), certificates)
    file.valid["node"]["metrics"] = "tcp:9187:interface=127.0.0.1"
    file.valid["resources"][0]["tls"] = {"mode": "verify-full", "ca_file": str(certificates.ca)}
    file.valid["rules"][0]["match"]["times"] = {"days": ["mon"], "from": "08:00", "zone": "UTC"}
    file.valid["limits"] = {"idle_time": "1h", "message_size": "1MiB"}
    load(file.write({}))
    return file


@given(data=st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_value_anywhere_is_valid_or_a_mistake(valid: File, data: st.DataObject) -> None:
    content = copy.deepcopy(valid.valid)
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(list(places(content))))
        container[key] = data.draw(VALUES)
    valid.path.write_text(tomli_w.dumps(content))
    try:
        load(valid.path)
    except SettingsError as error:
        problems = error.problems
    else:
        return
    assert problems
    assert all("; write " in line and line.isprintable() for line in problems)


@given(st.binary(max_size=200))
def test_any_bytes_are_valid_or_a_mistake(tmp_path_factory: Any, content: bytes) -> None:
    path: Path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError):
        load(path)


@given(st.integers(1, 10**9))
def test_durations_are_read_as_they_are_shown(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    shown = units.show_duration(seconds)
    assert units.duration(shown) == pytest.approx(seconds, rel=1e-5)


@given(st.integers(1, 2**39))
def test_sizes_are_read_as_they_are_shown(count: int) -> None:
    assert units.size(units.show_size(count)) == count


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1 s", "1e3s", "1.s", "٣s", "1s\n", "1kb"])
def test_anything_else_is_no_duration_or_size(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        units.duration(text)
    with pytest.raises(ValueError, match="not a size"):
        units.size(text)


PARTS = st.text(st.sampled_from("ab:=\\é/."), min_size=1, max_size=6)


@given(st.lists(PARTS, max_size=3), st.dictionaries(st.sampled_from(["host", "port"]), PARTS))
def test_endpoint_strings_are_taken_apart_as_twisted_does(
    arguments: list[str], keywords: dict[str, str]
) -> None:
    quoted = ["tcp", *(quoteStringArgument(one).replace("=", r"\=") for one in arguments)]
    quoted += [f"{key}={quoteStringArgument(value)}" for key, value in keywords.items()]
    description = ":".join(quoted)
    theirs = _parse(description)
    ours = endpoints.split(description)
    assert ((ours.kind, *ours.arguments), ours.keywords) == (tuple(theirs[0]), theirs[1])
    assert (ours.kind, list(ours.arguments), ours.keywords) == ("tcp", arguments, keywords)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *(("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True)),
        *(("", False), ("0.0.0.0", False), ("::", False), ("localhost.example", False)),
        *(("10.0.0.1", False), ("127.0.0.1.example", False), ("::ffff:10.0.0.1", False)),
    ],
)
def test_loopback(host: str, local: bool) -> None:
    assert endpoints.is_loopback(host) is local
