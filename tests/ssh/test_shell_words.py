"""Command lines: literal words and back, and the forms that destroy."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.shell.analysis import analyze
from hoopgate.shell.line import Line, decode
from hoopgate.shell.words import literal_words, quote

#: What the field uses to get a destructive command past a list of bad words.
DESTRUCTIVE = [
    "rm -rf /data",
    "echo cm0gLXJmIC9kYXRh | base64 -d | sh",
    "base64 -d <<< cm0gLXJmIC9kYXRh | bash",
    'eval "r""m -rf /data"',
    "r$IFS-m /data",
    "rm${IFS}-rf${IFS}/data",
    "$'\\x72\\x6d' -rf /data",
    "$(printf 'rm') -rf /data",
    "`echo rm` -rf /data",
    "/bin/r? -rf /data",
    "/???/rm -rf /data",
    "r\\m -rf /data",
    "'r''m' -rf /data",
    'x=rm; "$x" -rf /data',
    "find /data -delete",
    "find /data -exec rm {} +",
    "find /data -print0 | xargs -0 rm",
    "xargs rm < /tmp/list",
    "sh <<EOF\nrm -rf /data\nEOF",
    "alias ls=rm; ls /data",
    "f() { rm -rf /data; }; f",
    "python3 -c 'import shutil; shutil.rmtree(\"/data\")'",
    "perl -e 'unlink glob \"/data/*\"'",
    "awk 'BEGIN { system(\"rm -rf /data\") }'",
    "sed -n '1e rm -rf /data' /etc/hosts",
    "tar -cf /dev/null /etc/hosts --checkpoint=1 --checkpoint-action=exec=rm",
    "git -c core.pager='rm -rf /data' log",
    "ssh -o ProxyCommand='rm -rf /data' x",
    "env rm -rf /data",
    "nohup rm -rf /data",
    "timeout 5 rm -rf /data",
    "> /data/patients.csv",
    ": > /data/patients.csv",
    "cp /dev/null /data/patients.csv",
    "mv /data /dev/null",
    "dd if=/dev/zero of=/data/patients.csv",
    "truncate -s 0 /data/patients.csv",
    "shred -u /data/patients.csv",
    "rsync -a --delete /empty/ /data/",
    "ls /data; rm -rf /data",
    "ls /data && rm -rf /data",
    "ls /data | tee /data/patients.csv",
    "true\nrm -rf /data",
    "cat <(rm -rf /data)",
    "vim -c ':!rm -rf /data' -c q",
    "command rm -rf /data",
    "builtin eval rm -rf /data",
    "{rm,-rf,/data}",
    "~/bin/rm /data",
    "LD_PRELOAD=/tmp/x.so ls",
    "ls !$",
    "coproc rm -rf /data",
    "time rm -rf /data",
    "exec rm -rf /data",
]

#: Words that no shell reads anything into once they are quoted.
WORDS = st.lists(
    st.text(
        st.characters(exclude_categories=("Cc", "Cs", "Cf", "Zl", "Zp", "Cn", "Co", "Zs")),
        min_size=1,
        max_size=12,
    ),
    min_size=1,
    max_size=6,
)


@given(WORDS)
def test_quoting_is_undone_by_reading(words: list[str]) -> None:
    assert literal_words(quote(words)) == tuple(words)


@given(st.text(max_size=60))
def test_any_text_is_words_or_nothing(text: str) -> None:
    words = literal_words(text)
    if words is not None:
        assert literal_words(quote(words)) == words


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                ["a", "B/c", " ", "  ", "'", '"', "\\", "\\'", '\\"', "x=y", "-n", "%"]
            ),
            st.sampled_from(["$", "`", "*", "~", ";", "|", "&", "#", "{a,b}", "!", "\n", "(", "<"]),
        ),
        max_size=8,
    ).map("".join)
)
def test_a_real_shell_reads_the_same_words(text: str) -> None:
    """bash and dash agree with what is called literal; what is not, is not asked."""
    words = literal_words(text)
    if words is None or "=" in words[0]:
        return
    for shell in ("bash", "dash"):
        script = f"printf '%s\\0' {text}"
        done = subprocess.run([shell, "-c", script], capture_output=True, timeout=60, check=True)
        assert done.stdout == b"".join(word.encode() + b"\0" for word in words)


@pytest.mark.parametrize("text", DESTRUCTIVE)
def test_a_destructive_form_is_no_listed_command(text: str) -> None:
    """Either it is no literal command line, or its program would have to be on the list."""
    line = analyze(text)
    if line.words:
        assert literal_words(quote(line.words)) == line.words
        assert line.words[0] not in ("ls", "cat", "echo", "true")
    else:
        assert "not_literal" in line.flags


class Child:
    """The parser as the gateway runs it: it may die of a text, and is started again."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def analyze(self, text: str) -> Line | None:
        """None: the child died, and the command is refused."""
        if self._child is None:
            command = [sys.executable, "-I", "-m", "hoopgate.shell.worker"]
            self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child = self._child
        assert child.stdin is not None
        assert child.stdout is not None
        request = text.encode()
        child.stdin.write(struct.pack("!I", len(request)) + request)
        child.stdin.flush()
        head = child.stdout.read(4)
        if len(head) < 4:
            self.stop()
            return None
        return decode(child.stdout.read(struct.unpack("!I", head)[0]))

    def stop(self) -> None:
        """End it."""
        child, self._child = self._child, None
        if child is not None:
            with suppress(BrokenPipeError):
                child.communicate(timeout=60)


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    parser = Child()
    yield parser
    parser.stop()


#: What shells act on, in pieces.
PIECES = """ls 'a b' "c" $x $( ) ` | ; & < > <<E * {a,b} ~ # \\ ! = if then fi [[ ]] $'\\x41'"""
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=80),
    st.lists(st.sampled_from([*PIECES.split(" "), " ", "\n"]), max_size=10).map("".join),
)


@settings(deadline=None, max_examples=200)
@given(TEXTS)
def test_both_opinions_are_needed(child: Child, text: str) -> None:
    line = child.analyze(text)
    if line is None:
        return  # it died: the command does not run
    if line.words:
        assert literal_words(text) == line.words
    else:
        assert "not_literal" in line.flags


@settings(deadline=None, max_examples=200)
@given(TEXTS)
def test_the_grammar_survives_what_it_is_shown_where_only_words_count(
    child: Child, text: str
) -> None:
    if literal_words(text) is not None:
        assert child.analyze(text) is not None
