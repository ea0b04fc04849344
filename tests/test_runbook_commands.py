"""What is typed: commands in blocks of any shell, with prompts, over lines, beside their output."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from drillbook.runbook import Document, Line, read_text


def step(block: str) -> tuple[Line, Document]:
    text = "## Entry\n\n**Resolution:**\n\n" + dedent(block)
    document = read_text(Path("book.md"), text)
    (line,) = document.runbook.entries["entry"].steps
    return line, document


def fence(info: str, *lines: str) -> str:
    return "\n".join([f"```{info}", *lines, "```", ""])


@pytest.mark.parametrize(
    "info",
    ["bash", "sh", "shell", "console", "terminal", "zsh", "shell-session", "{.bash}", "BASH", "", "fish",
     'bash title="x"', "bash {linenos=table}", "sh,norun", "{.bash .numberLines}", "shellscript"],
)  # fmt: skip
def test_the_language_of_a_shell_in_any_spelling(info: str) -> None:
    line, document = step(fence(info, "docker ps -a", "docker restart api"))
    assert line.commands == ("docker ps -a", "docker restart api")
    assert document.problems == []


@pytest.mark.parametrize(
    "info", ["yaml", "json", "sql", "python", "promql", "text", "mermaid", "diff"]
)
def test_another_language_is_not_typed(info: str) -> None:
    line, _ = step(fence(info, "docker ps -a"))
    assert line.commands == ()


@pytest.mark.parametrize(
    "prompt",
    ["$ ", "root@host:~# ", "me@box:/srv/app$ ", "[root@db01 ~]# ", "[me@db01 app]$ ", "% ",
     "(venv) me@box:~$ ", "~/app $ ", "❯ ", "postgres@db:~$ ", "/srv/app $ "],
)  # fmt: skip
@pytest.mark.parametrize("info", ["console", "bash", "", "text"])
def test_what_follows_a_prompt_is_typed_and_the_rest_is_output(prompt: str, info: str) -> None:
    block = fence(
        info,
        f"{prompt}docker ps -a",
        "NAME    STATUS",
        "api     Exited (1)",
        f"{prompt}docker logs api",
    )
    line, document = step(block)
    assert line.commands == ("docker ps -a", "docker logs api")
    assert document.problems == []


def test_a_hash_is_a_prompt_in_a_session_and_a_comment_in_a_script() -> None:
    lines = ["# docker ps -a", "NAME", "# look at the log", "# docker logs api"]
    assert step(fence("console", *lines))[0].commands == ("docker ps -a", "docker logs api")
    assert step(fence("bash", *lines))[0].commands == ()


def test_powershell_and_the_windows_prompt() -> None:
    block = fence(
        "powershell", "PS C:\\app> Get-Service api", "Running  api", "PS> Restart-Service api"
    )
    assert step(block)[0].commands == ("Get-Service api", "Restart-Service api")
    block = fence("pwsh", "# look", "Get-Service `", "  -Name api")
    assert step(block)[0].commands == ("Get-Service -Name api",)
    block = fence("bat", "C:\\app> net stop api", "The service was stopped.")
    assert step(block)[0].commands == ("net stop api",)


SCRIPTS = {
    "continued lines": (
        ["docker run --rm \\", "    -e A=1 \\", "    api"],
        ["docker run --rm -e A=1 api"],
    ),
    "a pipe over lines": (
        ["docker ps -a |", "  grep api"],
        ["docker ps -a |\n  grep api"],
    ),
    "a here-document": (
        ["cat <<EOF | kubectl apply -f -", "kind: Pod", "EOF", "kubectl get pods"],
        ["cat <<EOF | kubectl apply -f -\nkind: Pod\nEOF", "kubectl get pods"],
    ),
    "quotes over lines": (
        ["psql -c '", "  select 1;", "'"],
        ["psql -c '\n  select 1;\n'"],
    ),
    "another user": (
        ["sudo -u postgres psql -c 'select 1'", "sudo -E -H -u app env"],
        ["sudo -u postgres psql -c 'select 1'", "sudo -E -H -u app env"],
    ),
    "assignments with quotes": (
        ["PGPASSWORD='a b' A=\"$B c\" psql -h db", "POD=$(kubectl get pod -o name | head -1)"],
        ["PGPASSWORD='a b' A=\"$B c\" psql -h db", "POD=$(kubectl get pod -o name | head -1)"],
    ),
    "a loop": (
        ["for p in a b; do", "  docker restart $p  # each", "done", "echo done"],
        ["for p in a b; do\n  docker restart $p  # each\ndone", "echo done"],
    ),
    "a condition on one line, and two commands on another": (
        ["if docker ps; then docker restart api; fi", "cd /srv; ls"],
        ["if docker ps; then docker restart api; fi", "cd /srv; ls"],
    ),
    "placeholders": (
        [
            "kubectl logs <pod name> -n <namespace>",
            "docker logs {{ container }}",
            "curl <url>/health",
        ],
        [
            "kubectl logs <pod name> -n <namespace>",
            "docker logs {{ container }}",
            "curl <url>/health",
        ],
    ),
    "redirections": (
        ["pg_dump app > /tmp/app.sql 2>&1", "psql app </tmp/app.sql"],
        ["pg_dump app > /tmp/app.sql 2>&1", "psql app </tmp/app.sql"],
    ),
    "comments": (
        ["# first", "docker ps -a   # all", "", "# docker rm api", "echo '# no'  a"],
        ["docker ps -a", "echo '# no' a"],
    ),
    "tools nobody listed, and scripts": (
        ["frobctl reload --all", "./bin/restart.sh", "/opt/app/run", "scripts/x.py"],
        ["frobctl reload --all", "./bin/restart.sh", "/opt/app/run", "scripts/x.py"],
    ),
    "a subshell and a negation": (
        ["(cd /srv && ls)", "! grep x y"],
        ["(cd /srv && ls)", "! grep x y"],
    ),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_its_statements(name: str) -> None:
    lines, commands = SCRIPTS[name]
    line, document = step(fence("bash", *lines))
    assert list(line.commands) == commands
    assert document.problems == []


def test_statements_go_over_lines_behind_a_prompt_too() -> None:
    block = fence(
        "console",
        "$ docker run \\",
        ">   api",
        "started",
        "$ cat <<E",
        "> a",
        "> E",
        "a",
        "$ psql -c 'x",
        "y'",
        "1",
    )
    assert step(block)[0].commands == ("docker run api", "cat <<E\na\nE", "psql -c 'x\ny'")


@pytest.mark.parametrize(
    "lines",
    [
        ["docker ─▶ kubectl", "  │", "  └── psql"],
        ["[api] --> [db]", "curl -->  api"],
        ["+--------+", "| docker |", "+--------+"],
        ["select 1;", "ERROR: x"],
    ],
)
def test_a_diagram_is_not_typed(lines: list[str]) -> None:
    assert step(fence("", *lines))[0].commands == ()


def test_output_in_a_script_is_told_and_not_typed() -> None:
    line, document = step(fence("bash", "docker ps -a", "NAME   STATUS", "docker logs api"))
    assert line.commands == ("docker ps -a", "docker logs api")
    assert [(one.rule, one.line) for one in document.problems] == [("not-a-command", 7)]


def test_what_the_shell_would_not_read_is_told() -> None:
    line, document = step(fence("bash", "docker logs 'api"))
    assert line.commands == ("docker logs 'api",)
    assert [(one.rule, one.line) for one in document.problems] == [("broken-command", 6)]


def test_a_block_without_an_end_is_told() -> None:
    _, document = step("```bash\ndocker ps -a\n")
    assert [(one.rule, one.line) for one in document.problems] == [("unclosed-block", 5)]


def test_commands_know_their_lines() -> None:
    block = "1. Look: `docker ps -a` and\n   `docker stats`\n\n   ```bash\n   # see\n   a \\\n     b\n   c\n   ```\n"
    _, document = step(block)
    assert [(one.text, one.line) for one in document.commands] == [
        ("docker ps -a", 5),
        ("docker stats", 6),
        ("a b", 10),
        ("c", 12),
    ]


EXPECTED = {
    "in the sentence": ("Type `docker ps -q`. Expected: `0 rows`\n", "0 rows"),
    "as words": ("1. `curl -f http://db` (expected: connection refused)\n", "connection refused"),
    "below": ("1. `docker ps -q`\n   - Expected output: `a1`\n", "a1"),
    "as a block": (
        "1. `docker ps -q`\n\n   Expected output:\n   ```\n   ID\n   a1\n   ```\n",
        "ID\na1",
    ),
    "as a block of text": (
        "1. `docker ps -q`\n\n   **Expected result:**\n\n   ```text\n   a1\n   ```\n",
        "a1",
    ),
    "as a comment": ("```bash\ndocker ps -q\n# Expected: a1\n```\n", "a1"),
    "behind a command": ("```bash\ndocker ps -q  # expected: a1\n```\n", "a1"),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_expected_beside_a_command_is_what_it_must_show(name: str) -> None:
    text, shown = EXPECTED[name]
    line, _ = step(text)
    assert line.expected_of(line.commands[0]) == shown
    assert len(line.commands) == 1


def test_what_is_expected_goes_with_the_command_before_it() -> None:
    line, _ = step("1. `docker ps -q`, then `docker stats`. Expected: `a1`\n")
    assert line.expected == (None, "a1")


def test_a_span_with_options_of_a_tool_nobody_knows_is_told_by_line() -> None:
    _, document = step("Run `frobctl reload --all` now.\n")
    assert [(one.rule, one.line) for one in document.problems] == [("unread-code", 5)]
    assert "`frobctl reload --all`" in document.problems[0].reason
