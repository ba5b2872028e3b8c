"""npm's conformance package of MCP through the gateway, and the official client's side of it.

What a server passes by itself, it passes through the gateway. Where there is PHI, the scenarios
that look for a text or an image of their own get the masked one; they are named here.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testbed.certificates import Certificates
from testbed.mcpconformance import Conformance, running_conformance

#: Of the specification, and how many scenarios the server passes of each. The one from June 2025
#: has none that November's has not.
VERSIONS = {"2025-03-26": 1, "2025-11-25": 25, "2026-07-28": 37}
#: Scenario → why it cannot pass where results are masked.
MASKED = {
    "prompts-get-with-args": "the prompt's text is masked",
    "prompts-get-with-image": "the prompt's image is shown as [BLOB]",
    "resources-read-binary": "blobs are shown as [BLOB]",
    "resources-templates-read": "the resource's text is masked",
    **dict.fromkeys(
        (
            "input-required-result-basic-elicitation",
            "input-required-result-basic-list-roots",
            "input-required-result-basic-sampling",
            "input-required-result-capability-check",
            "input-required-result-multi-round",
            "input-required-result-multiple-input-requests",
            "input-required-result-non-tool-request",
            "input-required-result-request-state",
            "input-required-result-result-type",
            "input-required-result-tampered-state",
        ),
        "questions of the server hold text and are not passed on",
    ),
    "tools-call-audio": "sound is shown as [BLOB]",
    "tools-call-image": "images are shown as [BLOB]",
}


@pytest.fixture(scope="module")
def conformance(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Conformance]:
    """A server that does what the package asks for, and a gateway before it."""
    with running_conformance(tmp_path_factory.mktemp("mcp"), certificates) as running:
        yield running


@pytest.mark.parametrize("version", VERSIONS)
def test_what_passes_at_the_server_passes_through_the_gateway(
    conformance: Conformance, version: str
) -> None:
    good = {name for name, passed in conformance.passed(version).items() if passed}
    assert len(good) >= VERSIONS[version]
    through = conformance.passed(version, "open")
    assert {name for name in good if not through.get(name)} == set()


def test_where_there_is_phi_only_what_is_masked_does_not_pass(conformance: Conformance) -> None:
    open_, closed = (conformance.passed("2026-07-28", name) for name in ("open", "closed"))
    assert {name for name, passed in open_.items() if passed and not closed.get(name)} == set(
        MASKED
    )


# Of the package's scenarios for clients those of `auth/` are about how a client logs in at a server
# of the package's own, which is not behind a gateway (see `test_http_mcp_modern.py` for a login at
# an issuer that the gateway names); `json-schema-2020-12-preservation` is about what a client tells
# its host, and `sse-retry` passes, but judges milliseconds.
@pytest.mark.parametrize(
    ("scenario", "version"),
    [
        ("initialize", "2025-11-25"),
        ("tools_call", "2025-11-25"),
        ("elicitation-sep1034-client-defaults", "2025-11-25"),
        ("tools_call", "2026-07-28"),
        ("request-metadata", "2026-07-28"),
        ("sep-2322-client-request-state", "2026-07-28"),
        ("http-standard-headers", "2026-07-28"),
        ("http-custom-headers", "2026-07-28"),
        ("http-invalid-tool-headers", "2026-07-28"),
        ("json-schema-ref-no-deref", "2026-07-28"),
    ],
)
def test_the_official_client_passes_through_the_gateway(
    conformance: Conformance, scenario: str, version: str
) -> None:
    assert conformance.client_passed(scenario, version)
