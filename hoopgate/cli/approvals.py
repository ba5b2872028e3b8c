"""``hoopgate approvals``: see what waits for a person, and decide it.

Exit status: 0 done; 1 the node refused (no such request, not pending any more, your own, another
group's …; the code is printed); 2 the command could not be carried out (usage, token, no node).
With ``--wait`` it says how it ended: 0 approved, 3 denied or taken back, 4 expired or withdrawn,
5 still pending when the time to wait was over.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterable
from typing import Any

from hoopgate.cli import tables
from hoopgate.cli.node import Node, Page, RefusedByNode, add_node_arguments, inert

STATES = ("pending", "approved", "used", "denied", "expired", "abandoned", "revoked", "all")


# --- the command line --------------------------------------------------------------------------


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``approvals``."""
    command = commands.add_parser(
        "approvals", help="see statements that wait for a person, and decide"
    )
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = _action(actions, "list", "list requests", run_list)
    listing.add_argument("--state", choices=STATES, default="pending", help="default: pending")
    show = _action(actions, "show", "show a request with its statement", run_show)
    show.add_argument("id", metavar="ID")
    _waiting(show, "wait until it is decided")
    for name, help_ in (
        ("approve", "let the statement run, once"),
        ("deny", "refuse the statement"),
        ("revoke", "take back an approval that was not used yet"),
    ):
        decide = _action(actions, name, help_, run_decide)
        decide.add_argument("id", metavar="ID")
        decide.add_argument(
            "--reason", required=True, metavar="TEXT", help="kept with the decision"
        )
        if name == "approve":
            _waiting(decide, "where others have to approve, too: wait until they have")
    watch = _action(actions, "watch", "print requests and decisions as they come", run_watch)
    watch.add_argument(
        "--interval", type=_interval, default=2.0, metavar="SECONDS", help="default: 2"
    )


def _action(actions: Any, name: str, help_: str, run: Any) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = actions.add_parser(name, help=help_, description=help_)
    add_node_arguments(action, "approvals", run)
    return action


def _waiting(action: argparse.ArgumentParser, help_: str) -> None:
    action.add_argument("--wait", action="store_true", help=help_)
    action.add_argument(
        "--wait-seconds", type=_interval, metavar="SECONDS", help="with --wait: no longer than that"
    )


def _interval(text: str) -> float:
    seconds = float(text)
    if not 0.1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("0.1 to 3600 seconds")
    return seconds


def run_list(options: argparse.Namespace, node: Node) -> None:
    """A table, the newest request first."""
    answer = node.get(f"/v1/approvals?state={options.state}")
    found: list[Page] = answer["approvals"]
    if options.json:
        _print_json(answer)
        return
    if not found:
        print("Nothing waits." if options.state == "pending" else "No such requests.")
        return
    _print_table(found, with_state=options.state != "pending")
    if answer["truncated"]:
        print(f"Only the newest {len(found)} are shown.", file=sys.stderr)


def run_show(options: argparse.Namespace, node: Node) -> int:
    """Everything about a request that its reviewers may see."""
    page = node.get(f"/v1/approvals/{_id(options.id)}")
    if options.wait:
        page = _decided(options, node, page)
    if options.json:
        _print_json(page)
    else:
        print("\n".join(shown(page)))
    return _ENDS[page["state"]] if options.wait else 0


def run_decide(options: argparse.Namespace, node: Node) -> int:
    """``approve``, ``deny`` or ``revoke``."""
    path = f"/v1/approvals/{_id(options.id)}/{options.action}"
    page = node.post(path, {"reason": options.reason})
    wait = options.action == "approve" and options.wait
    if wait:
        page = _decided(options, node, page)
    if options.json:
        _print_json(page)
    else:
        print(f"{inert(page['id'])} is {inert(page['state'])}. {_then(page)}".strip())
    return _ENDS[page["state"]] if wait else 0


#: Exit statuses of --wait.
_ENDS = {
    "approved": 0,
    "used": 0,
    "denied": 3,
    "revoked": 3,
    "expired": 4,
    "abandoned": 4,
    "pending": 5,
}


def _decided(options: argparse.Namespace, node: Node, page: Page) -> Page:
    """The request once it is not pending any more, or the time is over."""
    end = time.monotonic() + (options.wait_seconds or float("inf"))
    while page["state"] == "pending" and time.monotonic() < end:
        time.sleep(max(0.0, min(1.0, end - time.monotonic())))
        page = node.get(f"/v1/approvals/{page['id']}")
    return page


def _then(page: Page) -> str:
    """What comes of it."""
    if page["state"] == "pending":
        missing = page["approvers"] - len(page["approvals"])
        return f"{missing} more {'person has' if missing == 1 else 'persons have'} to approve."
    if page["state"] == "approved" and page["effect"]:
        return "What it did is committed."
    if page["state"] == "approved" and page["window"]:
        return f"It runs, and again for the same identity, within {_left(page)}."
    return {
        "approved": f"It runs once, by the same identity, within {_left(page)}.",
        "denied": "What it did is rolled back." if page["effect"] else "The statement is refused.",
        "revoked": "It can no longer be used.",
    }.get(page["state"], "")


def run_watch(options: argparse.Namespace, node: Node) -> None:
    """A line per request and per change, until interrupted."""
    try:
        _watch(options, node)
    except KeyboardInterrupt:
        return


def _watch(options: argparse.Namespace, node: Node) -> None:
    known: dict[str, str] = {}
    first = True
    while True:
        for page in reversed(node.get("/v1/approvals?state=all")["approvals"]):
            before, known[page["id"]] = known.get(page["id"]), page["state"]
            if before == page["state"] or (first and page["state"] != "pending"):
                continue
            if options.json:
                print(json.dumps(page), flush=True)
            else:
                print(_watched(page), flush=True)
        first = False
        time.sleep(options.interval)


def _id(text: str) -> str:
    text = text.strip().lower()
    if not re.fullmatch(r"[a-z0-9-]{1,32}", text):
        raise RefusedByNode("approval.unknown", "no such request")
    return text


# --- on the terminal ---------------------------------------------------------------------------


def shown(page: Page) -> list[str]:
    """A request as lines of text."""
    who = page["requester"]
    statement: Page | None = page.get("statement")
    left = f", {_left(page)} left" if page["seconds_left"] else ""
    rows = [
        ("Request", f"{page['id']}  {page['state']}{left}"),
        ("Requester", f"{who['subject']}  ({who['issuer']})"),
        ("For", _behind(page)),
        ("Resource", f"{page['resource']}  ({page['protocol']}, database {page['database']})"),
        ("Session", f"{page['session'] or 'ended with a restart'}  from {page['peer']}"),
        ("Rule", f"{page['rule']}  ({page['reason']})"),
        ("What", ", ".join(page["classes"])),
    ]
    if statement is not None:
        rows += [
            ("Because", statement["message"]),
            ("Effect", _effect(page, statement)),
            ("Estimate", _estimate(page, statement)),
            ("Touches", ", ".join(statement["relations"])),
            ("Functions", ", ".join(statement["functions"])),
            ("Settings", ", ".join(f"{k} = {v}" for k, v in statement["settings"].items())),
            ("Client", statement["application"]),
            ("Digest", statement["digest"]),
        ]
    rows.append(("Reviewers", ", ".join(page["reviewers"])))
    if page["approvers"] > 1 or page["approvals"]:
        given = ", ".join(vote["subject"] for vote in page["approvals"])
        count = f"{len(page['approvals'])} of {page['approvers']}"
        rows.append(("Approved by", f"{given}  ({count})" if given else f"{count} so far"))
    if page["window"]:
        rows.append(("Good for", f"{_span(page['window'])} once approved; used {page['uses']} ×"))
    if page["decided_by"] is not None:
        by = page["decided_by"]
        rows.append(("Decided by", f"{by['subject']}  ({by['issuer']})"))
        rows.append(("Their reason", page.get("decision_reason", "")))
    lines = [f"{name:<13}{inert(value)}" for name, value in rows if value]
    if statement is not None:
        lines += ["", "Statement", *(f"  | {line}" for line in _lines(statement["text"]))]
        if statement["parameters"]:
            lines += ["", "Parameters"]
            lines += [
                f"  ${number}  {_parameter(one)}"
                for number, one in enumerate(statement["parameters"], 1)
            ]
    elif page["reviewer"]:
        lines += ["", "The statement was erased, some time after the request was closed."]
    else:
        lines += ["", "The statement is shown to members of the reviewers' groups only."]
    if page["state"] == "pending" and page["reviewer"]:
        lines += [
            "",
            f"Decide: hoopgate approvals approve|deny {inert(page['id'])} --reason TEXT …",
        ]
    return lines


def _lines(text: str) -> list[str]:
    return [inert(line.expandtabs(8)) for line in text.split("\n")]


def _parameter(one: Page) -> str:
    kind = f"type {one['type']}" if one["type"] else "type not declared"
    if one.get("null"):
        return f"NULL  ({kind})"
    if "text" in one:
        quoted = str(one["text"]).replace("\n", "\\n").replace("'", "''")
        return f"'{inert(quoted)}'  ({kind})"
    return f"\\x{inert(one['hex'])}  ({kind}, binary)"


def _behind(page: Page) -> str:
    """On whose behalf, and through whom."""
    who = page["requester"]
    via = ", ".join(who["actors"])
    return " ".join(part for part in (who["owner"], f"via {via}" if via else "") if part)


def _effect(page: Page, statement: Page) -> str:
    if not page["effect"]:
        return ""
    done = _rows(statement["affected"])
    waits = "; it is done, and waits to be committed" if page["state"] == "pending" else ""
    return f"{done} changed{waits}"


def _estimate(page: Page, statement: Page) -> str:
    if statement["estimated"] is None:
        return ""
    before = ", before grouping and LIMIT" if page["protocol"] in ("mariadb", "mysql") else ""
    return f"about {_rows(statement['estimated'])}{before}"


def _rows(count: int | None) -> str:
    return "" if count is None else f"{count} row{'' if count == 1 else 's'}"


def _left(page: Page) -> str:
    return _span(page["seconds_left"])


def _span(length: float) -> str:
    seconds = int(length)
    if seconds < 100:
        return f"{seconds} s"
    if seconds < 100 * 60:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h"


def _watched(page: Page) -> str:
    moment = time.strftime("%H:%M:%S")
    parts = [moment, page["id"], f"{page['state']:<9}", page["requester"]["subject"]]
    behind = _behind(page)
    parts += [f"for {behind}"] if behind else []
    parts += [page["resource"], page["rule"], ", ".join(page["classes"])]
    if page["decided_by"] is not None:
        parts.append(f"by {page['decided_by']['subject']}")
    return inert("  ".join(part for part in parts if part))


def _print_table(found: Iterable[Page], *, with_state: bool) -> None:
    head = ["ID", "REQUESTER", "FOR", "RESOURCE", "RULE", "WHAT", "STATE" if with_state else "LEFT"]
    rows = [head] + [
        [
            inert(cell)
            for cell in (
                page["id"],
                page["requester"]["subject"],
                _behind(page),
                page["resource"],
                page["rule"],
                ", ".join(page["classes"]),
                page["state"] if with_state else _left(page),
            )
        ]
        for page in found
    ]
    for line in tables.lines(rows, whole=(0, len(head) - 1)):
        print(line)


def _print_json(page: Page) -> None:
    print(json.dumps(page, indent=2))
