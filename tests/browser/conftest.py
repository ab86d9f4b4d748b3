"""A real browser at two widths, and the demo it looks at."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .demo import Demo, running_demo

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver
    from selenium.webdriver.remote.webelement import WebElement

WIDTHS = {"desk": (1280, 900), "phone": (390, 844)}
CHROMIUM = "/usr/bin/chromium"
CHROMEDRIVER = "/usr/bin/chromedriver"
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


class Browser:
    """Chromium with the page open: scripts, clicks, and waits that end."""

    def __init__(self, driver: WebDriver, url: str) -> None:
        self.driver = driver
        self.url = url

    def script(self, text: str, *arguments: Any) -> Any:
        return self.driver.execute_script(text, *arguments)

    def wait_for(self, expression: str, seconds: float = 15) -> Any:
        """The first truthy value of a JavaScript expression."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if value := self.script(f"return {expression}"):
                return value
            time.sleep(0.05)
        raise AssertionError(f"after {seconds} s still false: {expression}")

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element("css selector", selector)

    def click(self, selector: str) -> None:
        element = self.find(selector)
        self.script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def set_media(self, name: str, value: str) -> None:
        """Set what a media query of this name finds, as ``prefers-color-scheme``."""
        features = [{"name": name, "value": value}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def type(self, selector: str, text: str) -> None:
        element = self.find(selector)
        element.clear()
        element.send_keys(text)

    def type_choice(self, selector: str, text: str) -> None:
        self.find(selector).send_keys(text)
        assert self.find(selector).get_attribute("value") == text

    def boxes(self, name: str, kind: str, mount: str = "rangeware") -> list[tuple[str, int, int]]:
        """What the strip of a file shows as "asked" or "sent": (colour, first_pos, last_pos), oldest first."""
        return [tuple(box) for box in self.script(
            "return [...document.querySelector(`[data-strip='${arguments[0]}']`).querySelectorAll(`.${arguments[1]}`)]"
            ".map((i) => [i.classList[1], Number(i.dataset.firstPos), Number(i.dataset.lastPos)])",
            f"{mount}:{name}", kind)]

    def complaints(self) -> list[dict[str, Any]]:
        """The messages in the browser's console since the last call."""
        entries: list[dict[str, Any]] = self.driver.get_log("browser")
        return entries

    def requested(self) -> list[str]:
        """The URLs of all requests of the page, as the network saw them; the browser's own pages do not count."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        requests = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
        return [request["request"]["url"] for request in requests if request["documentURL"].startswith(self.url)]


def start_chromium(profile: Path, width: int, height: int) -> WebDriver:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(service=webdriver.ChromeService(executable_path=CHROMEDRIVER), options=options)
    driver.set_script_timeout(20)
    driver.set_page_load_timeout(30)
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    return driver


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    with running_demo() as demo:
        yield demo


@pytest.fixture(params=WIDTHS)
def browser(request: pytest.FixtureRequest, demo: Demo, tmp_path: Path) -> Iterator[Browser]:
    """A fresh browser with the page open, and the length of both videos known."""
    driver = start_chromium(tmp_path / "profile", *WIDTHS[request.param])
    try:
        browser = Browser(driver, demo.url)
        driver.get(demo.url)
        browser.wait_for("[...document.querySelectorAll('video')].every((video) => video.readyState >= 1)")
        yield browser
    finally:
        driver.quit()
