"""Runbook entry 2.4: the browser keeps answers from the front end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drillbook.drill import Drill, drills
from drillbook.faults import configuration
from drillbook.symptoms import browser as sees
from drillbook.symptoms import http, logs
from drillbook.symptoms import workloads as see
from fixtures.shop import Shop

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@drills("2.4", cause=1)
def test_origin_not_listed(drill: Drill, stack: Shop, browser: Browser, origin: str) -> None:
    """The front end's origin is missing from CORS_ORIGINS."""
    api = f"{stack.url}/items/1"
    other = origin.replace("http://", "https://")  # the right host and port, the wrong protocol

    drill.inject(configuration.environment(stack.backend, "CORS_ORIGINS", other))

    drill.symptom(1, sees.console_says(browser, origin, api, "Access-Control-Allow-Origin"))
    drill.symptom(2, sees.blocked(browser, origin, api))

    drill.step(1, see.environment(stack.backend, "CORS_ORIGINS", f"^{other}$"))
    drill.step(2, logs.mention(stack.backend, "cors.*origin"))
    drill.step(3, sees.origins(browser, origin, api, allowed=None))
    drill.step(3, http.lacks_header(api, stack.http, "Access-Control-Allow-Origin", origin=origin))

    drill.fix(1, configuration.correct(stack.backend, CORS_ORIGINS=origin))
    drill.recovered()
