"""Ways past a list by words that one program takes for a value, and another for a file or an
option; by what a program reads where no file is named; and the work that has to pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_ssh_channels import connected, run
from testbed.certificates import Certificates
from testbed.rawsftp import state
from testbed.ward import RULES, Ward, running_ward

from hoopgate.guardrails.commands import matches
from hoopgate.settings.model import CommandEntry
from hoopgate.shell.readers import looks_here

SECRET = b"123-45-6789"
PATHS = ["{root}/public/*"]
#: Entries as people write them: programs by what they are for, options by whoever has them.
COMMANDS: list[dict[str, Any]] = [
    {
        "name": "look",
        "programs": ["ls", "cat", "head", "tail", "wc", "sort", "uniq", "cut", "diff", "stat"],
        "options": [
            *("-l", "-a", "-h", "-r", "-u", "-n *", "-c *", "-t *", "-d *", "-f *", "-k *", "-s *"),
            *("--lines *", "--sort=*", "-b*"),
        ],
        "paths": PATHS,
    },
    {
        "name": "search",
        "programs": ["grep", "egrep"],
        "options": ["-n", "-i", "-c", "-v", "-r", "-o", "-A *", "--color=*", "-m *"],
        "arguments": ["*"],
        "paths": PATHS,
    },
    {"name": "count", "programs": ["nl", "tac"], "options": ["-b *"], "paths": PATHS},
    {"name": "fields", "programs": ["paste"], "options": ["-d *", "-s"], "paths": PATHS},
    {"name": "find", "programs": ["find"], "options": ["-name *", "-type *"], "paths": PATHS},
    {"name": "shown", "programs": ["md5sum", "od"], "arguments": ["*"], "paths": PATHS},
    {"name": "echo", "programs": ["echo", "printf"], "arguments": ["*"]},
    {"name": "any", "programs": ["id", "pwd", "true"]},
]

#: ``{s}`` is a file that may not be read, ``{p}`` the directory that may, ``{r}`` the one above,
#: ``{l}`` a link to the first; ``hoopgate-seen.txt`` is in the account's home.
ATTEMPTS = [
    # a value to one program, a file to another
    *(
        "cat -n {s}",
        "cat -t {s}",
        "uniq -c {s}",
        "uniq -d {s}",
        "uniq -u -d {s}",
        "ls -n {r}/secret",
    ),
    *(
        "ls -t {r}/secret",
        "ls -c {r}",
        "ls -k {r}/secret",
        "stat -t {s}",
        "stat -f {s}",
        "diff -d {s}",
    ),
    *(
        "diff -t {s} {p}/readme.txt",
        "cat -n {l}",
        "cat -n {p}/../secret/patients.csv",
        "cut -n {s}",
    ),
    *(
        "cat -s {s}",
        "cat -n hoopgate-seen.txt",
        "cat -t hoopgate-seen.txt",
        "sort -c {s}",
        "wc -c {s}",
        "nl -b {s}",
    ),
    *(
        "tac -b {s}",
        "cat -n /proc/self/environ",
        "ls -n /",
        "ls -n .",
        "ls -n ..",
        "cat -n .profile/x",
    ),
    *(
        "tail -f {s}",
        "sort -d {s}",
        "sort -f {s}",
        "ls -n {r}/nothing",
        "paste -d {s} {p}/readme.txt",
    ),
    # a value to one, an option to another
    *(
        "cat -n -A",
        "ls -n -R {p}",
        "sort -n -o{p}/x {p}/readme.txt",
        "sort -d -o{p}/x {p}/readme.txt",
    ),
    *("sort -n --output={p}/x {p}/readme.txt", "sort -n --compress-program=sh {p}/readme.txt"),
    *("wc -c --files0-from={s}", "sort -c --files0-from={s}", "cut -n -- {s}", "cat -n -- {s}"),
    *(
        "uniq -d -- {s}",
        "ls -n -1R {p}",
        "sort -boutput {p}/readme.txt",
        "sort -bo{p}/x {p}/readme.txt",
    ),
    *("sort -no{p}/x {p}/readme.txt", "ls -nR {p}", "ls -bR {p}", "sort -d -T{r} {p}/readme.txt"),
    # behind an operand, where not every getopt looks for options
    *("paste {p}/readme.txt -d {s}", "grep x {p}/readme.txt -A {s}", "cat {p}/readme.txt -n {s}"),
    # what stands first, and is a file to one of the programs, or where it is there
    *("md5sum {s}", "od {s}", "md5sum {l} {p}/readme.txt", "md5sum hoopgate-seen.txt", "od -- {s}"),
    *("md5sum -- -c {s}", "grep -A 1 {s} {p}/readme.txt {s}", "grep {s} {p}/readme.txt"),
    *("grep --color={s} x {p}/readme.txt", "ls --sort={s} {p}"),
    # where no file is named
    *("ls", "ls -l", "ls -la", "ls --", "find", "find -name *.txt", "find -type f", "grep -r ada"),
    *("grep -rn ada", "grep -ir ada --", "egrep -r ada"),
]

#: What agents send, and what it is answered with.
WORK = [
    ("cat {p}/readme.txt", b"hello ward"),
    ("cat {p}/readme.txt {p}/notes.md", b"# Notes"),
    ("head {p}/lines.txt", b"line 9"),
    ("head -5 {p}/lines.txt", b"line 4"),
    ("head -n 5 {p}/lines.txt", b"line 4"),
    ("head -n5 {p}/lines.txt", b"line 4"),
    ("head -n -1998 {p}/lines.txt", b"line 1"),
    ("head -c 6 {p}/lines.txt", b"line 0"),
    ("head -c 1K {p}/lines.txt", b"line 3"),
    ("head --lines=3 {p}/lines.txt", b"line 2"),
    ("head --lines 3 {p}/lines.txt", b"line 2"),
    ("tail -3 {p}/lines.txt", b"line 1999"),
    ("tail -n 3 {p}/lines.txt", b"line 1997"),
    ("tail -n +1999 {p}/lines.txt", b"line 1998"),
    ("tail -n+1999 {p}/lines.txt", b"line 1998"),
    ("ls {p}", b"readme.txt"),
    ("ls -l {p}", b"readme.txt"),
    ("ls -la {p}/", b"readme.txt"),
    ("ls -lah {p}", b"readme.txt"),
    ("ls -a -l -h {p}/sub", b"deep.txt"),
    ("ls -l --sort=size {p}", b"readme.txt"),
    ("wc {p}/lines.txt", b"2000"),
    ("wc -l {p}/lines.txt", b"2000"),
    ("sort -r {p}/table.csv", b"b,2"),
    ("sort -t , -k 2 {p}/table.csv", b"a,1"),
    ("sort -t, -k 2,2 {p}/table.csv", b"a,1"),
    ("cut -d , -f 1 {p}/table.csv", b"a\nb"),
    ("cut -d, -f1 {p}/table.csv", b"a\nb"),
    ("cut -c 1-2 {p}/table.csv", b"a,"),
    ("uniq {p}/table.csv", b"a,1"),
    ("diff {p}/readme.txt {p}/readme.txt", b""),
    ("stat {p}/readme.txt", b"Size: 11"),
    ("paste -s -d , {p}/table.csv", b"a,1,b,2"),
    ("paste -d / {p}/table.csv {p}/table.csv", b"a,1/a,1"),
    ("grep hello {p}/readme.txt", b"hello ward"),
    ("grep -n 'hello ward' {p}/readme.txt", b"1:hello"),
    ('grep -in "HELLO" {p}/readme.txt', b"1:hello"),
    ("grep -c '^line 1[0-9]*$' {p}/lines.txt", b"1111"),
    ("grep -r deep {p}", b"deep.txt"),
    ("grep -rn deep {p}/sub/", b"deep.txt"),
    ("grep -v line {p}/readme.txt", b"hello"),
    ("grep -A 1 Notes {p}/notes.md", b"GET /api"),
    ("grep -A1 Notes {p}/notes.md", b"GET /api"),
    ("grep /api/v1 {p}/notes.md", b"GET /api/v1"),
    ("grep -m 2 --color=never line {p}/lines.txt", b"line 1"),
    ("grep -- -x {p}/notes.md", b"-x"),
    ("egrep 'a|b' {p}/table.csv", b"b,2"),
    ("find {p} -name '*.md'", b"notes.md"),
    ("find {p} -type f -name deep.txt", b"deep.txt"),
    ("nl {p}/readme.txt", b"1\thello"),
    ("echo 'it''s /etc/passwd; $(id)'", b"its /etc/passwd; $(id)"),
    ("printf done", b"done"),
    ("id", b"uid="),
    ("pwd", b"/"),
]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Ward]:
    with running_ward(
        tmp_path_factory.mktemp("mixed"), certificates, commands=COMMANDS, rules=RULES[1:]
    ) as running:
        root = running.server.root
        running.server.write("public/notes.md", b"# Notes\nGET /api/v1/patients\nuse -x\n")
        running.server.write("public/table.csv", b"a,1\nb,2\n")
        running.server.write("public/sub/deep.txt", b"deep\n")
        (root / "public/link").symlink_to(root / "secret/patients.csv")
        seen = Path(running.server.home, "hoopgate-seen.txt")
        seen.write_bytes(SECRET)
        seen.chmod(0o644)
        try:
            yield running
        finally:
            seen.unlink()


def filled(ward: Ward, form: str) -> str:
    root = str(ward.server.root)
    link = f"{root}/public/link"
    return form.format(s=f"{root}/secret/patients.csv", p=f"{root}/public", r=root, l=link)


def test_there_are_many() -> None:
    assert len(set(ATTEMPTS)) > 70
    assert len(dict(WORK)) > 50


def test_no_value_gets_past_the_list(mixed: Ward) -> None:
    before = state(mixed)

    async def attempts() -> None:
        async with connected(mixed) as connection:
            for form in ATTEMPTS:
                line = filled(mixed, form)
                done = await connection.run(line, input=b"", encoding=None, timeout=60)
                output = bytes(done.stdout or b"") + bytes(done.stderr or b"")
                assert SECRET not in output, form
                assert done.exit_status == 126, (form, output)
                assert b"hoopgate: refused" in output, form

    run(attempts())
    assert state(mixed) == before


def test_what_agents_send_passes(mixed: Ward) -> None:
    async def work() -> None:
        async with connected(mixed) as connection:
            for form, said in WORK:
                line = filled(mixed, form)
                done = await connection.run(line, input=b"", encoding=None, timeout=60)
                assert done.exit_status == 0, (form, done.stderr)
                assert said in bytes(done.stdout or b""), (form, done.stdout)

    run(work())


LEADS = {
    "/s": "/s",
    "/d/x": "/d/x",
    "/nothing": "/nothing",
    "seen": "/home/a/seen",
    "new": "/h/new",
}
THERE = frozenset({"/s", "/d/x", "seen"})


def fine(entry: CommandEntry, *words: str) -> bool:
    return matches(entry, words, LEADS, "/home/a/", THERE)


@pytest.mark.parametrize("programs", [{"head"}, {"head", "tail"}, {"cat", "head"}])
@pytest.mark.parametrize("option", ["-n *", "--lines *"])
def test_a_value_is_no_path_that_nobody_allowed(programs: set[str], option: str) -> None:
    entry = CommandEntry("x", frozenset(programs), options=(option,), paths=("/d/*",))
    name = option.split()[0]
    mixed = "cat" in programs
    for value in ("5", "-5", "+5", "1K", "new", "/d/x", "-", ","):
        assert fine(entry, "head", name, value, "/d/x"), value
    for value in ("seen", "/nothing", "--", "-A", "--x", "-1R"):
        assert fine(entry, "head", name, value, "/d/x") is not mixed, value
        assert not fine(entry, "head", "/d/x", name, value), value
    assert not fine(entry, "head", name, "/s", "/d/x")
    assert not fine(entry, "head", "/d/x", name, "/s")


def test_a_value_of_one_word() -> None:
    one = CommandEntry("x", frozenset({"cut"}), options=("-d *", "-f*"), paths=("/d/*",))
    many = CommandEntry("x", frozenset({"cut", "ls"}), options=("-d *", "-f*"), paths=("/d/*",))
    for word in ("-d,", "-d:", "-f1", "-f1,2", "-f1-3"):
        assert fine(one, "cut", word, "/d/x"), word
        assert fine(many, "cut", word, "/d/x"), word
    assert fine(one, "cut", "-fa", "/d/x")
    for word in ("-fR", "-f1R", "-f/s", "-f./x"):
        assert not fine(many, "cut", word, "/d/x"), word
    assert not fine(one, "cut", "-f/s", "/d/x")
    assert not fine(one, "cut", "-d")


def test_an_entry_without_paths_takes_texts() -> None:
    entry = CommandEntry("x", frozenset({"echo", "printf"}), arguments=("*",))
    assert fine(entry, "echo", "/s")
    assert fine(entry, "echo", "seen")


@pytest.mark.parametrize(
    ("words", "here"),
    [
        (("ls",), True),
        (("/bin/ls", "-l"), True),
        (("grep", "-r", "x"), True),
        (("grep", "-nR", "x"), True),
        (("grep", "--rec", "x"), True),
        (("grep", "--directories=recurse", "x"), True),
        (("grep", "-d", "recurse", "x"), True),
        (("grep", "-n", "x"), False),
        (("cat",), False),
        (("head", "-r"), False),
    ],
)
def test_programs_that_look_where_they_are(words: tuple[str, ...], here: bool) -> None:
    assert looks_here(words) is here


def test_where_a_program_runs_is_a_path() -> None:
    inside = CommandEntry("x", frozenset({"ls"}), paths=("/home/*",))
    assert fine(inside, "ls")
    assert not fine(CommandEntry("x", frozenset({"ls"}), paths=("/d/*",)), "ls")
    assert fine(CommandEntry("x", frozenset({"ls"})), "ls")  # nothing else is said there
