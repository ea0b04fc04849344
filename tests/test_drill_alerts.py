"""The alert path of a drill: each way in which it can fail, and none of it unless watched."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from drillbook.drill import Drill
from drillbook.drill.alerts import AlertPath
from drillbook.drill.errors import AlertAbsent, AlertNotOver, AlertOutOfPlace, NotSteady
from drillbook.symptoms.alerts import Alertmanager
from tests.fake_world import World, book, burnt_out, lamp, told, world

__all__ = ["book", "lamp", "world"]  # fixtures
OWN, OTHER = "LampDark", "CableHot"


class Firing:
    """Which alerts fire: of the lamp while it is dark, and whatever a test adds."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.always: list[tuple[str, str]] = []
        self.while_dark = [(OWN, "9.1")]

    def answer(self, _: httpx.Request) -> httpx.Response:
        now = [*self.always, *([] if self.world.lit else self.while_dark)]
        return httpx.Response(200, json=[fires(*one) for one in now])


def fires(name: str, entry: str) -> dict[str, Any]:
    return {
        "labels": {"alertname": name, "entry": entry},
        "annotations": {"summary": "it is", "runbook_url": "runbook.md#x"},
        "status": {"state": "active"},
        "startsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2)),
    }


@pytest.fixture
def firing(lamp: Drill, world: World) -> Firing:
    made = Firing(world)
    client = httpx.Client(transport=httpx.MockTransport(made.answer))
    manager = Alertmanager("http://alertmanager", client)
    lamp._alerts = AlertPath(lamp.record, manager, lamp.deadlines, lamp.clock)
    return made


def run(lamp: Drill, world: World, alert: Callable[[], None]) -> None:
    with lamp.closing():
        lamp.begin()
        lamp.inject(burnt_out(world))
        lamp.symptom(1, world.dark())
        alert()
        lamp.fix(3, world.change_bulb())
        lamp.recovered()


def test_an_alert_that_fires_and_resolves_is_journaled(
    lamp: Drill, world: World, firing: Firing
) -> None:
    run(lamp, world, lambda: lamp.alert(OWN))
    [fired], [over] = told(lamp, "AlertFired"), told(lamp, "AlertResolved")
    assert (fired["name"], fired["entry"]) == (OWN, "9.1")
    assert fired["saw"] == "LampDark (9.1): it is, see runbook.md#x"
    assert isinstance(fired["after_s"], float)
    assert 0 < fired["after_s"] < 10
    assert over["name"] == OWN


def test_one_that_does_not_fire_fails_the_drill_at_its_end(
    lamp: Drill, world: World, firing: Firing
) -> None:
    firing.while_dark = []
    with pytest.raises(AlertAbsent, match="LampDark does not fire"):
        run(lamp, world, lambda: lamp.alert(OWN))
    assert lamp.held  # what the runbook says was proven all the same
    assert not told(lamp, "AlertFired")


def test_one_that_leads_elsewhere_is_none(lamp: Drill, world: World, firing: Firing) -> None:
    firing.while_dark = [(OWN, "9.2")]
    with pytest.raises(AlertAbsent, match=r"leads to 9\.2, not to 9\.1"):
        run(lamp, world, lambda: lamp.alert(OWN))


def test_one_may_lead_where_the_runbook_sends_its_reader(
    lamp: Drill, world: World, firing: Firing
) -> None:
    firing.while_dark = [(OWN, "9.2")]
    run(lamp, world, lambda: lamp.alert(OWN, leads_to="9.2"))
    assert told(lamp, "AlertFired")[0]["entry"] == "9.2"


def test_another_entrys_alert_is_out_of_place(lamp: Drill, world: World, firing: Firing) -> None:
    firing.while_dark.append((OTHER, "9.3"))
    with pytest.raises(AlertOutOfPlace, match=r"page as well: CableHot \(9\.3\)"):
        run(lamp, world, lambda: lamp.alert(OWN))
    assert lamp.held


def test_another_entrys_alert_may_be_expected(lamp: Drill, world: World, firing: Firing) -> None:
    firing.while_dark.append((OTHER, "9.3"))
    run(lamp, world, lambda: lamp.alert(OWN, expected=[OTHER]))


def test_an_alert_that_goes_on_is_told(lamp: Drill, world: World, firing: Firing) -> None:
    def alert() -> None:
        lamp.alert(OWN)
        firing.always.append((OWN, "9.1"))

    with pytest.raises(AlertNotOver, match="no longer: alert LampDark fires"):
        run(lamp, world, alert)


def test_an_alert_before_anything_is_broken_is_not_steady(
    lamp: Drill, world: World, firing: Firing
) -> None:
    firing.always.append((OTHER, "9.3"))
    with pytest.raises(NotSteady, match="CableHot"):
        run(lamp, world, lambda: lamp.alert(OWN))
    assert not lamp.untouched  # whatever set it off may still be there


def test_where_nothing_watches_nothing_is_asked(lamp: Drill, world: World) -> None:
    run(lamp, world, lambda: lamp.alert(OWN))
    assert not told(lamp, "AlertFired")
    assert lamp.held
    assert not lamp.untouched
