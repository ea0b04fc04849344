"""The journal: whole up to its last event however the run ended, and without secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drillbook.journal import (
    Event,
    FindingNoted,
    Journal,
    PhaseEntered,
    Ref,
    RunEnded,
    StepTaken,
    read,
)

SECRET = "s3cret-w0rd"
REF = Ref("3.1", "step", 2, 187, "0123456789abcdef", "**Check.** `docker ps`")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "deep" / "er" / "journal.jsonl").open()
    yield journal
    journal.close()


def step(saw: str = "", transcript: str = "", *commands: str) -> StepTaken:
    return StepTaken(REF, "typed", list(commands), True, saw, transcript, 0.1)


def written(journal: Journal, *events: Event) -> list[dict[str, Any]]:
    for event in events:
        journal.write(event)
    return list(read(journal.path))


# --- writing -----------------------------------------------------------------------------------
def test_an_event_reads_back_with_when_and_whose_it_was(journal: Journal) -> None:
    journal.drill = "scenarios/test_3_1.py::test_x"
    [first] = written(journal, PhaseEntered("fault", "the container of db is killed"))
    assert first["event"] == "PhaseEntered"
    assert first["phase"] == "fault"
    assert first["drill"] == journal.drill
    assert first["at"] > 1e9
    assert 0 <= first["t_s"] < 60


def test_a_line_is_on_disk_before_write_returns(journal: Journal) -> None:
    """So that a SIGKILL right after loses nothing: the file is read while it is still open."""
    journal.write(PhaseEntered("steady", "one"))
    assert len(journal.path.read_text().splitlines()) == 1
    journal.write(PhaseEntered("fault", "two"))
    assert [one["what"] for one in read(journal.path)] == ["one", "two"]


def test_opening_again_appends(journal: Journal) -> None:
    journal.write(RunEnded(0, interrupted=False))
    journal.close()
    journal.open()
    assert len(written(journal, RunEnded(1, interrupted=True))) == 2


def test_references_are_written_out(journal: Journal) -> None:
    [event] = written(journal, FindingNoted(REF, "it lies"))
    assert event["ref"]["digest"] == REF.digest
    assert Ref(**event["ref"]) == REF


def test_subscribers_get_what_the_file_got(journal: Journal) -> None:
    heard: list[Any] = []
    journal.subscribers.append(heard.append)
    journal.secrets.append(SECRET)
    assert heard == written(journal, step(f"password {SECRET}"))


def test_subscribers_hear_of_events_after_the_file_is_closed(journal: Journal) -> None:
    heard: list[Any] = []
    journal.subscribers.append(heard.append)
    journal.close()
    journal.write(RunEnded(0, interrupted=False))
    assert len(heard) == 1
    assert list(read(journal.path)) == []


# --- secrets -----------------------------------------------------------------------------------
def test_secrets_are_masked_wherever_they_occur(journal: Journal) -> None:
    journal.secrets.append(SECRET)
    [event] = written(journal, step(f"url://user:{SECRET}@db", f"$ {SECRET}", f"psql {SECRET}"))
    assert SECRET not in journal.path.read_text()
    assert event["saw"] == "url://user:********@db"
    assert event["commands"] == ["psql ********"]


@pytest.mark.parametrize("secret", ['quo"ted', "back\\slash", "new\nline", "schlüssel"])
def test_a_secret_is_masked_as_json_spells_it(journal: Journal, secret: str) -> None:
    journal.secrets.append(secret)
    [event] = written(journal, step(f"it is {secret}."))
    assert event["saw"] == "it is ********."


def test_a_secret_that_is_a_word_of_the_journal_leaves_the_journal_readable(
    journal: Journal,
) -> None:
    journal.secrets.append("event")
    [event] = written(journal, step("an event"))
    assert event["event"] == "StepTaken"
    assert event["saw"] == "an ********"


def test_an_empty_secret_masks_nothing(journal: Journal) -> None:
    journal.secrets.append("")
    [event] = written(journal, step("as it is"))
    assert event["saw"] == "as it is"


# --- reading -----------------------------------------------------------------------------------
def test_a_last_line_cut_short_is_left_out(journal: Journal) -> None:
    written(journal, step("one"), step("two — with more than ASCII: größer"))
    whole = journal.path.read_bytes()
    second = whole.index(b"\n") + 1
    for end in range(second, len(whole) - 1):
        journal.path.write_bytes(whole[:end])
        assert [one["saw"] for one in read(journal.path)] == ["one"], f"cut at byte {end}"


def test_a_last_line_that_lacks_only_its_end_is_whole(journal: Journal) -> None:
    written(journal, step("one"), step("two"))
    journal.path.write_bytes(journal.path.read_bytes().rstrip(b"\n"))
    assert [one["saw"] for one in read(journal.path)] == ["one", "two"]


@pytest.mark.parametrize(
    "malformed", ["{not json", "[1, 2]", '"text"', '{"no": "event"}', '{"event": "A"', "\xff"]
)
def test_an_earlier_malformed_line_is_named(journal: Journal, malformed: str) -> None:
    written(journal, step("one"), step("two"))
    first, second = journal.path.read_bytes().splitlines()
    journal.path.write_bytes(b"\n".join([first, malformed.encode("latin-1"), second, b""]))
    with pytest.raises(ValueError, match=r"journal\.jsonl:2: not an event"):
        list(read(journal.path))


def test_what_came_before_a_malformed_line_can_be_read(journal: Journal) -> None:
    written(journal, step("one"))
    with journal.path.open("a") as file:
        file.write("nonsense\n")
    events = read(journal.path)
    assert next(events)["saw"] == "one"
    with pytest.raises(ValueError, match=":2:"):
        next(events)


@settings(
    max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(text=st.text(alphabet=st.characters(codec="utf-8")))
def test_any_text_reads_back_as_it_was_seen(tmp_path: Path, text: str) -> None:
    path = tmp_path / "journal.jsonl"
    path.unlink(missing_ok=True)
    journal = Journal(path).open()
    [event] = written(journal, step(text, text, text))
    journal.close()
    assert (event["saw"], event["transcript"], event["commands"]) == (text, text, [text])


def test_what_utf_8_cannot_hold_does_not_end_the_run(journal: Journal) -> None:
    """A file name or an argument that is no UTF-8 reaches Python as a lone surrogate."""
    [event] = written(journal, step("caf\udce9"))
    assert event["saw"].startswith("caf")
    json.dumps(event, ensure_ascii=False).encode("utf-8")  # and so a report can hold it


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Journal(tmp_path / "file" / "journal.jsonl").open()


def test_a_full_disk_is_an_error_at_once_and_not_again_when_closing() -> None:
    journal = Journal(Path("/dev/full")).open()
    with pytest.raises(OSError, match="No space left"):
        journal.write(RunEnded(0, interrupted=False))
    journal.write(RunEnded(1, interrupted=True))  # nothing is glued to a line that was cut short
    journal.close()
