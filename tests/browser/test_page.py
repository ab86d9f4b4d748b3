"""The demo's page in Debian's Chromium, at a desk's and at a phone's width: player, strips, inspector."""

import pytest

pytestmark = pytest.mark.browser

PLAYER = "document.querySelector('video')"
FILM_LENGTH = "Number(document.querySelector('.video').dataset.completeLength)"
TONES = "document.querySelector('audio')"
ANSWERED = "!document.getElementById('answers').hidden && document.getElementById('note').textContent"


def play_on_from(browser, player, seconds):
    """Wait until the player has moved a second past this moment."""
    browser.wait_for(f"!{player}.seeking && !{player}.paused && {player}.currentTime >= {seconds + 1}")
    assert browser.script(f"return {player}.error") is None


def ask(browser, name="clock.mp4", method="GET", **fields):
    """Fill the inspector's form as a reader does, send it, and wait for both answers."""
    browser.click("#question [type=reset]")
    for selector, value in (("[name=file]", name), ("[name=method]", method)):
        browser.type_choice(f"#question {selector}", value)
    for field, value in fields.items():
        browser.type(f"#field-{field.replace('_', '-')}", value)
    browser.click("#question [type=submit]")
    return browser.wait_for(ANSWERED)


def text_of(browser, mount, selector):
    return browser.script("return [...document.querySelectorAll(`[data-mount=${arguments[0]}] ${arguments[1]}`)]"
                          ".map((e) => e.textContent)", mount, selector)


def test_film_plays_and_plays_on_after_a_seek_to_its_middle(browser):
    browser.script(f"{PLAYER}.play()")
    play_on_from(browser, PLAYER, 0)
    browser.click(".video [data-jump='0.5']")
    play_on_from(browser, PLAYER, 45)
    assert 46 <= browser.script(f"return {PLAYER}.currentTime") < 60


def test_seek_is_painted_on_the_strip(browser):
    complete_length = browser.script(f"return {FILM_LENGTH}")
    browser.click("#wipe")
    browser.click(".video [data-jump='0.75']")
    browser.wait_for("document.querySelector('.video .strip i')")
    beyond = [segment for segment in browser.segments("clock.mp4") if segment[1] > complete_length / 3]
    assert beyond, browser.segments("clock.mp4")
    kind, first_pos, last_pos = beyond[-1]
    assert kind == "one"
    assert complete_length / 2 < first_pos < complete_length * 0.85
    assert last_pos == complete_length - 1
    box = browser.script("const i = [...document.querySelectorAll('.video .strip i')].at(-1), s = i.parentElement;"
                         "const [a, b] = [i, s].map((e) => e.getBoundingClientRect());"
                         "return [(a.left - b.left) / b.width, a.width / b.width]")
    assert box[0] == pytest.approx(first_pos / complete_length, abs=0.01)
    assert box[1] == pytest.approx(1 - first_pos / complete_length, abs=0.02)
    assert "206" in browser.find(".video .last").text
    assert "206" in browser.find(".video .strip").get_attribute("aria-label")


def test_tones_seek(browser):
    browser.script(f"{TONES}.play()")
    play_on_from(browser, TONES, 0)
    browser.click(".audio [data-jump='0.75']")
    play_on_from(browser, TONES, 45)


def test_pieces_and_the_whole_are_painted_each_in_its_kind(browser):
    browser.click("#wipe")
    browser.click("[data-file='big.bin'] [data-take='5']")
    browser.wait_for("document.querySelectorAll('[data-file=\"big.bin\"] .strip i.many').length === 5")
    ends = browser.segments("big.bin")
    assert all(0 <= first_pos <= last_pos < 1 << 30 for _, first_pos, last_pos in ends)
    browser.script("fetch('files/lines.txt', {cache: 'no-store'})")
    browser.wait_for("document.querySelector('[data-file=\"lines.txt\"] .strip i.whole')")
    assert browser.segments("lines.txt") == [("whole", 0, 639_999)]


def test_tiny_range_is_still_seen(browser):
    browser.click("#wipe")
    browser.script("fetch('files/big.bin', {headers: {Range: 'bytes=1073741823-'}, cache: 'no-store'})")
    browser.wait_for("document.querySelector('[data-file=\"big.bin\"] .strip i')")
    width, overhang = browser.script(
        "const [a, b] = [document.querySelector('[data-file=\"big.bin\"] .strip i'),"
        " document.querySelector('[data-file=\"big.bin\"] .strip')].map((e) => e.getBoundingClientRect());"
        "return [a.width, a.right - b.right]")
    assert width >= 2
    assert overhang <= 0.5


def test_command_is_copied(browser):
    browser.driver.execute_cdp_cmd("Browser.grantPermissions", {
        "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"], "origin": browser.url})
    browser.click("[data-file='big.bin'] [data-copy]")
    browser.wait_for("document.querySelector('[data-file=\"big.bin\"] [data-copy]').textContent === 'Copied'")
    command = f"rangeware get {browser.url}files/big.bin"
    assert browser.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])") == command
    assert browser.script("return document.getElementById('said').textContent") == f"Copied: {command}"
    browser.wait_for("document.querySelector('[data-file=\"big.bin\"] [data-copy]').textContent === 'Copy'")


def test_command_is_selected_where_there_is_no_clipboard(browser):
    browser.script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    browser.click("[data-file='lines.txt'] [data-copy]")
    browser.wait_for("document.querySelector('[data-file=\"lines.txt\"] [data-copy]').textContent === 'Selected'")
    assert browser.script("return getSelection().toString().trim()") == f"rangeware get {browser.url}files/lines.txt"


def test_two_ranges_in_the_inspector(browser):
    note = ask(browser, Range="bytes=0-9,20-29")
    assert note == "206 Partial Content with rangeware, 416 REQUESTED RANGE NOT SATISFIABLE from Flask alone."
    complete_length = browser.script(f"return {FILM_LENGTH}")
    assert text_of(browser, "rangeware", ".status") == ["HTTP/1.1 206 Partial Content"]
    parts = text_of(browser, "rangeware", ".part .lines")
    assert len(parts) == 2
    for part, positions in zip(parts, ("0-9", "20-29"), strict=True):
        assert f"Content-Range: bytes {positions}/{complete_length}" in part
    assert "ftyp" in text_of(browser, "rangeware", ".part .bytes")[0]
    assert text_of(browser, "rangeware", ".reason") == ["the ranges asked for"]
    assert text_of(browser, "plain", ".status")[0].startswith("HTTP/1.1 416 ")
    assert text_of(browser, "plain", ".part") == []


def test_unsatisfiable_range_in_the_inspector(browser):
    browser.click("#question [type=reset]")
    browser.type_choice("#question [name=file]", "generated.txt")
    browser.click("[data-fill='Range'][data-value='beyond']")
    browser.click("#question [type=submit]")
    browser.wait_for(ANSWERED)
    assert text_of(browser, "rangeware", ".status") == ["HTTP/1.1 416 Range Not Satisfiable"]
    assert "Content-Range: bytes */2097152" in text_of(browser, "rangeware", ".lines > div")
    assert text_of(browser, "rangeware", ".reason") == ["no range asked for lies within the representation"]
    assert text_of(browser, "plain", ".status") == ["HTTP/1.1 200 OK"]
    browser.wait_for("document.querySelector('[data-file=\"generated.txt\"] .counts [data-status=\"416\"]')")


def test_current_and_stale_entity_tags_in_the_inspector(browser):
    browser.click("#question [type=reset]")
    browser.type("#field-Range", "bytes=0-31")
    browser.click("[data-fill='If-Range'][data-value='etag']")
    browser.wait_for("document.getElementById('field-If-Range').value.startsWith('\"')")
    browser.click("#question [type=submit]")
    assert browser.wait_for(ANSWERED).startswith("206 ")
    browser.click("[data-fill='If-Range'][data-value='\"stale\"']")
    browser.click("#question [type=submit]")
    browser.wait_for(f"({ANSWERED} || '').startsWith('200 ')")
    assert text_of(browser, "rangeware", ".reason") == ["If-Range does not hold"]


def test_field_that_cannot_be_sent_gets_a_message(browser):
    browser.click("#question [type=reset]")
    browser.script("document.getElementById('field-Range').value = 'x'.repeat(5000)")
    browser.click("#question [type=submit]")
    browser.wait_for("document.querySelector('#note.bad')")
    assert "5000 characters" in browser.find("#note").text
    assert browser.script("return document.getElementById('answers').hidden")


def test_page_fits_its_width_and_every_control_has_a_name(browser):
    ask(browser, Range="bytes=0-9,20-29", If_None_Match='"' + "x" * 300 + '"')
    browser.script("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert browser.script("return document.documentElement.scrollWidth - innerWidth") <= 0
    nameless = browser.script(
        "return [...document.querySelectorAll('input, select, button, a[href], video, audio, .strip')].filter((e) =>"
        " !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim())).map((e) => e.outerHTML)")
    assert nameless == []


def test_console_is_quiet_and_no_request_leaves_the_demo(browser):
    browser.script(f"{PLAYER}.play()")
    browser.click(".video [data-jump='0.5']")
    play_on_from(browser, PLAYER, 45)
    ask(browser, Range="bytes=0-9,20-29")
    assert [entry for entry in browser.complaints() if entry["level"] in ("SEVERE", "WARNING")] == []
    urls = browser.requested()
    assert any("/files/clock.mp4" in url for url in urls)
    inline = "data:"  # the icons of the browser's own media controls; nothing is fetched for them
    assert [url for url in urls if not url.startswith((browser.url, inline))] == []
    entries = browser.script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert entries
    assert [url for url in entries if not url.startswith(browser.url)] == []
