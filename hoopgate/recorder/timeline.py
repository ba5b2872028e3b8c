"""The moments of a session as lines for people: what the command line and the console show."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hoopgate.recorder.payload import Kind
from hoopgate.recorder.render import Renderer, inert, text
from hoopgate.recorder.replay import Moment


def lines(moment: Moment, shown: Renderer) -> Iterator[str]:
    """One moment as lines that no terminal interprets."""
    if moment.kind == Kind.REQUEST:
        yield from (f"→ {line}" for line in shown.request(moment.data))
    elif moment.kind == Kind.RESPONSE:
        yield from (f"← {line}" for line in shown.response(moment.data))
    elif moment.kind == Kind.FORWARDED:
        count = len(moment.data)
        yield f"  forwarded instead: {count} bytes" if count else "  nothing was forwarded"
    elif moment.kind == Kind.DECISIONS:
        for decision in json.loads(moment.data):
            words = [str(decision.get(n, "")) for n in ("verdict", "rule", "reason", "request")]
            yield "  " + inert(" ".join(word for word in words if word))
    elif moment.kind == Kind.DETAIL:
        yield "  " + text(moment.data)
    elif moment.kind is None and moment.leaf["type"] != "session.open":
        leaf = moment.leaf
        about = leaf.get("reason") or json.dumps(leaf.get("detail", {}), sort_keys=True)
        yield inert(f"● {leaf['type']} {about}")


def who(facts: Mapping[str, Any]) -> str:
    """Who opened the session, as the issuer and the directory said at that moment."""
    behind = f", for {facts['owner']}" if facts.get("owner") else ""
    through = f", through {', '.join(facts['actors'])}" if facts.get("actors") else ""
    groups, scopes = (", ".join(facts.get(name, ())) or "none" for name in ("groups", "scopes"))
    return f"{facts.get('subject')}{behind}{through}; groups: {groups}; scopes: {scopes}"
