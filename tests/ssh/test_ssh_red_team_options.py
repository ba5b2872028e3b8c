"""Ways past a generous list of commands: options that take paths, values and programs.

What the list allows is what an operator may well write who knows these programs; the attempts use
what else the programs understand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from test_ssh_channels import connected, run
from testbed.certificates import Certificates
from testbed.rawsftp import state
from testbed.ward import RULES, Ward, running_ward

SECRET = b"123-45-6789"
PATHS = ["{root}/public/*"]
COMMANDS: list[dict[str, Any]] = [
    {
        "name": "text",
        "programs": ["cat", "head", "tail", "wc", "cut", "sort", "uniq", "paste", "join", "diff"],
        "options": [
            *("-n", "-c", "-d *", "-f [0-9]*", "-n [0-9]*", "-c [0-9]*", "-k [0-9]*", "-t *"),
            *("-u", "-r", "-l", "--lines=[0-9]*", "--color=*"),
        ],
        "paths": PATHS,
    },
    {
        "name": "patterns",
        "programs": ["grep"],
        "options": ["-n", "-i", "-f {root}/public/*", "--file={root}/public/*", "-c"],
        "paths": PATHS,
    },
    {
        "name": "looked-for",
        "programs": ["egrep"],
        "options": ["-n", "-i", "-c", "-o"],
        "arguments": ["*"],
        "paths": PATHS,
    },
    {
        "name": "about",
        "programs": ["stat", "file", "ls", "du", "sha256sum", "od", "readlink"],
        "options": ["-l", "-a", "-h", "-b", "-c %*", "--time-style=*", "-t x1", "-A n"],
        "paths": PATHS,
    },
    {"name": "when", "programs": ["date"], "options": ["-u"], "arguments": ["+%*"]},
    {"name": "say", "programs": ["echo"], "arguments": ["*"]},
    {"name": "chosen", "programs": ["test"], "options": ["-e"], "arguments": ["{root}/public/*"]},
]

#: ``{s}`` is a file that may not be read, ``{p}`` the directory that may, ``{r}`` the one above,
#: ``{l}`` a link to the first, ``{d}`` one to its directory.
ATTEMPTS = [
    # option abbreviations, and options nobody listed
    "wc --files0=-",
    "wc --files0-f={s}",
    "wc --files0-from {s}",
    "sort --files0-from={s}",
    "sort --fi={s}",
    "sort -o {p}/x {p}/readme.txt",
    "sort -o{p}/x {p}/readme.txt",
    "sort --output={p}/x {p}/readme.txt",
    "sort --outp={p}/x {p}/readme.txt",
    "sort --compress-program=sh {p}/readme.txt",
    "sort --compress-prog=sh {p}/readme.txt",
    "sort -T {r} {p}/readme.txt",
    "sort -S 1 {p}/readme.txt",
    "sort -ro {p}/x {p}/readme.txt",
    "sort -uro{p}/x {p}/readme.txt",
    "sort -k 1 -o {p}/x {p}/readme.txt",
    "sort --random-source={s} -R {p}/readme.txt",
    "uniq {p}/readme.txt {r}/x",
    "uniq {p}/readme.txt {s}",
    "tail --pid=1 {s}",
    "tail -F {s}",
    "tail -f {s}",
    "head --bytes=99 {s}",
    "head -c 99 {s}",
    "head -c99 {s}",
    "head -n 5 {l}",
    "head -n 5 -- {l}",
    "cut -f 1 {s}",
    "cut -d , -f 1 {s}",
    "cut -d, -f1 {s}",
    "cut --output-delimiter=x -f 1 {s}",
    "paste {p}/readme.txt {s}",
    "paste -d , {s} {p}/readme.txt",
    "join {s} {s}",
    "join -t , {p}/readme.txt {s}",
    "diff {s} {p}/readme.txt",
    "diff --from-file={s} {p}/readme.txt",
    "diff --to-file={s} {p}/readme.txt",
    "diff -r {p} {r}/secret",
    "diff {p}/readme.txt {r}/secret",
    "diff --line-format=%L {p}/readme.txt {s}",
    # paths in values
    "grep -f {s} {p}/readme.txt",
    "grep -f {p}/../secret/patients.csv {p}/readme.txt",
    "grep -f {l} {p}/readme.txt",
    "grep -f {d}/patients.csv {p}/readme.txt",
    "grep -f secret {p}/readme.txt",
    "grep -f - {p}/readme.txt",
    "grep -f{l} {p}/readme.txt",
    "grep --file={s} {p}/readme.txt",
    "grep --file={p}/../secret/patients.csv {p}/readme.txt",
    "grep --file={l} {p}/readme.txt",
    "grep --file={d}/patients.csv {p}/readme.txt",
    "grep --file {s} {p}/readme.txt",
    "grep --fil={s} {p}/readme.txt",
    "grep --file== {p}/readme.txt",
    "grep -nf {s} {p}/readme.txt",
    "grep -if{s} {p}/readme.txt",
    "grep -r . {r}",
    "grep -R . {p}",
    "grep --include=* -r . {p}",
    "grep -d recurse . {d}",
    "grep --directories=recurse . {d}",
    "egrep -r . {d}",
    "egrep . {s}",
    "egrep . {l}",
    "egrep . {d}",
    "egrep -e . {s}",
    "egrep -f {s} {p}/readme.txt",
    "egrep {s} -f {p}/readme.txt",
    "egrep . -- {s}",
    "egrep -- . {s}",
    "egrep . {p}/readme.txt --color=always {s}",
    "test -e {s}",
    "test -e {l}",
    "test -e {p}/../secret",
    "test -e secret",
    "test -ef {s} {p}/x",
    # readers of other things
    "file -f {s}",
    "file -m {s} {p}/readme.txt",
    "file -C -m {p}/readme.txt",
    "file -z {s}",
    "file --files-from={s}",
    "file --files-from {s}",
    "stat -c %n {s}",
    "stat --printf=%n {s}",
    "stat -f {s}",
    "du -a {r}",
    "du --files0-from={s}",
    "du -X {s} {p}",
    "du --exclude-from={s} {p}",
    "ls --hyperlink=always {r}/secret",
    "ls -l {d}/",
    "ls -L {p}",
    "ls -R {r}",
    "od -t x1 {s}",
    "od -A n -t x1 {l}",
    "od -tx1 {s}",
    "od --traditional {s}",
    "sha256sum --check {s}",
    "sha256sum -c {s}",
    "sha256sum -bc {s}",
    "date -f {s}",
    "date -f{s}",
    "date --file={s}",
    "date -r {s}",
    "date -s +%s",
    "date +%s -f {s}",
    "date -uf {s}",
    "readlink -f {s}",
    # programs that run programs, or write
    "env cat {s}",
    "env -S 'cat {s}'",
    "nice -n 5 cat {s}",
    "timeout 5 cat {s}",
    "stdbuf -o0 cat {s}",
    "xargs -a {s}",
    "xargs cat",
    "tee {p}/x",
    "dd if={s}",
    "dd if={p}/readme.txt of={p}/x",
    "busybox cat {s}",
    "toybox cat {s}",
    "find {p} -fprintf {p}/x %p",
    "find {p} -execdir cat {s} +",
    "find {p} -ok cat {s} +",
    "find {p} -fls {p}/x",
    "tar -cf - --to-command=sh {p}",
    "tar -I sh -cf - {p}",
    "tar --use-compress-program=sh -cf - {p}",
    "tar --checkpoint-action=exec=sh -cf - {p}",
    "awk 1 {s}",
    "awk -f {s}",
    "sed -n p {s}",
    "sed 1w{p}/x {p}/readme.txt",
    "sed 1e {p}/readme.txt",
    "git -c core.pager=sh -C {p} log",
    "git -C {p} --exec-path={p} status",
    "less {s}",
    "man {s}",
    "vi -c :!sh",
    "rsync -e sh {p}/x y:",
    "rsync --rsync-path=sh {p}/x y:",
    "rsync --daemon",
    "scp -S sh {p}/x y:",
    "ssh localhost cat {s}",
    "script -c cat",
    "flock {p}/x cat {s}",
    "setarch -R cat {s}",
    "ionice cat {s}",
    "chroot / cat {s}",
    "unshare cat {s}",
    "nsenter cat {s}",
    "python3 -c 1",
    "perl -pe 1 {s}",
    # look-alikes, cases, other names of the same
    "CAT {s}",
    "Cat {p}/readme.txt",
    "/bin/cat {p}/readme.txt",
    "./cat {p}/readme.txt",
    "cat.exe {p}/readme.txt",
    "cat\u200b {p}/readme.txt",
    "ca\u0301t {p}/readme.txt",
    "cat \uff0dn {s}",
    "cat \u2013n {s}",
    "cat \u2212n {s}",
    "cat {p}\u2215..\u2215secret\u2215patients.csv",
    "cat {p}/\u002e\u2024/secret/patients.csv",
    # words that shells see otherwise
    "!cat {s}",
    "cat {p}/readme.txt !$",
    "cat ^a^b",
    "cat =cat",
    "cat ~root/x",
    "cat ~-",
    "cat %1",
    "cat {p}/readme.txt#{s}",
    "cat {p}/readme.txt {{}}",
    "[ -e {s} ]",
    ". {s}",
    ": {s}",
    "coproc cat {s}",
    "builtin echo x",
    "let x=1",
    "cat<{s}",
    "cat<&3",
    "cat {p}/readme.txt&",
    "cat {p}/readme.txt;",
    "(cat {s})",
    "{{ cat {s}; }}",
    "cat {p}/readme.txt\\\n{s}",
    "echo x|cat {s}",
    "echo x>{p}/x",
    "echo `cat {s}`",
    "echo $(<{s})",
    "echo <(cat {s})",
    "echo x >&2 2>{p}/x",
]

#: What such a list is for still passes.
WORK = [
    "grep -f {p}/words {p}/readme.txt",
    "grep --file={p}/words {p}/readme.txt",
    "egrep -n -i 'h.llo|x' {p}/readme.txt",
    "sort -r -k 1 {p}/readme.txt",
    "sort -t , -k 1,1 {p}/readme.txt",
    "cut -d , -f 1 {p}/readme.txt",
    "head --lines=1 {p}/readme.txt",
    "wc -l {p}/readme.txt {p}/words",
    "diff {p}/readme.txt {p}/readme.txt",
    "stat -c %s {p}/readme.txt",
    "od -A n -t x1 {p}/words",
    "date -u +%Y-%m-%d",
    "echo '$(id) `id` !! ~ * ; | > x'",
    "test -e {p}/readme.txt",
]


@pytest.fixture(scope="module")
def generous(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Ward]:
    with running_ward(
        tmp_path_factory.mktemp("generous"), certificates, commands=COMMANDS, rules=RULES[1:]
    ) as running:
        root = running.server.root
        running.server.write("public/words", b"hello\n")
        (root / "public/link").symlink_to(root / "secret/patients.csv")
        (root / "public/out").symlink_to(root / "secret")
        yield running


def filled(ward: Ward, form: str) -> str:
    root = str(ward.server.root)
    return form.format(
        s=f"{root}/secret/patients.csv",
        p=f"{root}/public",
        r=root,
        l=f"{root}/public/link",
        d=f"{root}/public/out",
    )


def test_there_are_many() -> None:
    assert len(set(ATTEMPTS)) > 150


def test_no_option_gets_past_the_list(generous: Ward) -> None:
    before = state(generous)

    async def attempts() -> None:
        async with connected(generous) as connection:
            for form in ATTEMPTS:
                done = await connection.run(
                    filled(generous, form), input=b"", encoding=None, timeout=60
                )
                output = bytes(done.stdout or b"") + bytes(done.stderr or b"")
                assert SECRET not in output, form
                assert done.exit_status == 126, (form, output)
                assert b"hoopgate: refused" in output, form

    run(attempts())
    assert state(generous) == before


def test_what_the_list_is_for_passes(generous: Ward) -> None:
    async def work() -> None:
        async with connected(generous) as connection:
            for form in WORK:
                done = await connection.run(filled(generous, form), input="", timeout=60)
                assert done.exit_status == 0, (form, done.stderr)
            said = await connection.run("echo '$(id) `id` !! ~ * ; | > x'")
            assert said.stdout == "$(id) `id` !! ~ * ; | > x\n"

    run(work())
