"""Ways past the list of commands, as attackers try them. Each was a guess at a family; what a
family found is closed as one."""

from __future__ import annotations

from test_ssh_channels import connected, run
from testbed.rawsftp import state
from testbed.ward import Ward

SECRET = b"123-45-6789"


#: ``{s}`` is a file that may not be read, ``{p}`` the directory that may, ``{r}`` the one above.
COMMANDS = [
    # quoting
    "cat {p}/../secret/patients.csv",
    'cat "{p}"/../"secret/patients.csv"',
    "cat '{p}/..'/secret/patients.csv",
    "cat {p}\\/..\\/secret/patients.csv",
    "cat $'{s}'",
    'cat $"{s}"',
    "cat {p}/readme.txt''$(cat {s})",
    'cat "{p}/`echo ../secret/patients.csv`"',
    "cat '{p}/readme.txt'\n'cat' {s}",
    "'cat {s}'",
    "cat {p}/readme.txt \\\n {s}",
    "cat \u201c{s}\u201d",
    # expansion
    "cat {p}/{{readme.txt,../secret/patients.csv}}",
    "cat {r}/s?cret/patients.csv",
    "cat {r}/[s]ecret/patients.csv",
    "cat {r}/s*t/patients.csv",
    "cat ~postgres/x",
    "cat ~/x",
    "cat ~+/secret/patients.csv",
    "cat {p}/$(printf '..')/secret/patients.csv",
    "cat ${{HOME}}/secret/patients.csv",
    "cat $PWD/secret/patients.csv",
    "cat {p}/!(x)",
    "cat @({s})",
    "cat ${{x:-{s}}}",
    "cat $((1))",
    # assignments and prefixes
    "x=1 cat {s}",
    "PATH=/tmp cat {p}/readme.txt",
    "A=b",
    "+x cat {s}",
    "! cat {s}",
    "time cat {s}",
    "command cat {s}",
    "\\cat {s}",
    "exec cat {s}",
    "nice cat {s}",
    "-cat {s}",
    # options, bundled, abbreviated, behind operands
    "head -n1c999 {s}",
    "head -cn {s}",
    "head -n 5 -- {s}",
    "head -n -- {s}",
    "cat -- {s}",
    "cat {p}/readme.txt -- {s}",
    "head --byt=99 {s}",
    "wc --files0-from={s}",
    "wc --files0-from {s}",
    "grep -f {s} {p}/readme.txt",
    "grep -nf{s} x {p}/readme.txt",
    "grep -e x {s}",
    "grep --file={s} x {p}/readme.txt",
    "grep x {p}/readme.txt {s}",
    "grep -r x {r}",
    "grep x -n {s}",
    "ls --color=auto {r}/secret",
    "ls -la {r}/secret",
    "ls -R {p}",
    "sha256sum -c {s}",
    "sha256sum --check={s}",
    "tee -a {p}/x",
    "tee {p}/x {s}",
    "tee --output-error=exit {r}/x",
    "cat -",
    "cat @{s}",
    "cat +{s}",
    "cat file://{s}",
    # paths
    "cat {p}/out/patients.csv",
    "cat {p}/./../secret/patients.csv",
    "cat {p}//..//secret//patients.csv",
    "cat /proc/self/root{s}",
    "cat /proc/self/cwd{s}",
    "cat {p}/kept/../../secret/patients.csv",
    "cat /dev/stdin",
    "cat /dev/fd/0",
    "cat {p}x/patients.csv",
    "cat {p}/readme.txt/../../secret/patients.csv",
    "cat secret/patients.csv",
    "cat ''",
    # unicode and controls
    "cat\u00a0{s}",
    "cat\u2003{s}",
    "\uff43\uff41\uff54 {s}",
    "cat {p}/\u202etxt.emdaer",
    "cat {p}/\u2025/secret/patients.csv",
    "cat {p}/\uff0e\uff0e/secret/patients.csv",
    "c\u0430t {p}/readme.txt",
    "cat {p}/readme.txt\u2028cat {s}",
    "cat {p}/readme.txt\rcat {s}",
    "cat {p}/readme.txt\x00{s}",
    "cat {p}/readme.txt\x0bcat {s}",
    "cat {p}/readme.txt\x1b[2Jcat",
    "cat {p}/readme.txt\x85cat {s}",
    # the servers of transfers, and what else sshd could run
    "scp -f {s}",
    "scp -f {p}/out/patients.csv",
    "scp -rf {p}",
    "scp -tr {p}",
    "scp -f -- {p}/readme.txt {s}",
    "scp -f -S /bin/sh {p}/readme.txt",
    "scp -3 -f {p}/readme.txt",
    "rsync --server --sender -logDtpre.iLsfxCIvu . {r}/secret/",
    "rsync --server --sender -logDtprRe.iLsfxCIvu . {p}/out/",
    "rsync --server --sender -LKe.iLsfxCIvu . {p}/",
    "rsync --server --sender -s . {p}/",
    "rsync --server --sender --copy-unsafe-links -re.iLsfxCIvu . {p}/",
    "rsync --server --sender --files-from={s} -re.iLsfxCIvu . {p}/",
    "rsync --server -logDtpre.iLsfxCIvu --log-file={p}/x . {p}/",
    "rsync --server -logDtpre.iLsfxCIvu --backup-dir={r} -b . {p}/",
    "rsync --server -logDtpre.iLsfxCIvu --temp-dir={r} . {p}/",
    "rsync --server -logDtpre.iLsfxCIvu . {p}/mine {r}",
    "rsync --server --sender -re.iLsfxCIvu . {p}/mine/ --remove-source-files",
    "rsync --server --sender -re.iLsfxCIvu . {p}/",
    "rsync --sender --server -re.iLsfxCIvu . {p}/mine",
    "rsync --daemon --server . {p}/mine",
    "rsync -e sh --server . {p}/mine",
    "internal-sftp",
    "/usr/lib/openssh/sftp-server",
    "sftp",
    "git-upload-pack {r}",
    "sh -c 'cat {s}'",
    "",
    " ",
    "#",
]


def test_there_are_many() -> None:
    assert len(set(COMMANDS)) > 100


def test_no_command_gets_past_the_list(fort: Ward) -> None:
    root = str(fort.server.root)
    filled = {"s": f"{root}/secret/patients.csv", "p": f"{root}/public", "r": root}
    before = state(fort)

    async def attempts() -> None:
        async with connected(fort) as connection:
            for form in COMMANDS:
                text = form.format(**filled)
                done = await connection.run(text, input=b"", encoding=None, timeout=60)
                output = bytes(done.stdout or b"") + bytes(done.stderr or b"")
                assert SECRET not in output, form
                assert done.exit_status == 126, (form, output)
                assert b"hoopgate: refused" in output, form

    run(attempts())
    assert state(fort) == before


def test_names_of_variables_and_their_values(fort: Ward) -> None:
    """What is on the list of names still carries no path and no code."""
    values = {
        "LC_ALL": "../../../../tmp/x",
        "LC_CTYPE": "() { :; }; id",
        "LC_TIME": "x\ny",
        "LC_NAME": "$(id)",
        "LANG": "/tmp/evil",
        "LC_MONETARY": "\x1b[2J",
        "LC_PAPER": "x" * 300,
        "lc_all": "C",
        "XLC_ALL": "C",
        "LC_ALL ": "C",
        "LC_X=/tmp/x": "C",
        "LC_\n": "C",
        "LC_X\u00e9": "C",
    }

    async def attempts() -> None:
        async with connected(fort) as connection:
            done = await connection.run("printf in", env={**values, "LC_NUMERIC": "de_DE.UTF-8"})
            assert (done.exit_status, done.stdout) == (0, "in")

    before = len(fort.server.log_text())
    run(attempts())
    log = fort.server.log_text()[before:]
    assert "Setting env 0: LC_NUMERIC=de_DE.UTF-8" in log
    assert "Setting env 1:" not in log


def test_rsync_removes_only_for_who_may_remove(fort: Ward) -> None:
    """The sender takes away what it has sent."""
    path = f"{fort.server.root}/public/mine"

    async def attempts() -> None:
        async with connected(
            fort, username="exporter%ward", password=fort.token("exporter")
        ) as one:
            for option in ("--remove-source-files", "--delete", "--delete-excluded", "--force"):
                line = f"rsync --server --sender -re.iLsfxCIvu {option} . {path}/"
                done = await one.run(line, input="")
                assert done.exit_status == 126, option

    run(attempts())
    assert (fort.server.root / "public/mine/file.txt").exists()
