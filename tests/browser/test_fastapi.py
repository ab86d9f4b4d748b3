"""The page of the FastAPI demo in Debian's Chromium, at a desk's and at a phone's width."""

import pytest

from tests.browser.conftest import WIDTHS, Browser, start_chromium
from tests.browser.test_page import CONTRAST, EDGE_CONTRAST, EDGELESS, FAINT, play_on_from
from tests.test_demo_fastapi import running_demo

pytestmark = pytest.mark.browser

SIDES = ("with", "without")


@pytest.fixture(scope="module")
def demo():
    with running_demo() as demo:
        yield demo


@pytest.fixture(params=WIDTHS)
def browser(request, demo, tmp_path):
    driver = start_chromium(tmp_path / "profile", *WIDTHS[request.param])
    try:
        browser = Browser(driver, f"http://127.0.0.1:{demo.port}/")
        driver.get(browser.url)
        browser.wait_for("[...document.querySelectorAll('audio')].every((audio) => audio.readyState >= 1)")
        browser.wait_for("[...document.querySelectorAll('.probe')].every((probe) => probe.textContent)")
        yield browser
    finally:
        driver.quit()


def side(name, selector):
    return f"document.querySelector('[data-side={name}] {selector}')"


def test_jump_in_both_and_each_says_what_happened(browser):
    browser.click("#both")
    play_on_from(browser, side("with", "audio"), 45)
    browser.wait_for(side("without", ".said.bad"))
    assert browser.script(f"return {side('without', 'audio')}.currentTime") < 30
    said = browser.script(f"return {side('with', '.said.good')}.textContent")
    assert said.startswith("✓ Plays at 0:45 after ")
    assert said.endswith(" ms")
    assert browser.script(f"return {side('without', '.said')}.textContent") == (
        "✗ Still at 0:00: the server sends the file from its first byte")


@pytest.mark.parametrize("name", SIDES)
def test_jump_of_one_side_leaves_the_other_alone(browser, name):
    browser.click(f"[data-side={name}] button")
    browser.wait_for(f"{side(name, '.said')}.className !== 'said'")
    other, = {*SIDES} - {name}
    assert browser.script(f"return [{side(other, 'audio')}.paused, {side(other, '.said')}.textContent]") == [
        True, "Not tried yet."]


def test_probe_is_asked_of_both(browser):
    assert [browser.script(f"return {side(name, '.probe')}.textContent") for name in SIDES] == [
        "The server answers “Range: bytes=0-1” with 206 and 2 bytes. ✓ Safari plays it.",
        "The server answers “Range: bytes=0-1” with 200 and 480,044 bytes. ✗ Safari refuses to play it."]


def test_players_are_side_by_side_at_the_top(browser):
    left, right = (browser.script(f"return {side(name, 'audio')}.getBoundingClientRect()") for name in SIDES)
    assert left["top"] == pytest.approx(right["top"], abs=1)
    assert left["right"] < right["left"]
    assert left["bottom"] < browser.script("return innerHeight") / 2


def test_each_line_is_copied(browser):
    browser.driver.execute_cdp_cmd("Browser.grantPermissions", {
        "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"], "origin": browser.url})
    lines = browser.script("return [...document.querySelectorAll('pre')].map((line) => line.textContent)")
    buttons = browser.driver.find_elements("css selector", ".code button")
    assert len(lines) == len(buttons) == 5
    for line, button in zip(lines, buttons, strict=True):
        assert button.get_attribute("aria-label") == f"Copy: {line}"
        browser.script("arguments[0].scrollIntoView({block: 'center'})", button)
        button.click()
        browser.wait_for("document.querySelector('.code :focus').textContent === 'Copied'")
        assert browser.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])") == line
    browser.wait_for("[...document.querySelectorAll('.code button')].every((button) => button.textContent === 'Copy')")


def test_line_is_selected_where_there_is_no_clipboard(browser):
    browser.script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    browser.click(".code button")
    browser.wait_for("document.querySelector('.code button').textContent === 'Selected'")
    assert browser.script("return getSelection().toString()") == browser.find(".code pre").text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_and_is_readable_in_light_and_dark(browser, scheme):
    browser.set_media("prefers-color-scheme", scheme)
    browser.click("#both")
    browser.wait_for(f"{side('with', '.said.good')} && {side('without', '.said.bad')}")
    ground = browser.script("return getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)")
    assert (sum(ground) > 600) == (scheme == "light")
    assert browser.script(FAINT, CONTRAST) == []
    assert browser.script(EDGELESS, EDGE_CONTRAST) == []
    ends = "[...document.querySelectorAll('main *')].map((e) => e.getBoundingClientRect().right)"
    assert browser.script(f"return Math.max(...{ends}) - innerWidth") <= 0
    assert browser.script("return document.documentElement.scrollWidth - innerWidth") <= 0


def test_console_is_quiet_and_no_request_leaves_the_demo(browser):
    browser.click("#both")
    play_on_from(browser, side("with", "audio"), 45)
    assert [entry for entry in browser.complaints() if entry["level"] in ("SEVERE", "WARNING")] == []
    assert [url for url in browser.requested() if not url.startswith((browser.url, "data:"))] == []
