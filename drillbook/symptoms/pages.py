"""What a person sees on a page of Prometheus or Grafana, in a real browser; a picture is kept.

A status code proves nothing here: Debian's Prometheus answers 200 at `/targets`, on a page that
says there is no such page. So it is the words on the page that count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Browser, Error

from drillbook.looking import CouldNotLook, Look

PAGE_DEADLINE_MS = 10_000
SHOWN = 300
BEGIN = 110
# Where Prometheus' pages are: as everyone's, and as in Debian's package, which has the older ones.
TARGETS = ("/targets", "/classic/targets")
GRAPH = ("/graph?g0.expr={query}&g0.tab=1", "/classic/graph?g0.expr={query}&g0.tab=1")


@dataclass(frozen=True)
class Page:
    """A page as it was seen."""

    url: str
    words: str
    picture: bytes


def opened(browser: Browser, url: str) -> Page:
    """Open a page, wait until it has settled, read its words. Raises CouldNotLook if it fails."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(PAGE_DEADLINE_MS)
    try:
        page.goto(url, wait_until="networkidle")
        words = page.locator("body").inner_text()
        picture = page.screenshot(full_page=True)
    except Error as error:
        raise CouldNotLook(f"{url}: {error.message.splitlines()[0]}") from error
    finally:
        page.close()
    return Page(url, words, picture)


def shows(browser: Browser, url: str, pattern: str, picture: Path | None = None) -> Look:
    """A page's words match a pattern."""
    return one_of(browser, [url], pattern, picture)


def one_of(browser: Browser, urls: list[str], pattern: str, picture: Path | None = None) -> Look:
    """The words of one of some pages match a pattern; a picture of that one is kept."""
    wanted = re.compile(pattern, re.IGNORECASE)

    def look() -> str:
        told = []
        for url in urls:
            seen = opened(browser, url)
            found = wanted.search(seen.words)
            if found:
                return f"{url}: {_line(seen.words, found)}{_keep(seen, picture)}"
            told.append(f"{url}: {' '.join(seen.words.split())[:SHOWN] or 'an empty page'}")
        raise AssertionError("\n".join(told))

    return Look(f"{urls[0]} shows /{pattern}/", look)


def target_is(browser: Browser, prometheus: str, address: str, state: str, picture: Path) -> Look:
    """Prometheus' page of targets shows one as UP or DOWN."""
    pattern = rf"{re.escape(address)}\S*\s+(?:\S+=\S+\s+)*{state}\b"
    return one_of(browser, [prometheus + path for path in TARGETS], pattern, picture)


def queried(browser: Browser, prometheus: str, query: str, pattern: str, picture: Path) -> Look:
    """A query typed at Prometheus' own page shows what matches a pattern."""
    urls = [prometheus + path.format(query=quote(query, safe="")) for path in GRAPH]
    return one_of(browser, urls, pattern, picture)


def begins(browser: Browser, url: str) -> str:
    """The first words of a page, for the record. Raises CouldNotLook where it does not open."""
    return " ".join(opened(browser, url).words.split())[:BEGIN]


def unreachable(browser: Browser, url: str) -> Look:
    """A page cannot be opened at all."""

    def look() -> str:
        try:
            seen = opened(browser, url)
        except CouldNotLook as error:
            return str(error)
        raise AssertionError(f"{url} opens: {' '.join(seen.words.split())[:SHOWN]}")

    return Look(f"{url} does not open", look)


def _keep(seen: Page, picture: Path | None) -> str:
    """Keep the picture of a page that showed what was wanted; a later one without it does not."""
    if picture is None:
        return ""
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(seen.picture)
    return f" (picture: {picture.name})"


def _line(words: str, found: re.Match[str]) -> str:
    start = words.rfind("\n", 0, found.start()) + 1
    end = words.find("\n", found.end())
    return " ".join(words[start : end if end >= 0 else None].split())[:SHOWN]
