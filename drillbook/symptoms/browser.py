"""What a person sees in a real browser: its console, what it blocked, its network panel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, Error, Page, sync_playwright

from drillbook.looking import CouldNotLook, Look
from drillbook.machine import environment

PAGE_DEADLINE_MS = 10_000
FLAGS = [
    "--no-sandbox",  # inside a container, and as root, Chromium has no other way
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
]


@contextmanager
def launched(executable: str) -> Iterator[Browser]:
    """A headless Chromium, from its path. Raises playwright's Error where it does not start."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=FLAGS, env={**environment.plain()}
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """What came of a page that asked the API for something, as its developer tools show it."""

    console: list[str] = field(default_factory=list)
    outcome: str = ""
    origin_sent: str | None = None
    origin_allowed: str | None = None


def visit(browser: Browser, origin: str, api: str) -> Visit:
    """Open the front end on ``origin`` and let it fetch ``api``, as its script would."""
    page = browser.new_page()
    page.set_default_timeout(PAGE_DEADLINE_MS)
    seen = Visit()
    page.on("console", lambda message: seen.console.append(f"{message.type}: {message.text}"))
    try:
        page.goto(origin)
        _watch_network(page, seen)
        seen.outcome = _fetch(page, api)
    finally:
        page.close()
    return seen


def _watch_network(page: Page, seen: Visit) -> None:
    """Note the headers as they went over the wire: a blocked answer's too, as the tools do."""
    tools = page.context.new_cdp_session(page)

    def sent(event: dict[str, Any]) -> None:
        seen.origin_sent = _header(event, "origin") or seen.origin_sent

    def answered(event: dict[str, Any]) -> None:
        seen.origin_allowed = _header(event, "access-control-allow-origin")

    tools.on("Network.requestWillBeSentExtraInfo", sent)
    tools.on("Network.responseReceivedExtraInfo", answered)
    tools.send("Network.enable")


def _header(event: dict[str, Any], name: str) -> str | None:
    headers: dict[str, str] = event["headers"]
    return next((value for key, value in headers.items() if key.lower() == name), None)


def _fetch(page: Page, api: str) -> str:
    script = "url => fetch(url).then(a => 'HTTP ' + a.status).catch(e => e.name + ': ' + e.message)"
    try:
        return str(page.evaluate(script, api))
    except Error as error:
        raise CouldNotLook(f"the page could not run its script: {error}") from error


def console_says(browser: Browser, origin: str, api: str, pattern: str) -> Look:
    """The browser's console shows a message that matches a pattern."""

    def look() -> str:
        seen = visit(browser, origin, api)
        for message in seen.console:
            if re.search(pattern, message):
                return message
        raise AssertionError(f"console: {seen.console or 'empty'}; fetch: {seen.outcome}")

    return Look(f"the console of a page on {origin} says /{pattern}/", look)


def blocked(browser: Browser, origin: str, api: str) -> Look:
    """The browser does not let the page have the answer."""

    def look() -> str:
        seen = visit(browser, origin, api)
        assert "Failed to fetch" in seen.outcome, f"fetch: {seen.outcome}"
        return f"fetch of {api} from {origin}: {seen.outcome}"

    return Look(f"a page on {origin} may not read {api}", look)


def origins(browser: Browser, origin: str, api: str, *, allowed: str | None) -> Look:
    """The network panel: the Origin that was sent, and the one that the answer allows."""

    def look() -> str:
        seen = visit(browser, origin, api)
        told = f"Origin: {seen.origin_sent}; Access-Control-Allow-Origin: {seen.origin_allowed}"
        assert seen.origin_sent == origin, told
        assert seen.origin_allowed == allowed, told
        return told

    return Look(f"request from {origin}, allowed: {allowed or 'none'}", look)
