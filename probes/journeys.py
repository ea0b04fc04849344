"""A journey: what a customer does in several steps, each with what the one before brought."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from drillbook.detectors import http
from drillbook.detectors.http import Exchange
from drillbook.looking import CouldNotLook
from probes.client import Request
from probes.target import Journey, Step

MARK = "drillbook-probe"
Ask = Callable[[Request], Awaitable[Exchange]]


class _Unsaved(LookupError):
    """A step needs what no step before has saved."""


async def travel(journey: Journey, base: str, ask: Ask) -> str:
    """Take the steps; returns what went wrong, as a symptom that is seen.

    Raises AssertionError where all went well, CouldNotLook where a step got no answer. Steps that
    undo are taken whatever became of the others, as far as what they name was saved.
    """
    saved = {"customer": f"{MARK}-{secrets.token_hex(6)}"}
    wrong: list[str] = []
    blind: list[str] = []
    for step in journey.steps:
        if (wrong or blind) and not step.undo:
            continue
        try:
            await _take(step, base, saved, ask)
        except AssertionError as error:
            wrong.append(f"step {step.method} {step.path}: {error}, not {step.status}")
        except CouldNotLook as error:
            blind.append(str(error))
    if wrong:
        return wrong[0]
    if blind:
        raise CouldNotLook(blind[0])
    raise AssertionError(f"{len(journey.steps)} steps of the journey, as {saved['customer']}")


async def _take(step: Step, base: str, saved: dict[str, str], ask: Ask) -> None:
    """One step. Raises as a look does; does nothing where it undoes what never came to be."""
    try:
        request = _request(step, base, saved)
    except _Unsaved as error:
        if step.undo:
            return
        raise AssertionError(str(error)) from None
    answer = await ask(request)
    http.answers(step.status)(answer)
    saved.update(_saved(step, answer))


def _request(step: Step, base: str, saved: Mapping[str, str]) -> Request:
    body = None if step.json_body is None else json.dumps(_filled(step.json_body, saved))
    headers = tuple((name, _filled(value, saved)) for name, value in step.headers.items())
    return Request(step.method, f"{base}{_filled(step.path, saved)}", headers, body)


def _filled(value: Any, saved: Mapping[str, str]) -> Any:
    """What is saved put in the place of its name; a text that is only a name takes its type."""
    if isinstance(value, str):
        try:
            return value.format_map(saved)
        except (KeyError, IndexError, ValueError) as error:
            raise _Unsaved(f"nothing was saved as {error}") from None
    if isinstance(value, dict):
        return {key: _filled(one, saved) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, saved) for one in value]
    return value


def _saved(step: Step, answer: Exchange) -> dict[str, str]:
    if not step.save:
        return {}
    try:
        body = json.loads(answer.body)
        return {name: str(body[key]) for name, key in step.save.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise AssertionError(f"{answer}: has no {error}") from None
