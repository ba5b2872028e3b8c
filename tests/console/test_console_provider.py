"""The console's log-in at an issuer of another make: authorization code with PKCE, in a browser."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from testbed.certificates import Certificates
from testbed.console import browsing, running_console
from testbed.oidcprovider import RESOURCE, OIDCProvider, public
from testbed.postgres import Postgres


def test_a_reviewer_logs_in_at_another_issuer(
    tmp_path: Path, certificates: Certificates, postgres15: Postgres
) -> None:
    with contextlib.ExitStack() as stack:

        def adjust(settings: dict[str, Any]) -> None:
            callback = f"{settings['console']['url']}/login/callback"
            console = public("hoopgate-console", ["authorization_code"], [callback])
            provider = stack.enter_context(
                OIDCProvider(tmp_path, certificates, [console], scopes=["hoopgate:approve"])
            )
            settings["issuers"].append(
                {
                    "name": "provider",
                    "url": provider.url,
                    "audiences": [RESOURCE],
                    "ca_file": str(certificates.ca),
                }
            )
            settings["console"].update(issuer="provider", audience=RESOURCE)

        clinic = stack.enter_context(
            running_console(
                tmp_path, certificates, postgres15, database="provider_clinic", adjust=adjust
            )
        )
        browser = stack.enter_context(browsing())
        for who, seen in (("rita", "Approvals"), ("otto", "Forbidden")):
            page = browser.new_context(ignore_https_errors=True).new_page()
            page.set_default_timeout(60_000)
            page.goto(clinic.url)
            page.get_by_placeholder("Enter any login").fill(who)
            page.get_by_placeholder("and password").fill("any")
            page.get_by_role("button", name="Sign-in").click()
            page.get_by_role("button", name="Continue").click()
            page.get_by_role("heading", name=seen, exact=True).wait_for()
            assert page.url.startswith(clinic.url)
