"""The status page as a person sees it: in a real browser that runs no script, light and dark."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from drillbook.machine import ready as machine
from drillbook.symptoms import browser as browsers
from probes.history import SLOT_S, History, Slot
from probes.page import bars, share
from tests.probe_target import FakeTarget, open_target, write
from tests.test_probes_main import Prober

WIDE, NARROW = 1200, 390
CONTRAST = 4.5  # of text to what is behind it, as WCAG 2 wants it (AA)


# --- bars ----------------------------------------------------------------------------------------
def test_slots_are_put_together_to_bars_of_equal_width() -> None:
    slots = [Slot(0, 5, 0, 0), Slot(900, 4, 1, 0), Slot(1800, 0, 0, 3), Slot(9000, 1, 0, 0)]
    made = bars(slots, 0, 5399, 2 * SLOT_S)
    assert [(one.up, one.down, one.unknown) for one in made] == [(9, 1, 0), (0, 0, 3), (0, 0, 0)]
    assert [one.word for one in made] == ["down", "unknown", "none"]
    assert share(made) == "90.00 %"


def test_a_share_is_not_rounded_up_to_all_of_it() -> None:
    assert share(bars([Slot(0, 999_999, 1, 0)], 0, 1, 900)) == "99.99 %"
    assert share(bars([Slot(0, 10, 0, 0)], 0, 1, 900)) == "100 %"
    assert share(bars([Slot(0, 0, 0, 5)], 0, 1, 900)) == "no data"


# --- in the browser ------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsers.launched(machine.chromium(print)) as launched:
        yield launched


@pytest.fixture(scope="module")
def prober(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prober, FakeTarget]]:
    folder = tmp_path_factory.mktemp("page")
    with open_target() as target:
        history = History(folder / "history.db", keep_days=31, say=print)
        slot = int(time.time() // SLOT_S - 40) * SLOT_S
        history._db.execute("INSERT INTO slots VALUES ('fake', 'latency', ?, 13, 2, 0)", (slot,))
        history._db.commit()
        history.close()
        target.health, target.status = 503, 500
        target.body = "<script>document.title = 'run'</script><b>bold</b>"
        running = Prober(write(folder, target, "[limits]\nper_second = 500\n"), folder)
        running.until("/targets/fake", "still open")
        yield running, target
        running.end()


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def opened(browser: Browser, url: str, scheme: str, width: int = WIDE) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
        java_script_enabled=False,
    )
    page = context.new_page()
    page.goto(url)
    return page


@pytest.mark.stack
def test_a_person_is_led_from_red_to_the_entry_by_links_alone(
    browser: Browser, prober: tuple[Prober, FakeTarget], scheme: str
) -> None:
    page = opened(browser, prober[0].url, scheme)
    page.get_by_role("link", name="fake").click()
    assert page.get_by_text("still open").is_visible()
    assert "Unproven" in page.locator("section.probe.down").inner_text()
    page.locator(".banner").get_by_role("link", name="3.1 Database connection failed").click()
    assert page.get_by_role("heading", name="Resolution steps").is_visible()
    assert "docker compose ps -a db" in page.locator("main").inner_text()
    page.context.close()


@pytest.mark.stack
def test_the_page_shows_now_a_day_and_a_month(
    browser: Browser, prober: tuple[Prober, FakeTarget], scheme: str
) -> None:
    page = opened(browser, f"{prober[0].url}/targets/fake", scheme)
    latency = page.locator("section.probe", has_text="latency")
    day, month = latency.locator(".bar").all()
    assert day.locator("i").count() in (48, 49)
    assert month.locator("i").count() in (30, 31)
    assert day.locator("i.down").count() == month.locator("i.down").count() == 1
    assert "2 down" in str(day.locator("i.down").get_attribute("title"))
    assert page.locator("section.probe.unknown").count() >= 3
    page.context.close()


@pytest.mark.stack
def test_nothing_that_a_target_says_becomes_markup(
    browser: Browser, prober: tuple[Prober, FakeTarget]
) -> None:
    page = opened(browser, f"{prober[0].url}/targets/fake", "light")
    assert page.locator("b", has_text="bold").count() == 0
    assert "<b>bold</b>" in page.locator("main").inner_text()
    page.context.close()


@pytest.mark.stack
@pytest.mark.parametrize("path", ["/", "/targets/fake", "/entries/3.1"])
def test_a_phone_shows_all_of_it_and_every_text_can_be_read(
    browser: Browser, prober: tuple[Prober, FakeTarget], scheme: str, path: str
) -> None:
    context = browser.new_context(
        viewport={"width": NARROW, "height": 800},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = context.new_page()
    page.goto(prober[0].url + path)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    dark = page.evaluate(LUMINANCE_OF_BODY) < 0.2
    assert dark == (scheme == "dark")
    faint = {words: ratio for words, ratio in page.evaluate(CONTRASTS) if ratio < CONTRAST}
    assert not faint
    context.close()


LUMINANCE = """
const channels = color => color.match(/[\\d.]+/g).slice(0, 3).map(Number);
const luminance = color => {
  const [r, g, b] = channels(color).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
"""
LUMINANCE_OF_BODY = (
    "() => {" + LUMINANCE + "return luminance(getComputedStyle(document.body).backgroundColor) }"
)
CONTRASTS = (
    "() => {"
    + LUMINANCE
    + """
const behind = node => {
  for (; node; node = node.parentElement) {
    const color = getComputedStyle(node).backgroundColor;
    if (!/, 0\\)$|transparent/.test(color)) return color;
  }
  return 'rgb(255, 255, 255)';
};
const texts = [...document.querySelectorAll('body *')].filter(node =>
  [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim()));
return texts.map(node => {
  const [a, b] = [getComputedStyle(node).color, behind(node)].map(luminance);
  return [node.textContent.trim().slice(0, 60), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
});
}"""
)
