"""The one loop that waits, on a clock that does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbook.looking import CouldNotLook, Look, NeverSeen, Seen, Unavailable, absent, until
from tests.fake_clock import FakeClock


def appearing(clock: FakeClock, at_s: float, takes_s: float = 0.0) -> Callable[[], str]:
    """A look that succeeds from a moment on, and takes a while."""

    def look() -> str:
        began_s = clock.now()
        clock.pass_(takes_s)
        if began_s < at_s:  # no assert: pytest would add to its words
            raise AssertionError(f"not yet, at {began_s}")
        return f"seen, at {began_s}"

    return look


def test_what_is_there_is_seen_at_once_and_nobody_waits() -> None:
    clock = FakeClock()
    seen = until(appearing(clock, 0.0), 10.0, clock=clock)
    assert (seen.saw, seen.after_s, seen.looks) == ("seen, at 0.0", 0.0, 1)
    assert clock.waits == []


def test_it_looks_once_even_with_no_time_at_all() -> None:
    clock = FakeClock()
    assert until(appearing(clock, 0.0), 0.0, clock=clock).looks == 1
    with pytest.raises(NeverSeen) as caught:
        until(appearing(clock, 1.0), 0.0, clock=clock)
    assert caught.value.looks == 1
    assert clock.waits == []


def test_what_appears_is_seen_within_one_pause() -> None:
    clock = FakeClock()
    seen = until(appearing(clock, 0.73), 10.0, every_s=0.2, clock=clock)
    assert 0.73 <= seen.after_s <= 0.73 + 0.2


def test_never_seen_says_what_was_there_instead_and_for_how_long() -> None:
    clock = FakeClock()
    with pytest.raises(NeverSeen) as caught:
        until(appearing(clock, 99.0), 1.0, every_s=0.5, clock=clock)
    assert caught.value.last == "not yet, at 1.0"
    assert caught.value.waited_s == 1.0
    assert caught.value.looks == 3
    assert str(caught.value) == "not seen in 1.0 s (3 looks); last seen: not yet, at 1.0"


def test_a_statistical_test_is_looked_at_once_and_so_is_its_absence() -> None:
    clock = FakeClock()
    test = Look("slower", appearing(clock, 1.0), once=True)
    with pytest.raises(NeverSeen) as caught:
        until(test, 10.0, clock=clock)
    assert caught.value.looks == 1
    assert clock.waits == []
    clock.pass_(1.0)
    with pytest.raises(NeverSeen) as caught:
        until(absent(test), 10.0, clock=clock)
    assert caught.value.looks == 1


def test_but_one_that_could_not_look_is_tried_again() -> None:
    clock = FakeClock()

    def look() -> str:
        if clock.now() < 1.0:
            raise CouldNotLook("refused")
        return "slower"

    seen = until(Look("slower", look, once=True), 10.0, every_s=0.5, clock=clock)
    assert (seen.saw, seen.looks) == ("slower", 3)


def test_what_appears_at_the_deadline_itself_is_seen() -> None:
    clock = FakeClock()
    assert until(appearing(clock, 1.0), 1.0, every_s=0.3, clock=clock).after_s == 1.0


def test_a_silent_assertion_still_says_something() -> None:
    def silent() -> str:
        raise AssertionError

    with pytest.raises(NeverSeen, match="last seen: nothing was said"):
        until(silent, 0.0, clock=FakeClock())


@pytest.mark.parametrize("broken", [KeyError("id"), ValueError("no JSON"), KeyboardInterrupt()])
def test_a_broken_detector_is_no_absent_symptom(broken: BaseException) -> None:
    def look() -> str:
        raise broken

    clock = FakeClock()
    with pytest.raises(type(broken)):
        until(look, 10.0, clock=clock)
    assert clock.waits == []


SECONDS = st.floats(min_value=0.0, max_value=60.0, allow_nan=False)
# a look that took no time, every few microseconds of a minute, is a test of patience alone
PAUSES = st.floats(min_value=0.01, max_value=5.0, allow_nan=False)


@given(at_s=SECONDS, takes_s=SECONDS, deadline_s=SECONDS, every_s=PAUSES)
def test_waiting_keeps_its_promises(
    at_s: float, takes_s: float, deadline_s: float, every_s: float
) -> None:
    """Whatever the times: seen in time or an error in time, and nobody waits past the deadline."""
    clock = FakeClock()
    slack_s = 1e-6
    seen: Seen | None = None
    never: NeverSeen | None = None
    try:
        seen = until(appearing(clock, at_s, takes_s), deadline_s, every_s=every_s, clock=clock)
    except NeverSeen as raised:
        never = raised
    if never is not None:
        # the last look began no later than the deadline, and so before the thing appeared
        assert clock.now() - takes_s < at_s + slack_s
        assert deadline_s <= never.waited_s <= deadline_s + takes_s + slack_s
        assert never.waited_s == pytest.approx(clock.now())
        assert never.looks == len(clock.waits) + 1
    if seen is not None:
        assert seen.after_s == pytest.approx(clock.now())
        assert seen.after_s <= deadline_s + takes_s + slack_s
        assert seen.looks == len(clock.waits) + 1
    assert sum(clock.waits) <= deadline_s + slack_s
    assert all(pause <= every_s for pause in clock.waits)


def test_absent_turns_a_look_around() -> None:
    clock = FakeClock()
    gone = absent(Look("it appears", appearing(clock, 5.0)))
    assert gone() == "gone: not yet, at 0.0"
    clock.pass_(5.0)
    with pytest.raises(AssertionError, match=r"still seen: seen, at 5\.0"):
        gone()


def test_absent_is_not_fooled_by_a_broken_detector() -> None:
    def look() -> str:
        raise LookupError("no such container")

    with pytest.raises(LookupError):
        absent(Look("broken", look))()


def test_absent_never_takes_silence_for_absence() -> None:
    """A database that does not answer has no slow queries to show: nobody knows of any."""

    def look() -> str:
        raise CouldNotLook("no answer")

    with pytest.raises(CouldNotLook, match="no answer"):
        absent(Look("a slow query", look))()


def test_who_could_not_look_looks_again() -> None:
    clock = FakeClock()

    def look() -> str:
        if clock.now() < 1.0:
            raise CouldNotLook("it is starting")
        return "there"

    assert until(look, 5.0, every_s=0.5, clock=clock).after_s == 1.0


def test_a_deadline_says_that_nobody_could_look() -> None:
    def look() -> str:
        raise CouldNotLook("no answer")

    with pytest.raises(NeverSeen, match="last seen: could not look: no answer") as caught:
        until(look, 1.0, clock=FakeClock())
    assert caught.value.blind


def test_what_is_not_to_be_had_is_not_waited_for() -> None:
    clock = FakeClock()

    def look() -> str:
        raise Unavailable("no Prometheus here")

    with pytest.raises(Unavailable):
        until(look, 5.0, clock=clock)
    assert clock.waits == []


def test_a_look_turned_around_says_so() -> None:
    assert absent(Look("the door is open", str)).what == "no longer: the door is open"
