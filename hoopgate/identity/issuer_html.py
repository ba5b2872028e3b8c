"""What the embedded issuer's few pages for people look like: no script, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1d2330;--soft:#5b6475;--ground:#f3f5f9;--card:#fff;
--line:#d5dae4;--act:#3a4fd8;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e8ebf2;--soft:#a3adbf;--ground:#12151c;--card:#1b202b;
--line:#333b4b;--act:#8ea0ff;--bad:#ff9a92}}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--ground);
color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{box-sizing:border-box;width:min(25rem,calc(100vw - 2rem));background:var(--card);
border:1px solid var(--line);border-radius:14px;padding:2rem}
h1{font-size:1.25rem;margin:0 0 .25rem}p{color:var(--soft);margin:0 0 1.25rem}
dl{display:grid;grid-template-columns:auto 1fr;gap:.3rem 1rem;margin:0 0 1.25rem}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.code{font:600 1.15rem ui-monospace,monospace;letter-spacing:.08em}
label{display:block;font-weight:600;margin:.9rem 0 .3rem}
input{box-sizing:border-box;width:100%;font:inherit;padding:.6rem .7rem;border-radius:8px;
border:1px solid var(--line);background:var(--ground);color:inherit}
button{width:100%;margin-top:1.4rem;padding:.7rem;border:0;border-radius:8px;font:inherit;
font-weight:600;background:var(--act);color:var(--card);cursor:pointer}
button.no{margin-top:.7rem;background:none;border:1px solid var(--line);color:var(--ink)}
:focus-visible{outline:3px solid var(--act);outline-offset:2px}
.bad{color:var(--bad)}
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

#: Status, headers, page.
Answer = tuple[int, dict[str, str], str]


def page(title: str, body: str) -> str:
    """A whole page.

    :param body: HTML of our own; what others gave is escaped in it.
    """
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{_STYLE}</style></head><body><main>
{body}</main></body></html>
"""


def log_in_fields(name: str) -> str:
    """The fields for name and password.

    :param name: what was given before, escaped.
    """
    return f"""<label for="name">Name</label>
<input id="name" name="name" value="{name}" autocomplete="username" autocapitalize="none"
 required{"" if name else " autofocus"}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password"
 required{" autofocus" if name else ""}>
"""


def alert(told: str) -> str:
    """A line that says what went wrong; nothing for nothing.

    :param told: escaped.
    """
    return f'<p class="bad" role="alert">{told}</p>' if told else ""


def page_headers(target: str = "") -> dict[str, str]:
    """Headers of a page.

    :param target: origin that its form redirects to: browsers hold that to the policy, too.
    """
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
            f"form-action 'self' {target}; frame-ancestors 'none'"
        ),
        # Without any referrer, browsers would say Origin: null of our own forms, too.
        "Referrer-Policy": "same-origin",
        "X-Frame-Options": "DENY",
    }
