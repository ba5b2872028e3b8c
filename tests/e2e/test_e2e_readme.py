"""The README: its two commands, and links that lead somewhere, here and in docs/.

The walk through the first five minutes is ``test_e2e_getting_started.py``, what it shows of a file
is loaded by ``tests/test_docs.py``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from testbed.parts import CHECKOUT

README = (CHECKOUT / "README.md").read_text()
PAGES = [*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").glob("*.md")]


def anchors(text: str) -> set[str]:
    """Headings as links name them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one.lower()).strip().replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    for link, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text()):
        target = page.parent / link if link else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text()), f"{link}#{anchor}"


def test_no_page_is_left_out_of_the_index() -> None:
    index = (CHECKOUT / "docs" / "index.md").read_text()
    for page in (CHECKOUT / "docs").glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in index, page.name


def test_the_two_commands_are_targets() -> None:
    made = re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    (block, *_) = re.findall(r"^```console\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert re.findall(r"^\$ (make \w+)", block, re.MULTILINE) == ["make demo", "make test"]
    assert {"demo", "test"} <= set(made)


def test_examples_are_those_of_the_pages() -> None:
    deployment = (CHECKOUT / "docs" / "deployment.md").read_text()
    _, _, minimal = (CHECKOUT / "examples" / "minimal.toml").read_text().partition("\n")
    assert f"```toml\n{minimal}```" in deployment
    assert len(minimal.splitlines()) == 6
