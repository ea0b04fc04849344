"""No file is too large, too deep, too long or too odd to read: it takes seconds and never raises."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from drillbook.runbook import Document, read_document
from drillbook.runbook.blocks import MOST_EVENTS
from drillbook.runbook.text import LONGEST_LINE

MIB = 2**20
TEN_MB = 10_000_000
MOST_S = 5.0
ENTRY = "## A\n**Symptoms:**\n"
SIGNS = "abc ()[]{}<>|&;'\"`$#\n\\ \n=*?_-+~^0123456789.:/\t"

REPEATED = {
    "items": (ENTRY, "- a\n", ""),
    "items with code": (ENTRY, "- `docker ps`\n", ""),
    "labels": ("", "## A\n**Fix:**\n- a\n", ""),
    "labels in one paragraph": (ENTRY, "**a**: b\n", ""),
    "words before colons": (ENTRY, "Fix: x\n", ""),
    "headings": ("", "## A\n", ""),
    "quotations": ("", "> " * 200 + "a\n", ""),
    "rows": ("## A\n|Symptom|Cause|Fix|\n|-|-|-|\n", "|a|b|`docker ps`|\n", ""),
    "commands": ("```bash\n", "docker ps -a\n", "```\n"),
    "blocks of commands": ("", "```bash\ndocker ps -a\n```\n", ""),
    "blocks that are no shell": ("", "```bash\na ) b\n```\n", ""),
    "one block that is no shell": ("```bash\n", "a ) b\n", "```\n"),
    "prompts": ("```\n", "$ docker ps 'a\n", ""),
    "here-documents": ("```bash\n", "cat <<A\n", ""),
    "what is expected": ("## A\n**Fix**\n", "`docker ps` Expected:\n\n", ""),
    "brackets": ("", "[" * 1000 + "\n", ""),
    "tags": ("", "<div>\n", ""),
    "front matter": ("---\n", "a: b\n", ""),
}


def timed(path: Path, content: bytes) -> tuple[float, Document]:
    path.write_bytes(content)
    began_s = time.process_time()
    document = read_document(path)
    assert len(document.commands) < TEN_MB
    assert isinstance(document.front_matter, dict)
    return time.process_time() - began_s, document


def repeated(name: str, size: int) -> bytes:
    before, text, after = REPEATED[name]
    return (before + text * ((size - len(before) - len(after)) // len(text)) + after).encode()


@pytest.mark.slow
@pytest.mark.parametrize("name", REPEATED)
def test_ten_megabytes_of_anything_are_read_in_seconds(tmp_path: Path, name: str) -> None:
    took_s, document = timed(tmp_path / "book.md", repeated(name, TEN_MB))
    assert took_s < MOST_S
    assert document.problems


@pytest.mark.slow
@pytest.mark.parametrize("name", REPEATED)
def test_the_cost_grows_with_the_bytes_and_no_faster(tmp_path: Path, name: str) -> None:
    small, large = repeated(name, 20_000), repeated(name, 80_000)
    path = tmp_path / "book.md"
    timed(path, small)
    ratios = [timed(path, large)[0] / max(timed(path, small)[0], 0.002) for _ in range(2)]
    assert min(ratios) < 8  # 4 if it is linear, 16 if it is quadratic


@pytest.mark.slow
def test_noise_is_read_in_seconds(tmp_path: Path) -> None:
    choose = random.Random(7)  # noqa: S311 - noise is no secret
    noise = "".join(choose.choices(SIGNS, k=TEN_MB)).encode()
    assert timed(tmp_path / "noise.md", noise)[0] < MOST_S
    book = (Path(__file__).parents[1] / "runbook.md").read_bytes()
    assert timed(tmp_path / "book.md", book * (TEN_MB // len(book)))[0] < MOST_S


def test_what_is_no_text_is_told_and_not_read(tmp_path: Path) -> None:
    binary = bytes(range(256)) * 40_000
    for content, reason in [
        (binary, "is not UTF-8 text"),
        (b"# A\0\n", "is not text: it has a NUL character"),
        ("é".encode("latin1"), "is not UTF-8 text"),
        (b"a\n" * 9 * MIB, "is larger than 16 MiB"),
    ]:
        took_s, document = timed(tmp_path / "book.md", content)
        assert took_s < MOST_S
        assert [problem.rule for problem in document.problems] == ["unreadable"]
        assert reason in document.problems[0].reason
        assert document.problems[0].fatal
        assert not document.runbook.entries


def test_a_control_character_is_told_and_stays(tmp_path: Path) -> None:
    _, document = timed(tmp_path / "book.md", b"## A\n**Fix:**\n1. a \x1b[1mb\n")
    assert [(one.rule, one.line, one.fatal) for one in document.problems] == [
        ("control-character", 3, False)
    ]
    assert document.runbook.entries["a"].steps[0].text == "a \x1b[1mb"


def test_a_line_of_a_megabyte_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    text = f"## A\n**Fix:**\n1. `docker ps -a`\n\n{'x' * MIB}\n"
    took_s, document = timed(tmp_path / "book.md", text.encode())
    assert took_s < MOST_S
    assert [(problem.rule, problem.line) for problem in document.problems] == [("unreadable", 5)]
    assert document.runbook.entries["a"].steps[0].commands == ("docker ps -a",)
    just = f"## A\n**Fix:**\n1. {'x' * (LONGEST_LINE - 3)}\n"
    assert not timed(tmp_path / "book.md", just.encode())[1].problems


def test_where_reading_stops_is_told(tmp_path: Path) -> None:
    _, document = timed(tmp_path / "book.md", repeated("items", MOST_EVENTS * 4))
    (stopped,) = (problem for problem in document.problems if problem.rule == "unreadable")
    assert stopped.fatal
    assert "reading stops here" in stopped.reason
    (entry,) = document.runbook.entries.values()
    assert len(entry.symptoms) > 10_000


@pytest.mark.parametrize("depth", [10, 1000, 30_000])
def test_nothing_is_too_deep(tmp_path: Path, depth: int) -> None:
    for text in ("> " * depth, "- " * depth, "[" * depth, "**" * depth):
        took_s, _ = timed(tmp_path / "book.md", f"{ENTRY}{text}a\n".encode())
        assert took_s < MOST_S
    nested = "".join("  " * at + "- a\n" for at in range(min(depth, 2000)))
    assert timed(tmp_path / "book.md", (ENTRY + nested).encode())[0] < MOST_S
    shell = "```bash\n" + "(" * depth + "\n```\n" + "```bash\n" + "$(" * depth + "\n```\n"
    assert timed(tmp_path / "book.md", (ENTRY + shell).encode())[0] < MOST_S
