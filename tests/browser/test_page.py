"""The demo's page in Debian's Chromium, at a desk's and at a phone's width: all that it has, used as readers use it."""

import pytest

from tests.browser.demo import ROOT

pytestmark = pytest.mark.browser

FILM_LENGTH = (ROOT / "demo_flask" / "media" / "clock.mp4").stat().st_size
TONES = "document.querySelector('audio')"
ANSWERED = "!document.getElementById('answers').hidden && document.getElementById('note').textContent"
MEASURED = "!document.getElementById('figures').hidden && !document.getElementById('measure').disabled"
MOUNTS = ("rangeware", "plain")
CONTRAST = 4.5  # WCAG 2.2, 1.4.3
EDGE_CONTRAST = 3  # 1.4.11
LEAST_SIZE = 24  # pixels, 2.5.8


def player(mount):
    return f"document.querySelector('[data-side={mount}] video')"


def verdict(mount):
    return f"document.querySelector('[data-side={mount}] .verdict')"


def play_on_from(browser, player, seconds):
    """Wait until the player has moved a second past this moment."""
    browser.wait_for(f"!{player}.seeking && !{player}.paused && {player}.currentTime >= {seconds + 1}")
    assert browser.script(f"return {player}.error") is None


def wipe(browser):
    """Clear the strips once the page has painted what happened before."""
    browser.wait_for("document.querySelector('[data-side=plain] .strip .sent')")
    browser.click("#wipe")


def unfold(browser, name):
    """Open the commands of a file, and on a phone its buttons too."""
    browser.click(f"[data-file='{name}'] [data-more]")
    browser.wait_for(f"!document.querySelector(\"[data-file='{name}'] .more\").hidden")


def ask(browser, name="clock.mp4", method="GET", **fields):
    """Fill the inspector's form as a reader does, send it, and wait for both answers."""
    browser.click("#question [type=reset]")
    browser.script("document.getElementById('more-fields').open = true")
    for selector, value in (("[name=file]", name), ("[name=method]", method)):
        browser.type_choice(f"#question {selector}", value)
    for field, value in fields.items():
        browser.type(f"#field-{field.replace('_', '-')}", value)
    browser.click("#question [type=submit]")
    return browser.wait_for(ANSWERED)


def text_of(browser, mount, selector):
    return browser.script("return [...document.querySelectorAll(`[data-mount=${arguments[0]}] ${arguments[1]}`)]"
                          ".map((e) => e.textContent)", mount, selector)


def try_preset(browser, label):
    button = browser.driver.find_element("xpath", f"//button[@data-preset][text()='{label}']")
    browser.script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    return browser.wait_for(ANSWERED)


# --- The two videos ---------------------------------------------------------------------------------------------------

def test_both_players_are_side_by_side_at_the_top(browser):
    left, right = (browser.script(f"return {player(mount)}.getBoundingClientRect()") for mount in MOUNTS)
    assert left["top"] == pytest.approx(right["top"], abs=1)
    assert left["right"] < right["left"]
    assert left["width"] == pytest.approx(right["width"], abs=1)
    assert max(left["bottom"], right["bottom"]) < browser.script("return innerHeight")
    button = browser.script("return document.getElementById('jump-both').getBoundingClientRect()")
    assert button["bottom"] < left["top"]


def test_one_button_jumps_in_both_and_each_says_what_happened(browser):
    browser.click("#jump-both")
    play_on_from(browser, player("rangeware"), 75)
    browser.wait_for(f"{verdict('plain')}.dataset.state")
    assert browser.script(f"return {player('rangeware')}.currentTime") < 90
    assert browser.script(f"return {player('plain')}.currentTime") < 60
    said = browser.script(f"return {verdict('rangeware')}.textContent")
    assert said.startswith("✓ Plays at 1:15 after ")
    assert said.endswith(" s")
    assert browser.script(f"return {verdict('plain')}.textContent") == (
        "✗ Still at 0:00: the server sent the file from its first byte")
    assert [browser.script(f"return {verdict(mount)}.dataset.state") for mount in MOUNTS] == ["good", "bad"]


@pytest.mark.parametrize(("mount", "state"), [("rangeware", "good"), ("plain", "bad")])
def test_button_of_one_side_leaves_the_other_alone(browser, mount, state):
    browser.click(f"[data-side={mount}] [data-seek]")
    browser.wait_for(f"{verdict(mount)}.dataset.state === '{state}'")
    other = "plain" if mount == "rangeware" else "rangeware"
    assert browser.script(f"return [{player(other)}.paused, {verdict(other)}.textContent]") == [True, "Not tried yet."]


def test_jump_is_painted_with_what_was_asked_and_what_was_sent(browser):
    wipe(browser)
    browser.click("[data-side=rangeware] [data-seek]")
    late = "[...document.querySelectorAll('[data-side=rangeware] .strip .sent')].some((i) => i.dataset.firstPos > 1e6)"
    browser.wait_for(late)
    asked, sent = ([box for box in browser.boxes("stream.mp4?slow", which) if box[1] > 1e6]
                   for which in ("asked", "sent"))
    assert {(kind, last_pos) for kind, _, last_pos in asked} == {("one", FILM_LENGTH - 1)}
    assert all(FILM_LENGTH / 2 < first_pos < FILM_LENGTH * 0.9 for _, first_pos, _ in asked)
    assert {first_pos for _, first_pos, _ in sent} <= {first_pos for _, first_pos, _ in asked}
    assert all(kind == "one" and first_pos < last_pos < FILM_LENGTH for kind, first_pos, last_pos in sent)
    spans = browser.script(
        "const strip = document.querySelector('[data-side=rangeware] .strip');"
        "const whole = strip.getBoundingClientRect();"
        "return ['asked', 'sent'].map((kind) => [...strip.querySelectorAll(`.${kind}`)].at(-1)).map((i) => {"
        " const box = i.getBoundingClientRect();"
        " return [Number(i.dataset.firstPos), Number(i.dataset.lastPos), (box.left - whole.left) / whole.width,"
        " (box.right - whole.left) / whole.width]; })")
    for first, last, left, right in spans:
        assert left == pytest.approx(first / FILM_LENGTH, abs=0.02)
        assert right == pytest.approx((last + 1) / FILM_LENGTH, abs=0.03)
    assert "206" in browser.find("[data-side=rangeware] .last").text


def test_strips_of_the_players_show_their_requests_only(browser):
    wipe(browser)
    browser.script("fetch('files/stream.mp4', {headers: {Range: 'bytes=0-9,20-29'}, cache: 'no-store'})")
    browser.wait_for("document.querySelector('.file[data-file=\"stream.mp4\"] .strip .sent.many')")
    assert browser.script("return document.querySelectorAll('[data-side] .strip .many').length") == 0


def test_video_without_rangeware_is_sent_from_its_first_byte(browser):
    browser.wait_for("document.querySelector('[data-side=plain] .strip .sent')")
    assert {box[:2] for box in browser.boxes("stream.mp4?slow", "sent", "plain")} == {("whole", 0)}
    assert "200" in browser.find("[data-side=plain] .last").text
    browser.wait_for("document.querySelector('[data-side=plain] .last').textContent.includes('from the first byte')")


# --- Measured figures -------------------------------------------------------------------------------------------------

def figures(browser):
    return browser.script("return [...document.querySelectorAll('#figures tbody tr:not(.group)')].map((row) =>"
                          " [...row.cells].map((cell) => cell.textContent))")


def test_figures_are_measured_when_the_page_opens_and_again_on_demand(browser):
    browser.wait_for(MEASURED)
    rows = figures(browser)
    assert rows[0] == ["Safari’s probeRange: bytes=0-1", "✓ 206, 2 bytes: Safari plays",
                       "✗ 200, all 2.3 MiB: Safari refuses"]
    assert [cell[0] for cell in rows[4]] == ["S", "✓", "✗"]  # several ranges of a file
    assert all(" ms" in cell for cell in rows[5][1:])
    browser.script("document.querySelector('#figures tbody').dataset.old = 1")
    browser.click("#measure")
    browser.wait_for(f"{MEASURED} && !document.querySelector('#figures [data-old]')")
    assert figures(browser)[0] == rows[0]
    assert "Measured at" in browser.script("return document.getElementById('measured').textContent")


def test_figures_that_cannot_be_measured(browser):
    browser.wait_for(MEASURED)
    browser.script("window.fetch = () => Promise.reject(new TypeError('away'))")
    browser.click("#measure")
    browser.wait_for("document.getElementById('measured').textContent === 'The demo does not respond.'")


# --- Strips -----------------------------------------------------------------------------------------------------------

def test_tones_seek(browser):
    unfold(browser, "tones.wav")
    browser.click(".file [data-jump='0.75']")
    browser.wait_for(f"{TONES}.readyState && !{TONES}.seeking && {TONES}.currentTime >= 45")
    browser.script(f"{TONES}.play()")
    play_on_from(browser, TONES, 45)
    browser.click(".file [data-jump='0.25']")
    browser.wait_for(f"!{TONES}.seeking && {TONES}.currentTime >= 15 && {TONES}.currentTime < 40")


@pytest.mark.parametrize(("wanted", "kind"), [(1, "one"), (5, "many")])
def test_parts_are_painted_each_in_its_kind(browser, wanted, kind):
    unfold(browser, "archive.zip")
    wipe(browser)
    browser.click(f"[data-file='archive.zip'] [data-take='{wanted}']")
    browser.wait_for(f"document.querySelectorAll('[data-file=\"archive.zip\"] .strip .sent').length === {wanted}")
    browser.wait_for("document.querySelector('[data-file=\"archive.zip\"] .strip [data-state=complete]')")
    sent = browser.boxes("archive.zip", "sent")
    assert sent == browser.boxes("archive.zip", "asked")
    assert {box[0] for box in sent} == {kind}
    assert all(0 <= first_pos <= last_pos < 482_374 for _, first_pos, last_pos in sent)
    assert "206" in browser.find("[data-file='archive.zip'] .strip").get_attribute("aria-label")


def test_whole_file_is_painted_in_its_kind(browser):
    wipe(browser)
    browser.script("fetch('files/lines.txt', {cache: 'no-store'}).then((answer) => answer.text())")
    browser.wait_for("document.querySelector('[data-file=\"lines.txt\"] [data-state=complete] .sent.whole')")
    assert browser.boxes("lines.txt", "sent") == browser.boxes("lines.txt", "asked") == [("whole", 0, 639_999)]


def test_download_that_stops_is_painted_as_far_as_it_went(browser):
    wipe(browser)
    browser.script("const stop = new AbortController();"
                   "fetch('files/big.bin', {signal: stop.signal, headers: {Range: 'bytes=536870912-'}})"
                   ".then((answer) => answer.body.getReader().read()).then(() => stop.abort())")
    browser.wait_for("document.querySelector('[data-file=\"big.bin\"] [data-state=cut] .sent')")
    assert browser.boxes("big.bin", "asked") == [("one", 1 << 29, (1 << 30) - 1)]
    (_, first_pos, last_pos), = browser.boxes("big.bin", "sent")
    assert first_pos == 1 << 29
    assert last_pos < (1 << 30) - 1
    assert "then the client stopped" in browser.find("[data-file='big.bin'] .last").text


def test_tiny_range_is_still_seen(browser):
    wipe(browser)
    browser.script("fetch('files/big.bin', {headers: {Range: 'bytes=1073741823-'}, cache: 'no-store'})")
    browser.wait_for("document.querySelector('[data-file=\"big.bin\"] .strip .sent')")
    width, overhang = browser.script(
        "const [a, b] = [document.querySelector('[data-file=\"big.bin\"] .strip .sent'),"
        " document.querySelector('[data-file=\"big.bin\"] .strip')].map((e) => e.getBoundingClientRect());"
        "return [a.width, a.right - b.right]")
    assert width >= 2
    assert overhang <= 0.5


def test_strips_are_cleared_and_stay_so(browser):
    browser.click("[data-side=plain] [data-seek]")  # this video is being sent for 18 seconds
    wipe(browser)
    browser.script("fetch('files/lines.txt', {cache: 'no-store'}).then((answer) => answer.text())")
    browser.wait_for("document.querySelector('[data-file=\"lines.txt\"] [data-state=complete]')")
    browser.click("#wipe")
    assert browser.boxes("lines.txt", "asked") == []
    assert browser.find("[data-file='lines.txt'] .last").text == ""
    assert browser.find("[data-file='lines.txt'] .strip").get_attribute("aria-label") == "lines.txt: cleared"
    browser.script("fetch('files/lines.txt', {headers: {Range: 'bytes=0-9'}, cache: 'no-store'})")
    browser.wait_for("document.querySelector('[data-file=\"lines.txt\"] .strip .asked')")
    assert browser.boxes("lines.txt", "asked") == [("one", 0, 9)]
    assert browser.boxes("stream.mp4?slow", "sent", "plain") == []


def test_legend_has_the_colours_of_the_strips(browser):
    browser.script("fetch('files/lines.txt', {headers: {Range: 'bytes=0-9,20-29'}, cache: 'no-store'})")
    same = browser.wait_for(  # a player may ask anew at any moment: then the last one has sent nothing yet
        "(() => { const found = ['one', 'many', 'whole'].map((kind) => [`.legend .${kind}`,"
        " `.strip > :last-child .sent.${kind}`].map((selector) => document.querySelector(selector)));"
        " return found.flat().every(Boolean) && found.map((pair) =>"
        " pair.map((node) => getComputedStyle(node).backgroundColor)); })()")
    assert all(shown == painted for shown, painted in same)
    assert len({shown for shown, _ in same}) == 3


# --- Commands ---------------------------------------------------------------------------------------------------------

FIRST = "#files > .command"


def grant_clipboard(browser):
    browser.driver.execute_cdp_cmd("Browser.grantPermissions", {
        "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"], "origin": browser.url})


def test_each_command_has_a_button_that_copies_it(browser):
    grant_clipboard(browser)
    for name in browser.script("return [...document.querySelectorAll('.file')].map((file) => file.dataset.file)"):
        unfold(browser, name)
    buttons = browser.driver.find_elements("css selector", ".command [data-copy]")
    commands = browser.script("return [...document.querySelectorAll('.command code')].map((code) => code.textContent)")
    assert len(buttons) == len(commands) == 1 + 2 * 7
    for button, command in zip(buttons, commands, strict=True):
        browser.script("arguments[0].scrollIntoView({block: 'center'})", button)
        assert button.get_attribute("aria-label") == f"Copy: {command}"
        button.click()
        browser.wait_for("document.querySelector(':focus').textContent === 'Copied'")
        assert browser.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])") == command
        assert browser.script("return document.getElementById('said').textContent") == f"Copied: {command}"
    assert {command.split()[0] for command in commands} == {"rangeware", "curl"} or "-m" in commands[0]
    browser.wait_for("[...document.querySelectorAll('[data-copy]')].every((button) => button.textContent === 'Copy')")


def test_command_is_copied_from_the_keyboard(browser):
    grant_clipboard(browser)
    browser.script(f"document.querySelector('{FIRST} [data-copy]').focus()")
    browser.driver.switch_to.active_element.send_keys("\ue007")  # Enter
    browser.wait_for(f"document.querySelector('{FIRST} [data-copy]').textContent === 'Copied'")
    command = browser.script(f"return document.querySelector('{FIRST} code').textContent")
    assert command.endswith(f" get --limit-rate 50M {browser.url}files/big.bin")
    assert browser.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])") == command


def test_command_is_selected_where_there_is_no_clipboard(browser):
    browser.script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    browser.click(f"{FIRST} [data-copy]")
    browser.wait_for(f"document.querySelector('{FIRST} [data-copy]').textContent === 'Selected'")
    command = browser.script(f"return document.querySelector('{FIRST} code').textContent")
    assert browser.script("return getSelection().toString().trim()") == command


def test_commands_of_a_file_open_and_close(browser):
    button = "[data-file='lines.txt'] [data-more]"
    assert browser.find(button).get_attribute("aria-expanded") == "false"
    assert not browser.find("[data-file='lines.txt'] .more").is_displayed()
    unfold(browser, "lines.txt")
    assert browser.find(button).get_attribute("aria-expanded") == "true"
    assert browser.find("[data-file='lines.txt'] [data-take='5']").is_displayed()
    links = browser.script("return [...document.querySelectorAll(\"[data-file='lines.txt'] .more a\")].map((a) =>"
                           " a.getAttribute('href'))")
    assert links == ["/files/lines.txt", "/files/lines.txt", "/plain/files/lines.txt"]
    browser.click(button)
    assert not browser.find("[data-file='lines.txt'] .more").is_displayed()


# --- The inspector ----------------------------------------------------------------------------------------------------

PRESETS = [  # button                       with rangeware            Flask alone
    pytest.param("Safari’s probe", "206 ", "206 ", id="probe"),
    pytest.param("Request five ranges", "206 ", "416 ", id="five"),
    pytest.param("Last 100 bytes", "206 ", "200 ", id="suffix"),
    pytest.param("Resume a download", "206 ", "200 ", id="resume"),
    pytest.param("Resume a changed file", "200 ", "200 ", id="changed"),
    pytest.param("Beyond the end", "416 ", "416 ", id="beyond"),
    pytest.param("Not modified", "304 ", "304 ", id="not modified"),
]


@pytest.mark.parametrize(("label", "with_rangeware", "alone"), PRESETS)
def test_preset_asks_at_once(browser, label, with_rangeware, alone):
    note = try_preset(browser, label)
    assert note.startswith(with_rangeware)
    assert f", {alone}" in note
    assert len(text_of(browser, "rangeware", ".part")) == (5 if "five" in label else 0)
    conditions = browser.script("return ['If-Range', 'If-None-Match'].map((name) =>"
                                " document.getElementById(`field-${name}`).value).join('')")
    assert browser.script("return document.getElementById('more-fields').open") == bool(conditions)


def test_a_preset_forgets_the_one_before(browser):
    try_preset(browser, "Not modified")
    try_preset(browser, "Request five ranges")
    assert browser.script("return document.getElementById('field-If-None-Match').value") == ""
    browser.wait_for(f"({ANSWERED} || '').startsWith('206 ')")


def test_two_ranges_in_the_inspector(browser):
    note = ask(browser, Range="bytes=0-9,20-29")
    assert note == "206 Partial Content with rangeware, 416 REQUESTED RANGE NOT SATISFIABLE from Flask alone."
    assert text_of(browser, "rangeware", ".status") == ["HTTP/1.1 206 Partial Content"]
    parts = text_of(browser, "rangeware", ".part .lines")
    assert len(parts) == 2
    for part, positions in zip(parts, ("0-9", "20-29"), strict=True):
        assert f"Content-Range: bytes {positions}/{FILM_LENGTH}" in part
    assert "ftyp" in text_of(browser, "rangeware", ".part .bytes")[0]
    assert text_of(browser, "rangeware", ".reason") == ["the ranges asked for"]
    assert text_of(browser, "plain", ".status")[0].startswith("HTTP/1.1 416 ")
    assert text_of(browser, "plain", ".part") == []


def test_unsatisfiable_range_in_the_inspector(browser):
    ask(browser, "generated.txt", Range="bytes=2097152-")
    assert text_of(browser, "rangeware", ".status") == ["HTTP/1.1 416 Range Not Satisfiable"]
    assert "Content-Range: bytes */2097152" in text_of(browser, "rangeware", ".lines > div")
    assert text_of(browser, "rangeware", ".reason") == ["no range asked for lies within the representation"]
    assert text_of(browser, "plain", ".status") == ["HTTP/1.1 200 OK"]
    browser.wait_for("document.querySelector('[data-file=\"generated.txt\"] .strip [data-status=\"416\"]')")
    assert "416 · no content" in browser.find("[data-file='generated.txt'] .last").text


def test_current_and_stale_entity_tags_in_the_inspector(browser):
    browser.click("#question [type=reset]")
    browser.script("document.getElementById('more-fields').open = true")
    browser.type_choice("#question [name=file]", "clock.mp4")
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


@pytest.mark.parametrize("field", ["If-Match", "If-Modified-Since", "If-Unmodified-Since", "Range"])
def test_examples_fill_their_field(browser, field):
    browser.click("#question [type=reset]")
    browser.script("document.getElementById('more-fields').open = true")
    browser.type_choice("#question [name=file]", "clock.mp4")
    for button in browser.driver.find_elements("css selector", f"[data-fill='{field}']"):
        browser.script(f"document.getElementById('field-{field}').value = ''")
        browser.script("arguments[0].scrollIntoView({block: 'center'})", button)
        button.click()
        browser.wait_for(f"document.getElementById('field-{field}').value")


def test_verdicts_of_the_check_are_shown_in_words(browser):
    """The responses are given here: as far as this page goes, a server need not judge them."""
    browser.script("""
        const side = (status, verdict, detail) => ({status_line: `HTTP/1.1 ${status}`, fields: [], parts: [],
          more_parts: 0, request: ["GET / HTTP/1.1"], content: null, cut: false,
          verdicts: [{name: "range", title: "The range", status: verdict, detail}, {status: "unknown", detail}]});
        const answer = {rangeware: side("206 X", "good", "as asked"), plain: side("200 Y", "broken", "<i>all</i>"),
          plan: null};
        window.fetch = () => Promise.resolve(new Response(JSON.stringify(answer)));
    """)
    browser.click("#question [type=submit]")
    browser.wait_for(ANSWERED)
    assert text_of(browser, "rangeware", ".findings") == ["✓ goodThe range as asked? unknown as asked"]
    assert text_of(browser, "plain", ".findings") == ["✗ brokenThe range <i>all</i>? unknown <i>all</i>"]


def test_example_that_a_file_does_not_have(browser):
    browser.click("#question [type=reset]")
    browser.script("document.getElementById('more-fields').open = true")
    browser.type_choice("#question [name=file]", "generated.txt")
    browser.click("[data-fill='If-Modified-Since'][data-value='last-modified']")
    browser.wait_for("document.getElementById('note').textContent === 'generated.txt has no Last-Modified.'")


# --- The check --------------------------------------------------------------------------------------------------------

REPORTS = """
const report = (verdict, detail) => ({url: "http://x/", verdict, summary: `Summary: ${detail}`, seconds: 0.25,
  findings: [
  {name: "one-range", title: "One range", status: verdict, detail},
  {name: "coding", title: "Coding", status: "unknown", detail: "<b>not</b> tried"}],
  clients: [{name: "Safari", status: verdict, detail}, {name: "curl -C -", status: "limited", detail}]});
window.asked = [];
window.fetch = (url, options) => {
  window.asked.push([url, options.body]);
  return Promise.resolve(new Response(window.answer, {status: window.status}));
};
window.status = 200;
window.answer = JSON.stringify({rangeware: report("good", "206"), plain: report("broken", "200")});
"""


@pytest.fixture
def checked(browser):
    """The page with a check whose reports are given here."""
    browser.script(REPORTS)
    return browser


def test_check_shows_both_reports_side_by_side_in_words(checked):
    checked.type_choice("#question [name=file]", "lines.txt")
    checked.click("#check")
    checked.wait_for("!document.getElementById('reports').hidden")
    assert ["/check", '{"file":"lines.txt"}'] in checked.script("return window.asked")
    rows = checked.script("return [...document.querySelectorAll('#reports tr')].map((row) =>"
                          " [...row.cells].map((cell) => cell.textContent))")
    assert rows == [["Client", "With rangeware ✓ good", "Flask alone ✗ broken"],
                    ["In short", "Summary: 206", "Summary: 200"],
                    ["Safari", "✓ good 206", "✗ broken 200"], ["curl -C -", "~ limited 206", "~ limited 200"]]
    checked.click("#reports summary")
    found = checked.script("return [...document.querySelectorAll('[data-report]')].map((report) => report.innerText)")
    for text, words in zip(found, ("With rangeware: 2 findings in 0.3 s", "Flask alone: 2 findings"), strict=True):
        assert words in text
        assert "? unknown" in text
        assert "Coding <b>not</b> tried" in text
    assert checked.find("#note").text == "lines.txt: good with rangeware, broken from Flask alone."
    assert checked.script("return document.documentElement.scrollWidth - innerWidth") <= 0
    ask_again = "#question [type=submit]"
    checked.script("window.answer = '{\"error\": \"No.\"}'")
    checked.click(ask_again)
    checked.wait_for("document.getElementById('note').textContent === 'No.'")


def test_check_of_the_video_says_what_differs(browser):
    browser.type_choice("#question [name=file]", "stream.mp4")
    browser.click("#check")
    browser.wait_for("!document.getElementById('reports').hidden", 40)
    assert browser.find("#note").text == "stream.mp4: good with rangeware, broken from Flask alone."
    safari = browser.script("return [...document.querySelectorAll('#reports tr')].map((row) => row.innerText)"
                            ".find((text) => text.includes('Safari'))")
    assert safari.index("✓ good") < safari.index("✗ broken")
    assert browser.script("return document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize(("status", "answer", "words"), [
    (502, '{"error": "No answer."}', "No answer."),
    (500, "oops", "The demo does not respond. Is it still running?")])
def test_check_that_fails(checked, status, answer, words):
    checked.script("window.status = arguments[0]; window.answer = arguments[1]", status, answer)
    checked.click("#check")
    checked.wait_for("!document.getElementById('check').disabled")
    assert checked.find("#note").text == words
    assert checked.script("return document.getElementById('reports').hidden")


# --- The page as a whole ----------------------------------------------------------------------------------------------

def test_page_fits_its_width_and_every_control_has_a_name(browser):
    ask(browser, Range="bytes=0-9,20-29", If_None_Match='"' + "x" * 300 + '"')
    browser.script("document.querySelectorAll('details').forEach((d) => { d.open = true; });"
                   "document.querySelectorAll('[data-more]').forEach((button) => button.click())")
    browser.wait_for(MEASURED)
    assert browser.script("return document.documentElement.scrollWidth - innerWidth") <= 0
    nameless = browser.script(
        "return [...document.querySelectorAll('input, select, button, a[href], video, audio, .strip')].filter((e) =>"
        " !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim())).map((e) => e.outerHTML)")
    assert nameless == []


def test_phone_page_is_half_as_tall_as_it_was(browser):
    """It was 5,101 pixels tall; the players were in the second screen, and the inspector in the seventh."""
    browser.wait_for(MEASURED)
    wipe(browser)  # the lines below the strips
    width = browser.script("return innerWidth")
    assert browser.script("return document.documentElement.scrollHeight") <= (2550 if width < 500 else 2700)


COLOURS = """
const numbers = (colour) => colour.match(/[0-9.]+/g).map(Number);
const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
const over = ([r, g, b, a = 1], below) => [r, g, b].map((v, n) => v * a + below[n] * (1 - a));
const painted = (node) => numbers(getComputedStyle(node).backgroundColor);
const ground = (node) => node ? over(painted(node), ground(node.parentElement)) : [255, 255, 255];
const contrastOf = (one, other) => {
  const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
"""
FAINT = COLOURS + """
const found = [];
for (const node of document.querySelectorAll("body *")) {
  const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
  if (!own || !node.checkVisibility() || node.matches(".unseen, .skip, .unseen *, :disabled, option")) continue;
  const below = ground(node);
  const contrast = contrastOf(over(numbers(getComputedStyle(node).color), below), below);
  if (contrast < arguments[0]) found.push(`${node.outerHTML.slice(0, 80)}: ${contrast.toFixed(2)}`);
}
return found;
"""


EDGELESS = COLOURS + """
const found = [];
for (const node of document.querySelectorAll("input, select, .strip, .drop, button:not(.chip, .copy, .code button)")) {
  if (!node.checkVisibility() || node.matches("[type=file], [type=checkbox]")) continue;
  const { borderTopColor, boxShadow } = getComputedStyle(node);
  const edge = numbers(node.matches(".strip") ? boxShadow.match(/rgb[^)]+/)?.[0] ?? "0 0 0 0" : borderTopColor);
  const around = ground(node.parentElement);
  const contrast = contrastOf(over(edge, around), around);
  if (contrast < arguments[0]) found.push(`${node.outerHTML.slice(0, 80)}: ${contrast.toFixed(2)}`);
}
return found;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_edges_of_controls_and_strips_are_seen_in_light_and_dark(browser, scheme):
    browser.set_media("prefers-color-scheme", scheme)
    browser.script("document.getElementById('more-fields').open = true")
    assert browser.script(EDGELESS, EDGE_CONTRAST) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_light_and_dark(browser, scheme):
    browser.set_media("prefers-color-scheme", scheme)
    browser.click("#jump-both")
    browser.wait_for(f"{verdict('plain')}.dataset.state && {verdict('rangeware')}.dataset.state")
    browser.wait_for(MEASURED)
    ask(browser, Range="bytes=0-9,20-29")
    unfold(browser, "big.bin")
    ground = browser.script("return getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)")
    assert (sum(ground) > 600) == (scheme == "light")
    assert browser.script(FAINT, CONTRAST) == []


def test_nothing_moves_for_those_who_want_no_motion(browser):
    browser.set_media("prefers-reduced-motion", "reduce")
    unfold(browser, "archive.zip")
    wipe(browser)
    browser.click("[data-file='archive.zip'] [data-take='1']")
    browser.wait_for("document.querySelector('[data-file=\"archive.zip\"] .fresh .asked')")
    assert browser.script("return document.getAnimations().filter((each) => each.animationName).length") == 0


def test_every_control_is_reached_with_the_keyboard(browser):
    reached = browser.script(
        "return [...document.querySelectorAll('a[href], button, input, select, summary, video, audio')].filter((e) =>"
        " e.checkVisibility() && e.tabIndex < 0).map((e) => e.outerHTML)")
    assert reached == []
    browser.find("body").send_keys("\ue004")  # Tab
    assert browser.driver.switch_to.active_element.text == "Skip to the inspector"
    browser.driver.switch_to.active_element.send_keys("\ue007")
    assert browser.script("return location.hash") == "#inspector"


def test_the_keyboard_stops_only_where_there_is_something_to_do(browser):
    """Text that does not scroll is no stop, and a stop that is no control says what it is."""
    browser.wait_for(MEASURED)  # after that, nothing moves below the pointer
    ask(browser, Range="bytes=0-9,20-29")
    unfold(browser, "big.bin")
    stops = browser.script("return [...document.querySelectorAll('[tabindex]')].map((e) =>"
                           " [getComputedStyle(e).overflowY, e.getAttribute('role'), e.getAttribute('aria-label')])")
    assert stops
    assert all(stop == ["auto", "group", "The bytes"] for stop in stops)


def test_controls_are_large_enough_for_a_finger(browser):
    small = browser.script(
        "return [...document.querySelectorAll('button, nav a, input, select, summary')].filter((e) =>"
        " e.checkVisibility() && Math.min(e.getBoundingClientRect().width, e.getBoundingClientRect().height)"
        " < arguments[0]).map((e) => e.outerHTML)", LEAST_SIZE)
    assert small == []


def test_waiting_is_not_read_aloud_each_second(browser):
    browser.script("window.busy = []; new MutationObserver(() => busy.push(document.querySelector("
                   "'[data-side=plain] .verdict').ariaBusy)).observe(document.querySelector("
                   "'[data-side=plain] .verdict'), {childList: true})")
    browser.click("#jump-both")
    browser.wait_for(f"{verdict('plain')}.dataset.state && {verdict('rangeware')}.dataset.state")
    busy = browser.script("return busy")
    assert busy[:-1] == ["true"] * len(busy[:-1])
    assert len(busy) >= 2
    assert busy[-1] == "false"


def test_console_is_quiet_and_no_request_leaves_the_demo(browser):
    browser.click("#jump-both")
    play_on_from(browser, player("rangeware"), 75)
    ask(browser, Range="bytes=0-9,20-29")
    assert [entry for entry in browser.complaints() if entry["level"] in ("SEVERE", "WARNING")] == []
    urls = browser.requested()
    assert any("/files/stream.mp4" in url for url in urls)
    inline = "data:"  # the icons of the browser's own media controls; nothing is fetched for them
    assert [url for url in urls if not url.startswith((browser.url, inline))] == []
    entries = browser.script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert entries
    assert [url for url in entries if not url.startswith(browser.url)] == []
