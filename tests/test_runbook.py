"""The runbook's parser: what is a line, where it stands, what is typed, what its digest guards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drillbook.runbook import (
    KINDS,
    Kind,
    Runbook,
    RunbookError,
    UnknownEntry,
    anchor,
    load,
    read_document,
    spans,
)
from drillbook.runbook.commands import platform_of

# Both layouts that are found in the wild: `*` bullets, headings glued to their list; and `-`
# bullets with blank lines between.
DOCUMENT = """\
# Runbook

*   [a list that is no claim](#31-gone-dark)

## 1. First looks

Take these first:

1.  **Check Logs:** Always start with
    the logs.
    *   **Docker Compose:** `docker-compose logs <service_name>`
    *   **Kubernetes:** `kubectl logs <pod_name> -f`
2.  **Recent Changes:** Any?

---

## 3. Database

### 3.1 Gone Dark/Unlit

**Symptoms:**
*   Log shows "refused".
*   `kubectl get pods` shows none.

**Potential Causes:**
*   Wrong `DATABASE_URL` (see [1](#1-first-looks)).

**Resolution Steps:**
1.  **Test:**
    *   `docker exec -it <container> bash` then `ping db` (or `curl -f http://db`), `nginx.conf`.
    *   `kubectl exec -it <pod> -- bash` then `ping <name>`.
2.  **Roll back:**
    ```bash
    $ docker compose pull \\
        backend  # the last good one
    # kubectl rollout undo deployment/x
    $ sudo PGUSER=me psql -c 'select 1 # 2'
    ```
    ```yaml
    docker: not a command
    ```
3.  Use `py-spy`, `bash`, `CORS_ORIGINS`, `EXPLAIN ANALYZE` or `http://localhost/docs`.
"""


def parse(tmp_path: Path, text: str) -> Runbook:
    path = tmp_path / "book.md"
    path.write_text(text, encoding="utf-8")
    return load(path)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For the properties below: a folder for each example would take longer than the parsing."""
    return tmp_path_factory.mktemp("books")


@pytest.fixture
def book(tmp_path: Path) -> Runbook:
    return parse(tmp_path, DOCUMENT)


def test_entries_are_the_numbered_headings_that_have_steps(book: Runbook) -> None:
    assert [(e.number, e.title, e.anchor) for e in book.entries.values()] == [
        ("1", "First looks", "1-first-looks"),
        ("3.1", "Gone Dark/Unlit", "31-gone-darkunlit"),
    ]


def test_lines_are_named_by_position_and_stand_where_they_say(book: Runbook) -> None:
    source = DOCUMENT.splitlines()
    starts = {line.name: source[line.line - 1] for line in book.lines()}
    assert starts == {
        "1 step 1": "1.  **Check Logs:** Always start with",
        "1 step 2": "2.  **Recent Changes:** Any?",
        "3.1 symptom 1": '*   Log shows "refused".',
        "3.1 symptom 2": "*   `kubectl get pods` shows none.",
        "3.1 cause 1": "*   Wrong `DATABASE_URL` (see [1](#1-first-looks)).",
        "3.1 step 1": "1.  **Test:**",
        "3.1 step 2": "2.  **Roll back:**",
        "3.1 step 3": (
            "3.  Use `py-spy`, `bash`, `CORS_ORIGINS`, `EXPLAIN ANALYZE` or "
            "`http://localhost/docs`."
        ),
    }


def test_text_is_on_one_line_without_emphasis_or_link_targets(book: Runbook) -> None:
    texts = {line.name: line.text for line in book.lines()}
    assert texts["1 step 1"] == (
        "Check Logs: Always start with the logs. Docker Compose: "
        "`docker-compose logs <service_name>` Kubernetes: `kubectl logs <pod_name> -f`"
    )
    assert texts["3.1 cause 1"] == "Wrong `DATABASE_URL` (see 1)."


def test_layout_is_kept_for_those_who_show_it(book: Runbook) -> None:
    first = book.entry("1").steps[0]
    assert first.lead == "Check Logs:"
    assert first.parts == (
        "Check Logs: Always start with the logs.",
        "Docker Compose: `docker-compose logs <service_name>`",
        "Kubernetes: `kubectl logs <pod_name> -f`",
    )
    assert book.entry("3.1").symptoms[0].lead == ""
    assert (
        book.entry("3.1").steps[1].parts[1] == "`$ docker compose pull backend # the last good one`"
    )
    for line in book.lines():
        assert " ".join(line.parts) == line.text


def test_commands_are_what_a_person_would_type(book: Runbook) -> None:
    commands = {line.name: line.commands for line in book.lines() if line.commands}
    assert commands == {
        "1 step 1": ("docker-compose logs <service_name>", "kubectl logs <pod_name> -f"),
        "3.1 symptom 2": ("kubectl get pods",),
        "3.1 step 1": (
            "docker exec -it <container> bash",
            "ping db",
            "curl -f http://db",
            "kubectl exec -it <pod> -- bash",
            "ping <name>",
        ),
        "3.1 step 2": ("docker compose pull backend", "sudo PGUSER=me psql -c 'select 1 # 2'"),
        "3.1 step 3": ("bash",),
    }


def test_a_command_goes_with_the_platform_of_the_one_before_it(book: Runbook) -> None:
    step = book.entry("3.1").steps[0]
    assert step.commands_for("compose") == (
        "docker exec -it <container> bash",
        "ping db",
        "curl -f http://db",
    )
    assert step.commands_for("kubernetes") == ("kubectl exec -it <pod> -- bash", "ping <name>")
    assert book.entry("3.1").steps[2].commands_for("kubernetes") == ("bash",)


@pytest.mark.parametrize(
    ("command", "platform"),
    [
        ("kubectl get pods", "kubernetes"),
        ("docker ps -a", "compose"),
        ("docker-compose ps", "compose"),
        ("sudo docker ps", "compose"),
        ("A=1 kubectl get pods", "kubernetes"),
        ("ping db", None),
    ],
)
def test_platform_of_a_command(command: str, platform: str | None) -> None:
    assert platform_of(command) == platform


def test_a_line_speaks_of_one_platform_or_both(book: Runbook) -> None:
    assert book.entry("3.1").symptoms[0].platforms == ("compose", "kubernetes")
    assert book.entry("3.1").symptoms[1].platforms == ("kubernetes",)
    assert book.entry("1").steps[0].platforms == ("compose", "kubernetes")
    assert book.entry("3.1").steps[1].platforms == ("compose",)


def test_an_unknown_entry_lists_those_that_exist(book: Runbook) -> None:
    with pytest.raises(UnknownEntry, match=r"no entry '3\.2'. Did you mean 3\.1 \(Gone Dark/Unl"):
        book.entry("3.2")
    with pytest.raises(UnknownEntry, match=r"Did you mean 3\.1(.|\n)*  1 +First looks"):
        book.entry("gone-dark")
    with pytest.raises(UnknownEntry) as raised:
        book.entry("")
    assert "Did you mean" not in str(raised.value)


def test_find_by_name(book: Runbook) -> None:
    line = book.find("3.1 step 2")
    assert line is not None
    assert line is book.entry("3.1").steps[1]
    assert book.find("3.1 step 9") is None


def test_spans_tell_code_from_words() -> None:
    assert list(spans("see `a b` or ``c`d``, twice `x`")) == [
        (False, "see "),
        (True, "a b"),
        (False, " or "),
        (True, "c`d"),
        (False, ", twice "),
        (True, "x"),
    ]
    assert list(spans("no ` code")) == [(False, "no ` code")]


@pytest.mark.parametrize(
    ("heading", "fragment"),
    [
        ("2.2 422 Unprocessable Entity (Validation Error)", "22-422-unprocessable-entity-valida"),
        ("6. CI/CD Issues", "6-cicd-issues"),
        ("A_b-c  d", "a_b-c--d"),
    ],
)
def test_anchors_are_those_of_code_hosts(heading: str, fragment: str) -> None:
    assert anchor(heading).startswith(fragment)


ENTRY = """\
# Runbook
### 3.1 Title
**Symptoms:**
- a

**Potential Causes:**
- b

**Resolution Steps:**
1. c
2. d
"""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "book.md:1: has no entry"),
        ("# Only prose\n\nNothing.\n", "book.md:1: has no entry"),
        ("## 7. Empty\n\nprose\n", "book.md:1: has no entry"),
        (ENTRY.replace("2. d", "3. d"), "book.md:11: entry 3.1: step 2 is numbered 3"),
        (ENTRY.replace("1. c\n2. d", "2. c"), "book.md:10: the lines below 'Resolution Steps:'"),
        (ENTRY.replace("2. d", "2."), "book.md:11: entry 3.1: step 2 is empty"),
        (ENTRY + ENTRY.partition("\n")[2], "book.md:12: entry 3.1 is already at line 2"),
    ],
)
def test_what_cannot_be_drilled_is_refused_with_its_line(
    tmp_path: Path, text: str, reason: str
) -> None:
    with pytest.raises(RunbookError, match=reason):
        parse(tmp_path, text)


def test_all_that_keeps_a_file_from_being_drilled_is_told_at_once(tmp_path: Path) -> None:
    text = ENTRY.replace("2. d", "3.") + ENTRY.replace("# Runbook\n", "")
    with pytest.raises(RunbookError) as raised:
        parse(tmp_path, text)
    assert [(one.rule, one.line) for one in raised.value.problems] == [
        ("misnumbered-line", 11),
        ("empty-line", 11),
        ("duplicate-entry", 12),
    ]
    assert str(raised.value).count("book.md:") == 3


@pytest.mark.parametrize(
    ("text", "rule", "line", "reason"),
    [
        (ENTRY.replace("1. c\n2. d\n", ""), "no-steps", 2, "entry 3.1 has no steps"),
        (ENTRY + "\n**Symptoms**\n- e\n", "repeated-part", 13, "entry 3.1 has 'Symptoms' twice"),
        (
            "## 4. Next\n### 5.1 Lost\n**Steps**\n1. x\n",
            "wrong-section",
            2,
            "entry 5.1 stands in section 4",
        ),
        (
            ENTRY.replace("Potential Causes", "Potential Cuases"),
            "unknown-label",
            6,
            "'Potential Cuases' names no part of an entry; did you mean 'Cause'?",
        ),
        (
            ENTRY.replace("- b\n\n", "- b\n"),
            "swallowed-label",
            8,
            "'Resolution Steps:' is part of the list above it",
        ),
        (
            ENTRY.replace("**Symptoms:**\n", ""),
            "stray-list",
            3,
            "entry 3.1: a list in no part of the entry",
        ),
        (
            ENTRY + "## 4. Other\n\nType `docker ps -a`.\n",
            "stray-command",
            14,
            "`docker ps -a` in no entry: checked, but never drilled",
        ),
        (
            ENTRY.replace("1. c", "First `docker ps -a`.\n\n1. c"),
            "stray-command",
            10,
            "entry 3.1: `docker ps -a` stands before the first step",
        ),
    ],
)
def test_what_is_read_otherwise_than_it_may_be_meant_is_told(
    tmp_path: Path, text: str, rule: str, line: int, reason: str
) -> None:
    parse(tmp_path, text)
    problems = read_document(tmp_path / "book.md").problems
    assert [(one.rule, one.line) for one in problems] == [(rule, line)]
    assert reason in problems[0].reason
    assert problems[0].write


def test_a_runbook_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunbookError, match=r"book\.md: there is no such file"):
        load(tmp_path / "book.md")
    with pytest.raises(RunbookError, match="cannot be read: Is a directory"):
        load(tmp_path)
    (tmp_path / "book.md").write_bytes(b"# a\n\n\xff\n")
    with pytest.raises(RunbookError, match=r"book\.md:3: is not UTF-8"):
        load(tmp_path / "book.md")


def test_prose_between_the_headings_is_no_claim(tmp_path: Path) -> None:
    text = ENTRY.replace("**Symptoms:**", "Prose.\n\n**Note:** more of it.\n\n#### Symptoms\n")
    assert [line.text for line in parse(tmp_path, text).lines()] == ["a", "b", "c", "d"]


def test_an_unnumbered_heading_ends_an_entry(tmp_path: Path) -> None:
    text = ENTRY + "## See also\n- not a claim\n\n**Not a heading of an entry**\n"
    assert len(list(parse(tmp_path, text).lines())) == 4


# --- properties ----------------------------------------------------------------------------------

WORDS = st.sampled_from(
    ["fail", "shows", "db", "é", "slow", "(really)", "'x'", "10.2", "a/b", "-v", "see:", "…,"]
)
COMMANDS = st.sampled_from(
    ["docker ps -a", "kubectl get pods", "ping -c 3 db", "psql -h db -U user", "bash"]
)
NAMES = st.sampled_from(["CORS_ORIGINS", "nginx/nginx.conf", "http://x:1/y", "py-spy", "<pod>"])


@dataclass(frozen=True)
class Claim:
    """A line as it should be read back."""

    pieces: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        return " ".join(t if kind == "word" else f"`{t}`" for kind, t in self.pieces)

    @property
    def commands(self) -> tuple[str, ...]:
        return tuple(t for kind, t in self.pieces if kind == "command")


def claims() -> st.SearchStrategy[Claim]:
    piece = st.one_of(
        WORDS.map(lambda t: ("word", t)),
        COMMANDS.map(lambda t: ("command", t)),
        NAMES.map(lambda t: ("name", t)),
    )
    start = st.sampled_from([("word", "The"), ("word", "Check"), ("command", "docker ps")])
    return st.tuples(start, st.lists(piece, max_size=8)).map(lambda p: Claim((p[0], *p[1])))


@st.composite
def layouts(draw: st.DrawFn, claim: Claim, marker: str) -> str:
    """One of the many ways to write a claim as a list item: emphasis, wrapping, indentation."""
    tokens = []
    for kind, text in claim.pieces:
        if kind == "word":
            tokens.append(draw(st.sampled_from(["{}", "{}", "**{}**", "*{}*"])).format(text))
        else:
            tokens.append(f"`{text}`")
    gap = " " * draw(st.integers(1, 3))
    indent = " " * (len(marker) + len(gap))
    joins = [draw(st.sampled_from([" ", " ", "\n" + indent])) for _ in tokens[1:]]
    return marker + gap + tokens[0] + "".join(j + t for j, t in zip(joins, tokens[1:], strict=True))


Content = dict[str, dict[Kind, list[Claim]]]


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, Content]:
    """A runbook in any of the accepted layouts, and what should be read from it."""
    content: Content = {}
    blocks: list[str] = ["# Runbook", "Prose before."]
    for number in draw(st.lists(st.integers(1, 9), unique=True, min_size=1, max_size=3)):
        blocks += [f"## {number}. Section", f"### {number}.1 Title"]
        entry = content[f"{number}.1"] = {
            "symptom": draw(st.lists(claims(), max_size=3)),
            "cause": draw(st.lists(claims(), max_size=3)),
            "step": draw(st.lists(claims(), min_size=1, max_size=3)),
            "verification": draw(st.lists(claims(), max_size=2)),
        }
        glue = draw(st.sampled_from(["\n", "\n\n"]))
        headings = ("**Symptoms:**", "**Potential Causes**", "#### Resolution steps", "**Verify**:")
        for kind, heading in zip(KINDS, headings, strict=True):
            if entry[kind]:
                bullet = draw(st.sampled_from("*-"))
                markers = [
                    f"{at}." if kind == "step" else bullet for at in range(1, len(entry[kind]) + 1)
                ]
                items = [draw(layouts(c, m)) for c, m in zip(entry[kind], markers, strict=True)]
                blocks.append(heading + glue + glue.join(items))
    return draw(st.sampled_from(["\n\n", "\n\n\n"])).join(blocks) + "\n", content


@settings(deadline=None, max_examples=60)
@given(documents())
def test_what_is_written_is_read_back(folder: Path, made: tuple[str, Content]) -> None:
    text, content = made
    book = parse(folder, text)
    read = {
        entry.number: {kind: [(ln.text, ln.commands) for ln in entry.of(kind)] for kind in KINDS}
        for entry in book.entries.values()
    }
    expected = {
        number: {kind: [(c.text, c.commands) for c in lines[kind]] for kind in KINDS}
        for number, lines in content.items()
    }
    assert read == expected


@settings(deadline=None, max_examples=40)
@given(documents())
def test_line_numbers_lead_to_the_line(folder: Path, made: tuple[str, Content]) -> None:
    source = made[0].splitlines()
    for line in parse(folder, made[0]).lines():
        start = source[line.line - 1].strip("*-0123456789. ").replace("*", "")
        assert line.text.replace("`", "").startswith(start.replace("`", "").split(" ")[0])
        marker = source[line.line - 1].split(" ")[0]
        assert marker == (f"{line.number}." if line.kind == "step" else marker.strip("0123456789."))


def digest_of(folder: Path, item: str) -> str:
    return next(parse(folder, f"## 1. T\n\n{item}\n").lines()).digest


@settings(deadline=None, max_examples=60)
@given(st.data(), claims())
def test_a_digest_ignores_layout(folder: Path, data: st.DataObject, claim: Claim) -> None:
    one, other = data.draw(layouts(claim, "1.")), data.draw(layouts(claim, "1."))
    assert digest_of(folder, one) == digest_of(folder, other)


@settings(deadline=None, max_examples=60)
@given(st.data(), claims())
def test_a_digest_changes_with_any_word(folder: Path, data: st.DataObject, claim: Claim) -> None:
    at = data.draw(st.integers(0, len(claim.pieces)))
    more = data.draw(st.sampled_from([("word", "not"), ("command", "docker ps -q")]))
    edited = Claim((*claim.pieces[:at], more, *claim.pieces[at:]))
    before = digest_of(folder, data.draw(layouts(claim, "1.")))
    assert digest_of(folder, data.draw(layouts(edited, "1."))) != before


def test_a_digest_changes_when_words_become_a_command(tmp_path: Path) -> None:
    assert digest_of(tmp_path, "1. type docker ps") != digest_of(tmp_path, "1. type `docker ps`")


def test_a_digest_covers_sub_bullets_and_blocks(tmp_path: Path) -> None:
    item = dedent("""\
        1. Go:
           - here
             ```bash
             docker ps
             ```
        """)
    digest = digest_of(tmp_path, item)
    assert digest != digest_of(tmp_path, item.replace("here", "there"))
    assert digest != digest_of(tmp_path, item.replace("docker ps", "docker ps -a"))
    assert len(digest) == 16
