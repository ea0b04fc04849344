"""What is said of a probe over time: flap damping, dependencies, incidents, maintenance."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes import maintenance
from probes.catalogue import Probe
from probes.states import Changes, Outcome, Result, TargetState, Watched
from probes.target import Damping, Entry, Maintenance


def probe(name: str, entry: Entry, *depends: Entry, wants_it: bool = False) -> Probe:
    return Probe(name, entry, (), "", "", (), lambda _: "", wants_it, depends)


PROXY = probe("gateway", "4.3")
DATABASE = probe("database", "3.1")
ERRORS = probe("errors", "2.1", "4.3", "3.1")
REFUSAL = probe("refusal", "2.2", "4.3", wants_it=True)


def saw(one: Probe, outcome: Outcome) -> Result:
    return Result(one, outcome, f"{one.name} is {outcome}")


class Days:
    """Rounds of a target, one after the other."""

    def __init__(self, fired: int = 2, of: int = 3) -> None:
        self.state = TargetState("shop", Damping(fired=fired, of=of))
        self.now = 1000.0

    def round(self, *results: Result, maintenance: bool = False) -> Changes:
        self.now += 60
        return self.state.take(results, self.now, maintenance=maintenance)

    def of(self, one: Probe) -> Outcome:
        return self.state.watched[one.name].state


# --- damping -------------------------------------------------------------------------------------
def test_red_in_the_second_round_and_green_in_the_second_good_one() -> None:
    days = Days()
    told: list[Outcome] = []
    for outcome in ("up", "down", "down", "down", "up", "up"):
        days.round(saw(PROXY, outcome))
        told.append(days.of(PROXY))
    assert told == ["up", "up", "down", "down", "down", "up"]


def test_a_single_bad_round_is_no_incident() -> None:
    days = Days()
    for outcome in ("up", "down", "up", "up", "down", "up"):
        assert not days.round(saw(PROXY, outcome))


@given(
    st.lists(st.sampled_from(["up", "down", "unknown"]), min_size=1, max_size=40),
    st.integers(1, 5),
    st.integers(0, 4),
)
def test_red_is_exactly_n_of_the_last_m(rounds: list[Outcome], fired: int, more: int) -> None:
    damping = Damping(fired=fired, of=fired + more)
    watched = Watched(damping)
    for number, outcome in enumerate(rounds, 1):
        watched.update(saw(PROXY, outcome))
        last = rounds[max(0, number - damping.of) : number]
        assert (watched.state == "down") == (last.count("down") >= fired)
        if watched.state != "down":
            assert watched.state == ("unknown" if outcome == "unknown" else "up")


# --- dependencies --------------------------------------------------------------------------------
def test_what_follows_from_an_entry_that_is_down_is_unknown_and_not_red() -> None:
    days = Days()
    for _ in range(3):
        days.round(saw(PROXY, "down"), saw(ERRORS, "down"), saw(REFUSAL, "up"))
    assert days.of(PROXY) == "down"
    assert days.of(ERRORS) == "unknown"
    assert days.of(REFUSAL) == "unknown", "a refusal by whoever answers in its place is none"
    assert set(days.state.open) == {"4.3"}


@pytest.mark.parametrize("early", [True, False], ids=["begins", "ends"])
def test_a_round_that_straddles_an_outage_blames_no_other_entry(early: bool) -> None:
    """The database went (or came) between two questions of one round."""
    days = Days()
    straddling = (saw(DATABASE, "up"), saw(ERRORS, "down"))
    whole = (saw(DATABASE, "down"), saw(ERRORS, "down"))
    healthy = (saw(DATABASE, "up"), saw(ERRORS, "up"))
    rounds = [straddling, whole, whole] if early else [whole, whole, straddling]
    for results in (*rounds, healthy, healthy, healthy):
        days.round(*results)
        assert days.of(ERRORS) != "down"
        assert "2.1" not in days.state.open


def test_a_short_outage_with_two_straddling_rounds_blames_no_other_entry() -> None:
    days = Days()
    straddling = (saw(DATABASE, "up"), saw(ERRORS, "down"))
    for results in (straddling, (saw(DATABASE, "down"), saw(ERRORS, "down")), straddling):
        days.round(*results)
        assert days.of(ERRORS) != "down"


# --- incidents -----------------------------------------------------------------------------------
def test_an_incident_opens_once_and_closes_when_all_its_probes_are_up() -> None:
    days = Days(fired=1, of=1)
    other = probe("https", "4.3")
    first = days.round(saw(PROXY, "down"), saw(other, "up"))
    assert [one.entry for one in first.opened] == ["4.3"]
    assert not days.round(saw(PROXY, "down"), saw(other, "down"))
    assert not days.round(saw(PROXY, "up"), saw(other, "down"))
    assert not days.round(saw(PROXY, "up"), saw(other, "unknown")), "nobody can say it is over"
    last = days.round(saw(PROXY, "up"), saw(other, "up"))
    [closed] = last.closed
    assert closed.probes == ("gateway", "https")
    assert closed.began == first.opened[0].began
    assert closed.ended == days.now


def test_in_maintenance_nobody_is_called_and_afterwards_what_is_still_down_is_told() -> None:
    days = Days(fired=1, of=1)
    assert not days.round(saw(PROXY, "down"), maintenance=True)
    assert days.of(PROXY) == "down", "the page shows it all the same"
    assert days.round(saw(PROXY, "down")).opened
    assert days.round(saw(PROXY, "up"), maintenance=True).closed, "good news may be told"


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("moment", "within"),
    [
        ("2026-11-24T00:59:59", False),
        ("2026-11-24T01:00:00", True),
        ("2026-11-24T01:29:59", True),
        ("2026-11-24T01:30:00", False),
        ("2026-11-25T01:10:00", False),
    ],
)
def test_a_weekly_window_is_in_its_own_zone(moment: str, within: bool) -> None:
    window = Maintenance.model_validate(
        {
            "reason": "import",
            "days": ["tuesday"],
            "at": "02:00",
            "until": "02:30",
            "zone": "Europe/Berlin",
        }
    )
    assert maintenance.reason([window], at(moment)) == ("import" if within else "")


@pytest.mark.parametrize(
    ("moment", "within"),
    [
        ("2026-11-24T22:00:00", False),
        ("2026-11-24T23:30:00", True),
        ("2026-11-25T00:30:00", True),
        ("2026-11-25T01:00:00", False),
        ("2026-11-25T23:30:00", False),
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_it_begins_on(moment: str, within: bool) -> None:
    window = Maintenance.model_validate(
        {"reason": "night", "days": ["tuesday"], "at": "23:00", "until": "01:00"}
    )
    assert bool(maintenance.reason([window], at(moment))) == within


def test_a_window_of_one_time() -> None:
    window = Maintenance.model_validate(
        {"reason": "move", "begins": "2026-12-05T20:00:00Z", "ends": "2026-12-05T23:00:00+01:00"}
    )
    times = ("2026-12-05T19:59:59", "2026-12-05T20:00:00", "2026-12-05T22:00:00")
    assert [bool(maintenance.reason([window], at(one))) for one in times] == [False, True, False]
