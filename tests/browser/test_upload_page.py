"""The upload page in Debian's Chromium: pause, reload, a server that is killed, players, and two users."""

import contextlib
import json
import random
import time
from pathlib import Path

import pytest

from demo_flask.uploads import USERS
from tests.browser.conftest import WIDTHS, Browser, start_chromium
from tests.browser.demo import ROOT, Demo, free_port, kill, start, stop, wait_until_it_answers
from tests.browser.test_page import CONTRAST, EDGE_CONTRAST, EDGELESS, FAINT

pytestmark = pytest.mark.browser

FILM = ROOT / "demo_flask" / "media" / "clock.mp4"
LENGTH = 3 << 20
CARDS = "[...document.querySelectorAll('#uploads > li')]"
OFFSETS = "fetch('/uploads/list').then((a) => a.json()).then((a) => arguments[0](a.uploads.map((u) => u.offset)))"


class Site:
    """A demo that can be killed and started again, with the same data and at the same port."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._port = free_port()
        self.start()

    def start(self) -> None:
        self.demo = Demo(start(self._port, "--data", str(self._data)), self._port)
        wait_until_it_answers(self.demo)

    def kill(self) -> None:
        kill(self.demo.process)


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path / "data")
    try:
        yield site
    finally:
        if site.demo.process.poll() is None:
            stop(site.demo.process)


@contextlib.contextmanager
def opened(site, profile, size):
    """A browser that is at the login form."""
    driver = start_chromium(profile, *size)
    try:
        browser = Browser(driver, site.demo.url)
        driver.get(f"{site.demo.url}uploads")
        yield browser
    finally:
        driver.quit()


@pytest.fixture(params=WIDTHS)
def browser(request, site, tmp_path):
    with opened(site, tmp_path / "profile", WIDTHS[request.param]) as browser:
        log_in(browser, "ada")
        yield browser


def log_in(browser, name):
    browser.type("[name=name]", name)
    browser.type("[name=password]", USERS[name])
    browser.click(".login [type=submit]")
    browser.wait_for("document.getElementById('uploads')")
    browser.wait_for("!document.getElementById('none').hidden || document.querySelector('#uploads > li')")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "käse & brot.bin"
    path.write_bytes(random.Random(7).randbytes(LENGTH))
    return path


def choose(browser, path):
    browser.find("#files").send_keys(str(path))


def press(browser, action):
    browser.wait_for(f"document.querySelector('#uploads [data-do={action}]:not([hidden])')")
    browser.click(f"#uploads [data-do={action}]:not([hidden])")


def wait_for_state(browser, state, seconds=30):
    browser.wait_for(f"document.querySelector('#uploads > li')?.dataset.state === '{state}'", seconds)


def wait_until_some_is_there(browser, share=0.15):
    browser.wait_for(f"document.querySelector('#uploads progress')?.value >= {100 * share}")


def painted(browser):
    """The share of the strip's area that is filled."""
    return browser.script("const [a, b] = ['#uploads .strip i', '#uploads .strip'].map((selector) =>"
                          " document.querySelector(selector).getBoundingClientRect());"
                          " return a.width * a.height / (b.width * b.height)")


def offsets(browser):
    return browser.driver.execute_async_script(OFFSETS)


def stored(site, browser):
    """The content of the one file that the user has."""
    url = browser.script("return document.querySelector('#uploads a[download]').pathname")
    cookies = "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in browser.driver.get_cookies())
    with contextlib.closing(site.demo.connect()) as connection:
        connection.request("GET", url, headers={"Cookie": cookies})
        return connection.getresponse().read()


def severe(browser):
    return [entry for entry in browser.complaints() if entry["level"] in ("SEVERE", "WARNING")]


def fast(browser):
    browser.click("#slow")


def test_upload_is_paused_and_goes_on(browser, site, path):
    choose(browser, path)
    wait_until_some_is_there(browser)
    press(browser, "pause")
    wait_for_state(browser, "paused")
    time.sleep(1)
    [before] = offsets(browser)
    time.sleep(1)
    assert offsets(browser) == [before]
    assert 0 < before < LENGTH
    assert painted(browser) == pytest.approx(before / LENGTH, abs=0.01)
    assert "Paused" in browser.find("#uploads .last").text
    assert browser.script("return document.activeElement.dataset.do") == "resume"
    fast(browser)
    press(browser, "resume")
    wait_for_state(browser, "done")
    assert offsets(browser) == [LENGTH]
    assert stored(site, browser) == path.read_bytes()
    assert "Uploaded" in browser.script("return document.getElementById('said').textContent")
    assert severe(browser) == []


def test_upload_goes_on_after_a_reload(browser, site, path):
    choose(browser, path)
    wait_until_some_is_there(browser)
    browser.driver.refresh()
    wait_for_state(browser, "stopped")
    [before] = offsets(browser)
    assert 0 < before < LENGTH
    assert painted(browser) == pytest.approx(before / LENGTH, abs=0.01)
    assert "Choose the same file again" in browser.find("#uploads .last").text
    browser.requested()
    fast(browser)
    choose(browser, path)
    wait_for_state(browser, "done")
    assert len(offsets(browser)) == 1
    assert stored(site, browser) == path.read_bytes()
    assert [url for url in browser.requested() if url.endswith("/uploads/files/")] == []  # no other one was created
    assert severe(browser) == []


def test_upload_goes_on_by_itself_after_the_server_is_killed(browser, site, path):
    choose(browser, path)
    wait_until_some_is_there(browser)
    site.kill()
    wait_for_state(browser, "waiting")
    assert "does not answer" in browser.find("#uploads .last").text
    time.sleep(2)
    site.start()
    wait_for_state(browser, "done")
    assert stored(site, browser) == path.read_bytes()
    assert browser.find(".who").text == "Logged in as ada"
    browser.driver.refresh()
    wait_for_state(browser, "done")


def test_finished_film_plays_and_seeks(browser):
    fast(browser)
    choose(browser, FILM)
    wait_for_state(browser, "done")
    player = "document.querySelector('#uploads video')"
    browser.wait_for(f"{player}?.readyState >= 1")
    browser.script(f"{player}.play()")
    browser.wait_for(f"{player}.currentTime > 1")
    browser.script(f"{player}.currentTime = 60")
    browser.wait_for(f"!{player}.seeking && {player}.currentTime > 61")
    messages = [json.loads(entry["message"])["message"] for entry in browser.driver.get_log("performance")]
    answers = [message["params"]["response"] for message in messages if message["method"] == "Network.responseReceived"]
    assert 206 in [answer["status"] for answer in answers if "/uploads/files/" in answer["url"]]
    assert browser.find("#uploads a[download]").get_attribute("download") == "clock.mp4"
    choose(browser, FILM)  # again: nothing is sent
    wait_for_state(browser, "done")
    assert offsets(browser) == [FILM.stat().st_size]
    assert browser.script("return document.querySelectorAll('#uploads video').length") == 1
    assert severe(browser) == []


def test_file_is_removed(browser, path):
    fast(browser)
    choose(browser, path)
    wait_for_state(browser, "done")
    press(browser, "remove")
    browser.driver.switch_to.alert.accept()
    browser.wait_for("!document.querySelector('#uploads > li') && !document.getElementById('none').hidden")
    assert offsets(browser) == []
    assert browser.script("return document.activeElement.id") == "files"
    assert severe(browser) == []


def test_file_is_dropped(browser):
    fast(browser)
    browser.script("""
        const data = new DataTransfer();
        data.items.add(new File(["dropped"], "a.txt", {type: "text/plain"}));
        data.items.add(new File([], "empty.txt", {type: "text/plain"}));
        document.getElementById("drop").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
    """)
    browser.wait_for(f"{CARDS}.length === 2 && {CARDS}.every((card) => card.dataset.state === 'done')")
    assert sorted(offsets(browser)) == [0, 7]
    assert severe(browser) == []


def test_two_users_do_not_see_each_others_files(browser, site, path, tmp_path):
    fast(browser)
    choose(browser, path)
    wait_for_state(browser, "done")
    url = browser.script("return document.querySelector('#uploads a[download]').href")
    with opened(site, tmp_path / "other", WIDTHS["desk"]) as other:
        log_in(other, "grace")
        assert offsets(other) == []
        assert other.script(f"return {CARDS}.length") == 0
        status = "fetch(arguments[0]).then((answer) => arguments[1](answer.status))"
        assert other.driver.execute_async_script(status, url) == 404


def test_wrong_password_is_told(site, tmp_path):
    with opened(site, tmp_path / "profile", WIDTHS["phone"]) as browser:
        browser.type("[name=name]", "ada")
        browser.type("[name=password]", "hopper")
        browser.click(".login [type=submit]")
        browser.wait_for("document.querySelector('[role=alert]')")
        assert browser.script("return document.documentElement.scrollWidth - innerWidth") <= 0


def test_page_fits_its_width_and_every_control_has_a_name(browser, path, tmp_path):
    long = tmp_path / ("x" * 120 + ".bin")
    long.write_bytes(bytes(500_000))
    choose(browser, path)
    choose(browser, long)
    wait_until_some_is_there(browser, 0.5)
    assert browser.script("return document.documentElement.scrollWidth - innerWidth") <= 0
    nameless = browser.script(
        "return [...document.querySelectorAll('input, button, a[href], video, progress')].filter((e) =>"
        " !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim())).map((e) => e.outerHTML)")
    assert nameless == []
    for scheme in ("light", "dark"):
        browser.set_media("prefers-color-scheme", scheme)
        assert browser.script(FAINT, CONTRAST) == []
        assert browser.script(EDGELESS, EDGE_CONTRAST) == []
    assert [url for url in browser.requested() if not url.startswith(browser.url)] == []
