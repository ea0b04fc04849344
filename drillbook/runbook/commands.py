"""What a person would type: commands in the sentences and in the blocks of a runbook.

In a sentence
    A code span whose first word is an executable that runbooks use (`EXECUTABLES`) or a path to
    one, after any ``$`` prompt, ``sudo`` and ``NAME=value`` prefixes. A span of a single word is
    the *name* of a tool (`py-spy`) unless the tool is of use without arguments (`ALONE`).
    File names, URLs, variables and SQL are never commands.
In a block
    All statements of a block in a shell's language; of one with prompts, what follows them, since
    the rest is output. In a block without a language only what begins with an executable.
Which platform a command belongs to
    `kubectl` and its like to Kubernetes, `docker` to Compose. Any other command (`ping db`, typed
    inside a container) goes with the last of those before it in the same paragraph, and to both
    platforms where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from drillbook.runbook import shell
from drillbook.runbook.blocks import Block
from drillbook.runbook.lookalikes import as_read
from drillbook.runbook.model import Command, Platform, Problem
from drillbook.runbook.text import collapse

KUBERNETES = frozenset({"kubectl", "helm", "k9s", "kustomize", "oc"})
COMPOSE = frozenset({"docker", "docker-compose"})
# Of use as they are: a code span that says only `bash` is something to type.
ALONE = frozenset({"bash", "sh", "zsh", "psql", "top", "htop", "env", "free", "uptime", "df", "ps"})
_WITH_ARGUMENTS = """
    act alembic amtool ansible ansible-playbook apt apt-get argocd awk aws az bundle calicoctl
    cargo cat cd celery ceph chmod chown clickhouse-client consul cp cqlsh crictl ctr curl dig dmesg
    dnf dotnet du echo etcdctl ethtool find flask flux gcloud getent gh git glab go grep gunicorn
    head host htpasswd iostat ip iptables istioctl java jcmd jmap journalctl jq jstack kafka-topics
    kafka-topics.sh kill killall less linkerd locust ls lsblk lsof make mkdir mongosh mount mpstat
    mtr mv mvn mysql mysqladmin mysqldump nc nerdctl netstat nft nginx node nodetool nomad npm npx
    nslookup openssl patronictl pg_ctl pg_dump pg_isready pg_restore pgbench pgrep ping pip pip3
    pkill pnpm podman poetry promtool py-spy pytest python python3 rabbitmqctl rake redis-cli rm
    rsync ruff scp sed service sqlite3 ss ssh stern strace sudo systemctl tail tar tcpdump tee
    telnet terraform timeout touch tox traceroute ufw umount uv uvicorn vacuumdb vault velero vmstat
    watch wget wrk xargs yarn yum zcat zgrep
"""
EXECUTABLES = KUBERNETES | COMPOSE | ALONE | frozenset(_WITH_ARGUMENTS.split())

_SHELL_NAMES = """
    bash sh shell zsh ksh dash ash fish shellscript shell-script bashsh command commands cli
    sh-session shell-session shellsession bash-session console terminal term prompt
"""
SHELLS = frozenset(_SHELL_NAMES.split())
_SESSION_NAMES = """
    sh-session shell-session shellsession bash-session console terminal term prompt
"""
_SESSIONS = frozenset(_SESSION_NAMES.split())
POWERSHELL = frozenset({"powershell", "pwsh", "ps1", "ps", "posh"})
DOS = frozenset({"cmd", "bat", "batch", "dos", "doscon"})
_PLAIN = frozenset({"text", "txt", "plain", "plaintext", "none", "output", "log", "logs"})

_PREFIX = re.compile(
    r"""(?:\$\ +|sudo\ +(?:-[A-Za-z]+\ +(?:(?!-)\S+\ +(?=\S))?)*
    |[A-Za-z_]\w*=(?:'[^']*'|"[^"]*"|[^\s'"]*)\ +)+""",
    re.VERBOSE,
)
_SUDO_WITH_VALUE = re.compile(r"sudo +(?:-[ughpCrtT] +\S+ +|--?[A-Za-z-]+(?:=\S+)? +)*")
_PATH = re.compile(r"(?:\.{1,2}/|/|~/|[\w.-]+/)[\w./<>{}$-]*\w(?:\.(?:sh|py|rb|pl))?$")
_SCRIPT = re.compile(r"[\w.-]+\.(?:sh|py|bash)$")
_AT_HOST = r"(?:\[[\w.-]+@[\w.-]+[^\]\n]{0,80}\]|[\w.-]+@[\w.-]+[^\s$#>%]*)\s*"
_PROMPT = re.compile(
    rf"""\s*(?:
        (?:\([\w.-]+\)\s*)?(?:{_AT_HOST}|[~/][\w./-]*\s*)?[$%❯➜]
        |{_AT_HOST}[#>]
        |PS(?:\ [A-Z]:[^>\n]*)?>
        |[A-Z]:\\[^>\n]*>
    )\s+(?=\S)""",
    re.VERBOSE,
)
_ROOT_PROMPT = re.compile(r"\s*#\s+(?=\S)")
_MORE = re.compile(r"\s*>\s?")
_DRAWN = re.compile(r"[│┌┐└┘├┤┬┴┼─━═║╔╗╚╝▶►▼◄←→↑↓]|-->|<--|\+--|==>")
_EXPECTED = re.compile(
    r"""(?:^|[\s(—–.;:#>*-])expected
    (?:\s+(?:output|result|response|answer|value|state|outcome))?\s*(?:is|:|=>|->|→)\s*""",
    re.IGNORECASE | re.VERBOSE,
)
LARGEST_BLOCK = 64 * 1024
_INFO = re.compile(r"[\w+.#-]+")
_SHELL_WORD_LIST = """
    if for while case function export set unset source . eval exec trap until read alias local
    return declare cd pushd popd wait test [ [[ ( { !
"""
_SHELL_WORDS = frozenset(_SHELL_WORD_LIST.split())


def language(info: str) -> str:
    """The language of a block: of ``bash title="x"``, ``{.bash}``, ``sh,norun``."""
    found = _INFO.search(info.replace("{.", " ").replace("{", " "))
    return found[0].lower().lstrip(".") if found else ""


def is_shell(info: str) -> bool:
    """Whether a block of this language is something to type."""
    name = language(info)
    return not name or name in SHELLS or name in POWERSHELL or name in DOS


def platform_of(command: str) -> Platform | None:
    """The platform a command is typed on; None where its first word does not say."""
    word = first_word(command)
    if word in KUBERNETES:
        return "kubernetes"
    return "compose" if word in COMPOSE else None


def first_word(command: str) -> str:
    """The executable of a command, after ``sudo -u x`` and ``NAME='a value'``."""
    bare = command
    while True:
        match = _PREFIX.match(bare) if not bare.startswith("sudo") else _SUDO_WITH_VALUE.match(bare)
        if not match or not match.end():
            return bare.split(" ", 1)[0].split("\n", 1)[0]
        bare = bare[match.end() :]


def without_comment(line: str) -> str:
    """Cut a trailing ``# comment``, as a shell would; a # inside quotes or a word stays."""
    if "#" not in line:
        return line
    quote = ""
    for at, char in enumerate(line):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "#" and (at == 0 or line[at - 1].isspace()):
            return line[:at]
    return line


def in_sentence(code: str) -> str | None:
    """The command that a code span is, or None where it is none."""
    text = collapse(without_comment(code)).removeprefix("$ ")
    seen = as_read(text)  # what no shell would run is a command all the same, and is to be tried
    word = first_word(seen)
    if word in EXECUTABLES:
        return text if text != word or word in ALONE else None
    if word.startswith(("./", "../")) or (text != word and _SCRIPT.search(word)):
        return text if text != word or _SCRIPT.search(word) else None
    return None


def like_a_command(code: str) -> bool:
    """Whether a code span that was not read as a command may be one: it has options."""
    words = collapse(code).split(" ")
    return (
        len(words) > 1
        and re.fullmatch(r"[a-z][\w.-]*", words[0]) is not None
        and any(re.fullmatch(r"--?[a-zA-Z][\w-]*(=.*)?", word) for word in words[1:])
    )


@dataclass
class Reading:
    """Reads the commands of a document's blocks, one after the other."""

    problems: list[Problem] = field(default_factory=list)
    broken_bytes: int = 0
    latest: list[Command] = field(default_factory=list)
    latest_block: Block | None = None
    expecting: bool = False

    MOST_BROKEN = 128 * 1024
    """How much of what is no shell is parsed as if it were: recovering from errors is slow."""

    def read(self, blocks: Sequence[Block]) -> None:
        """Give each block below these its commands, and each command what it is to show."""
        for top in blocks:
            for block in top.walk():
                if block.kind == "heading":
                    self.latest, self.latest_block, self.expecting = [], None, False
                if block.kind == "fence":
                    self._fence(block)
                elif block.spans:
                    self._sentence(block)

    def _sentence(self, block: Block) -> None:
        codes = [span for span in block.spans if span.kind == "code"]
        text = "".join(span.text for span in block.spans) if self.latest or codes else ""
        expected = _EXPECTED.search(text) if "xpected" in text else None
        commands = []
        at = 0
        for span in block.spans:
            start, at = at, at + len(span.text)
            if span.kind != "code" or (expected and start >= expected.end()):
                continue
            command = in_sentence(span.text)
            if command:
                commands.append(Command(command, span.line))
            elif like_a_command(span.text):
                reason = f"{_short(span.text)} may be a command, and was not read as one"
                write = "Put it into a block of shell if it is something to type."
                self._say("unread-code", span.line, reason, write)
        block.commands = _with_platform(commands)
        if commands:
            self.latest, self.latest_block = block.commands, block
        self.expecting = False
        if expected:
            self._expect(_shown(block, text, expected.end()))

    def _expect(self, shown: str) -> None:
        self.expecting = not shown
        if shown and self.latest and self.latest_block:
            last = replace(self.latest[-1], expected=shown)
            self.latest_block.commands = [*self.latest[:-1], last]
            self.latest = self.latest_block.commands

    def _fence(self, block: Block) -> None:
        if self.expecting and (not is_shell(block.info) or not block.info):
            self._expect(block.content.strip())
            return
        name = language(block.info)
        offset = block.line + block.fenced
        if len(block.content) > LARGEST_BLOCK:
            reason = f"a block of {len(block.content)} characters was not read for commands"
            self._say("not-shell", block.line, reason, "Put it into a file, and link to that.")
            return
        if name in SHELLS or not name:
            found = self._script(block, name, offset)
        elif name in POWERSHELL or name in DOS:
            found = list(_line_by_line(block.content, offset, name))
        elif name in _PLAIN and any(map(_PROMPT.match, block.content.splitlines())):
            found = self._script(block, name, offset)
        else:
            return
        block.commands = _with_platform(found)
        if found:
            self.latest, self.latest_block = block.commands, block
            self._expected_in_comments(block, offset)

    def _expected_in_comments(self, block: Block, offset: int) -> None:
        if "xpected" not in block.content:
            return
        commands = list(block.commands)
        for row, line in enumerate(block.content.splitlines()):
            comment = re.search(r"(?:^|\s)#\s*(expected.*)$", line, re.IGNORECASE)
            found = _EXPECTED.match(comment[1]) if comment else None
            before = [at for at, one in enumerate(commands) if one.line <= offset + row]
            if comment and found and before:
                shown = comment[1][found.end() :].strip().strip("`")
                commands[before[-1]] = replace(commands[before[-1]], expected=shown or None)
        block.commands = self.latest = commands

    def _script(self, block: Block, name: str, offset: int) -> list[Command]:
        lines = block.content.splitlines()
        prompted = [at for at, line in enumerate(lines) if _PROMPT.match(line)]
        if not prompted and name in _SESSIONS:
            prompted = [
                at
                for at, line in enumerate(lines)
                if (root := _ROOT_PROMPT.match(line))
                and first_word(line[root.end() :].strip()) in EXECUTABLES
            ]
        if prompted:
            return list(self._session(lines, prompted, offset, name))
        if not name or name in _SESSIONS:
            return list(self._known(block, lines, offset))
        return list(self._statements(block.content, offset))

    def _tell_unprompted(self, line: str, row: int) -> None:
        text = without_comment(line).strip()
        if first_word(text) in EXECUTABLES and " " in text:
            reason = f"other lines of this block have a prompt, and {_short(text)} has none"
            self._say("not-a-command", row, reason, "Give each command a prompt, or none of them.")

    def _session(
        self, lines: list[str], prompted: list[int], offset: int, name: str
    ) -> Iterator[Command]:
        """What follows the prompts, with the lines that continue it."""
        starts = set(prompted)
        read_until = 0
        for at, line in enumerate(lines):
            if at not in starts:
                if at >= read_until and name not in _SESSIONS and name:
                    self._tell_unprompted(line, offset + at)
                continue
            match = _PROMPT.match(line) or _ROOT_PROMPT.match(line)
            text = line[match.end() if match else 0 :]
            read_until = at + 1
            for more in lines[at + 1 : at + 200]:
                if read_until in starts or not _unfinished(text):
                    break
                text += "\n" + (_MORE.sub("", more, count=1) if _MORE.match(more) else more)
                read_until += 1
            yield from self._statements(text, offset + at)

    def _known(self, block: Block, lines: list[str], offset: int) -> Iterator[Command]:
        """The statements of a block of unknown language that begin with an executable."""
        if not any(first_word(line.strip()) in EXECUTABLES or _runs_a_path(line) for line in lines):
            return
        drawn = any(map(_DRAWN.search, lines))
        whole = [] if drawn else self._parsed(block.content)
        if whole and all(one.sound for one in whole):
            for one in whole:
                text = shell.tidy(one.text)
                if first_word(text) in EXECUTABLES or _runs_a_path(text):
                    yield Command(text, offset + one.row, block=True)
            return
        row = 0
        for line in re.sub(r"\\\n\s*", "\\\\\v", block.content).split("\n"):
            text = collapse(without_comment(line.replace("\\\v", " ")))
            if (first_word(text) in EXECUTABLES or _runs_a_path(text)) and not _DRAWN.search(text):
                yield Command(text, offset + row, block=True)
            row += 1 + line.count("\v")

    def _parsed(self, source: str) -> list[shell.Statement]:
        if self.broken_bytes > self.MOST_BROKEN:
            return []
        found = shell.statements(source)
        self.broken_bytes += sum(len(one.text) for one in found if not one.sound)
        return found

    def _statements(self, source: str, offset: int) -> Iterator[Command]:
        if self.broken_bytes > self.MOST_BROKEN:
            reason = "too much of this file is no shell: its blocks are not read from here on"
            self._say("not-shell", offset, reason, "Give blocks that are no shell their language.")
            return
        for one in self._parsed(source):
            text = shell.tidy(one.text)
            line = offset + one.row
            if not _begins_a_command(text):
                reason = f"this is in a block of shell and reads as no command: {_short(text)}"
                write = "Put output into a block of its own, `text`, or a prompt before commands."
                self._say("not-a-command", line, reason, write)
                continue
            if not one.sound:
                reason = f"the shell would not read this as it stands: {_short(text)}"
                write = "Close its quotes and brackets; write what is to be filled in as `<name>`."
                self._say("broken-command", line, reason, write)
            yield Command(text, line, block=True)

    def _say(self, rule: str, line: int, reason: str, write: str) -> None:
        if len(self.problems) < 500:
            self.problems.append(Problem(rule, line, reason, write))


def _unfinished(text: str) -> bool:
    if text.endswith("\\"):
        return True
    if not any(mark in text for mark in ("'", '"', "<<", "(", "{", "do", "then", "|", "`", "&&")):
        return False
    if re.search(r"(?:\||&&)\s*$", text):
        return True
    return len(text) < 10_000 and not shell.sound(text)


def _begins_a_command(text: str) -> bool:
    word = first_word(text)
    if not word or _DRAWN.search(text.split("\n", 1)[0]):
        return False
    if word in EXECUTABLES or word in _SHELL_WORDS or word[0] in "./~$<{(\"'`[!":
        return True
    if re.match(r"[A-Za-z_]\w*\+?=", word):  # an assignment
        return True
    return re.fullmatch(r"[a-z_][\w.+@-]*(/[\w.<>{}$-]+)*(\(\))?", word) is not None


def _runs_a_path(line: str) -> bool:
    return line.strip().startswith(("./", "../")) and len(line.strip()) > 3


def _line_by_line(content: str, offset: int, name: str) -> Iterator[Command]:
    """The lines of a block whose shell nobody parses: continued ones joined."""
    joiner, comment = ("`", "#") if name in POWERSHELL else ("^", "REM ")
    lines = content.splitlines()
    prompted = any(map(_PROMPT.match, lines))
    text, start = "", 0
    for row, line in enumerate(lines):
        match = _PROMPT.match(line)
        if prompted and not match and not text:
            continue
        piece = line[match.end() if match else 0 :].strip()
        start = start if text else row
        text = f"{text} {piece}".strip()
        if text.endswith(joiner):
            text = text[:-1].rstrip()
            continue
        if text and not text.upper().startswith((comment, "::")):
            yield Command(collapse(text), offset + start, block=True)
        text = ""


def _with_platform(commands: Sequence[Command]) -> list[Command]:
    current: Platform | None = None
    placed = []
    for command in commands:
        current = platform_of(command.text) or current
        placed.append(replace(command, platform=current) if current else command)
    return placed


def _shown(block: Block, text: str, start: int) -> str:
    """What follows "Expected:" in a sentence: its first code span, or else its words."""
    at = 0
    for span in block.spans:
        begin, at = at, at + len(span.text)
        if span.kind == "code" and begin >= start:
            return span.text
    return text[start:].strip().rstrip(".)").strip()


def _short(text: str) -> str:
    first = text.split("\n", 1)[0]
    return f"`{first[:60]}…`" if len(first) > 60 else f"`{first}`"
