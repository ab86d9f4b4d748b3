"""The demo behind the real nginx: the marks in Debian's Chromium, who sends what, and how the processes end."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
from base64 import b64encode
from pathlib import Path

import pytest

from tests.browser.demo import ROOT, Demo, free_port, running_demo, start, stop, wait_until_it_answers

pytestmark = pytest.mark.browser

LENGTH = (ROOT / "demo_flask" / "media" / "clock.mp4").stat().st_size
END_SECONDS = 15
LAST = "document.querySelector('[data-file=\"{}\"] .last')"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("behind") / "Ärger; {im} \"Büro's\" 100% #1"


@pytest.fixture(scope="module")
def demo(data):
    with running_demo("--behind-nginx", "--data", str(data)) as demo:
        yield demo


def ask(demo, path, method="GET", body=None, **fields):
    with contextlib.closing(demo.connect()) as connection:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in fields.items()})
        answer = connection.getresponse()
        return answer, answer.read()


# --- Who sends what ---------------------------------------------------------------------------------------------------

def test_range_of_the_film_is_sent_by_nginx(demo):
    answer, content = ask(demo, "/files/clock.mp4", Range="bytes=1000-1999")
    assert (answer.status, answer.headers["Content-Range"]) == (206, f"bytes 1000-1999/{LENGTH}")
    assert content == (ROOT / "demo_flask" / "media" / "clock.mp4").read_bytes()[1000:2000]
    assert answer.headers.get_all("X-Sent-By") == ["nginx"]
    assert answer.headers["Content-Type"] == "video/mp4"
    assert answer.headers["Content-Security-Policy"] == "default-src 'self'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "X-Accel-Redirect" not in answer.headers


ANSWERS = [  # file            fields                        status  sent by
    pytest.param("lines.txt", {}, 200, ["nginx"], id="whole file"),
    pytest.param("lines.txt", {"Range": "bytes=0-9,20-29"}, 206, ["nginx"], id="two ranges"),
    pytest.param("lines.txt", {"Range": "bytes=640000-"}, 416, None, id="beyond the file"),
    pytest.param("lines.txt", {"If_None_Match": "*"}, 304, ["nginx"], id="not modified"),
    pytest.param("lines.txt", {"If_Match": '"stale"'}, 412, ["nginx"], id="precondition"),
    pytest.param("generated.txt", {"Range": "bytes=0-9"}, 206, None, id="generator"),
    pytest.param("archive.zip", {"Range": "bytes=0-0,-1"}, 206, None, id="BytesIO"),
    pytest.param("archive.zip", {"Range": "bytes=999999-"}, 416, None, id="beyond the BytesIO"),
]


@pytest.mark.parametrize(("name", "fields", "status", "sent_by"), ANSWERS)
def test_mark_is_there_once_or_not_at_all(demo, name, fields, status, sent_by):
    answer, _ = ask(demo, f"/files/{name}", **fields)
    assert (answer.status, answer.headers.get_all("X-Sent-By")) == (status, sent_by)


@pytest.mark.parametrize("name", ["clock.mp4", "lines.txt"])
@pytest.mark.parametrize(("field", "status"), [("If_Match", 206), ("If_Range", 206), ("If_None_Match", 304)])
def test_both_have_the_same_entity_tag(demo, name, field, status):
    tags = {ask(demo, path, method)[0].headers["ETag"]
            for path in (f"/files/{name}", f"/plain/files/{name}") for method in ("HEAD", "GET")}
    tags -= {None}  # HEAD of what nginx sends: Flask leaves the file out
    assert len(tags) == 1
    assert ask(demo, f"/files/{name}", Range="bytes=0-3", **{field: tags.pop()})[0].status == status


def test_nobody_gets_at_the_folders_by_themselves(demo):
    for path in ("/protected/data/cookie.key", "/protected/media/clock.mp4", "/protected/data/"):
        assert ask(demo, path, X_Accel_Redirect=path)[0].status == 404


def test_player_is_slowed_down_by_nginx(demo):
    with contextlib.closing(demo.connect()) as connection:
        begun = time.monotonic()
        connection.request("GET", "/files/lines.txt?slow", headers={"Range": "bytes=0-299999"})
        answer = connection.getresponse()
        assert len(answer.read()) == 300_000
        assert time.monotonic() - begun > 1  # 2.3 seconds at 128 KiB per second; without the limit milliseconds
        assert (answer.headers["X-Sent-By"], answer.headers["X-Accel-Limit-Rate"]) == ("nginx", None)


def test_upload_goes_through_nginx(demo):
    form = urllib.parse.urlencode({"name": "ada", "password": "lovelace"})
    login, _ = ask(demo, "/uploads/login", "POST", form, Content_Type="application/x-www-form-urlencoded")
    cookie = login.headers["Set-Cookie"].partition(";")[0]
    content = os.urandom(3 << 20)  # nginx refuses more than 1 MiB unless told otherwise
    name = b64encode(b"a.bin").decode()
    created, _ = ask(demo, "/uploads/files/", "POST", content, Cookie=cookie, Tus_Resumable="1.0.0",
                     Upload_Length=str(len(content)), Upload_Metadata=f"filename {name}",
                     Content_Type="application/offset+octet-stream")
    assert (created.status, created.headers["Upload-Offset"]) == (201, str(len(content)))
    location = urllib.parse.urlsplit(created.headers["Location"]).path
    answer, back = ask(demo, location, Cookie=cookie, Range="bytes=1000-1999")
    assert (answer.status, back) == (206, content[1000:2000])


# --- The page ---------------------------------------------------------------------------------------------------------

def wait_for_words(browser, name, *words):
    """Wait until the latest line of a file has these words."""
    last = LAST.format(name)
    for word in words:
        browser.wait_for(f"{last}.textContent.includes({word!r})")


def test_page_marks_both_kinds(browser):
    for name, wanted in (("big.bin", 5), ("generated.txt", 1)):
        browser.click(f"[data-file='{name}'] [data-more]")
        browser.click(f"[data-file='{name}'] [data-take='{wanted}']")
    wait_for_words(browser, "big.bin", "206", "sent by nginx")
    wait_for_words(browser, "generated.txt", "206", "sent by Python")
    assert "sent by nginx" in browser.find("[data-file='big.bin'] .strip").get_attribute("aria-label")
    assert browser.script("return document.documentElement.scrollWidth - innerWidth") <= 0
    assert [entry for entry in browser.complaints() if entry["level"] in ("SEVERE", "WARNING")] == []


def test_player_is_marked_as_handed_over_and_what_it_asked_for_is_painted(browser):
    browser.click("[data-file='tones.wav'] [data-more]")
    browser.wait_for("document.querySelector('[data-side=plain] .strip .sent')")
    browser.click("#wipe")
    browser.click("[data-jump='0.75']")
    wait_for_words(browser, "tones.wav", "asked for bytes", "handed to nginx")
    player = "document.querySelector('audio')"
    browser.wait_for(f"{player}.readyState && !{player}.seeking && {player}.currentTime >= 45")
    complete = int(browser.script("return document.querySelector('[data-file=\"tones.wav\"]').dataset.completeLength"))
    late = f"some((i) => i.dataset.firstPos > {complete / 2})"
    browser.wait_for(f"[...document.querySelectorAll('[data-file=\"tones.wav\"] .asked')].{late}")
    asked = [box for box in browser.boxes("tones.wav", "asked") if box[1] > complete / 2]
    assert {(kind, last_pos) for kind, _, last_pos in asked} == {("one", complete - 1)}
    assert browser.boxes("tones.wav", "sent") == []  # nobody here can count them


def test_jump_is_as_without_nginx(browser):
    browser.click("#jump-both")
    for mount, state in (("rangeware", "good"), ("plain", "bad")):
        browser.wait_for(f"document.querySelector('[data-side={mount}] .verdict').dataset.state === '{state}'")
    assert "sent by Python" in browser.find("[data-side=rangeware] .last").text


@pytest.mark.parametrize(("name", "with_rangeware"), [("lines.txt", "sent by nginx"),
                                                      ("archive.zip", "sent by Python")])
def test_inspector_marks_both_responses(browser, name, with_rangeware):
    browser.type_choice("#question [name=file]", name)
    browser.click("#question [type=submit]")
    browser.wait_for("!document.getElementById('answers').hidden")
    assert [browser.find(f"[data-mount={mount}] .mark").text for mount in ("rangeware", "plain")] == [
        with_rangeware, "sent by Python"]


# --- Start and end ----------------------------------------------------------------------------------------------------

def session_of(stat):
    return int(stat.rpartition(")")[2].split()[3])


def processes(session):
    """The processes of a session that have not ended, by their id, with their command lines."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            stat = (folder / "stat").read_text()
            if session_of(stat) == session and stat.rpartition(")")[2].split()[0] != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_bytes().decode(errors="replace")
    return found


def wait_until_all_have_ended(session):
    deadline = time.monotonic() + END_SECONDS
    while left := processes(session):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@pytest.fixture
def own(tmp_path):
    port = free_port()
    demo = Demo(start(port, "--behind-nginx", "--data", str(tmp_path / "data")), port)
    try:
        wait_until_it_answers(demo)
        yield demo
    finally:
        for pid in processes(demo.process.pid):
            os.kill(pid, signal.SIGKILL)
        demo.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_all_processes_also_in_the_midst_of_downloads(own, number):
    assert len(processes(own.process.pid)) >= 5  # this, gunicorn and its worker, nginx and its worker
    with contextlib.closing(own.connect()) as one, contextlib.closing(own.connect()) as other:
        for connection, path in ((one, "/files/big.bin"), (other, "/plain/files/big.bin")):
            connection.request("GET", path)
            assert connection.getresponse().read(1000)
        own.process.send_signal(number)
        said, _ = own.process.communicate(timeout=END_SECONDS)
    assert processes(own.process.pid) == {}
    assert own.process.returncode == 0
    assert said.count(own.url) == 6  # in one banner
    assert "Traceback" not in said


def test_ctrl_c_of_a_terminal_reaches_the_whole_group(own):
    os.killpg(own.process.pid, signal.SIGINT)
    assert "Traceback" not in own.process.communicate(timeout=END_SECONDS)[0]
    assert processes(own.process.pid) == {}
    assert own.process.returncode == 0


@pytest.mark.parametrize(("wanted", "said_of_it"), [("nginx: master", "nginx was ended by signal 9"),
                                                    ("--socket", "gunicorn was ended by signal 9")])
def test_command_ends_with_an_error_when_one_of_the_two_is_killed(own, wanted, said_of_it):
    os.kill(min(pid for pid, command in processes(own.process.pid).items() if wanted in command), signal.SIGKILL)
    said, _ = own.process.communicate(timeout=END_SECONDS)
    assert own.process.returncode == 1
    assert said_of_it in said
    assert processes(own.process.pid) == {}


def test_nothing_is_left_when_the_command_is_killed(own):
    own.process.kill()
    wait_until_all_have_ended(own.process.pid)


def test_banner_has_the_path_of_the_configuration(own, tmp_path):
    said = stop(own.process)
    path = tmp_path / "data" / "nginx" / f"127.0.0.1-{own.port}" / "nginx.conf"
    assert f"      {path}\n" in said
    assert f"listen 127.0.0.1:{own.port};" in path.read_text()


def test_taken_port(demo, tmp_path):
    with start(demo.port, "--behind-nginx", "--data", str(tmp_path)) as second:
        said, _ = second.communicate(timeout=20)
    assert second.returncode == 1
    assert said == (f"Cannot listen on 127.0.0.1:{demo.port}: Address already in use. "
                    "Choose another with --port or --host.\n")


def test_two_at_once_share_a_folder(demo, data):
    with running_demo("--behind-nginx", "--data", str(data)) as second:
        for one in (demo, second):
            answer, content = ask(one, "/files/lines.txt", Range="bytes=0-3")
            assert (answer.headers["X-Sent-By"], content) == ("nginx", b"line")
    assert ask(demo, "/files/lines.txt")[0].headers["X-Sent-By"] == "nginx"


def as_ordinary_user():
    """What has Popen start a process as one who is not root."""
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    try:
        subprocess.run([sys.executable, "-c", "import flask, gunicorn"], check=True, capture_output=True, **user)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this Python is out of reach for nobody")
    return user


@pytest.fixture
def copied():
    """A copy of the demo that belongs to the ordinary user, where that user can get at it, and the user."""
    user = as_ordinary_user()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for package in ("demo_flask", "rangeware"):
            shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("instance", "__pycache__"))
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user.get("user", -1), user.get("group", -1))
        yield folder, user


def test_ordinary_user(copied):
    (folder, user), port = copied, free_port()
    command = [sys.executable, "-m", "demo_flask", "--behind-nginx", "--port", str(port)]
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, **user)
    demo = Demo(process, port)
    wait_until_it_answers(demo)
    answer, content = ask(demo, "/files/clock.mp4", Range="bytes=4-7")
    assert (answer.headers["X-Sent-By"], content) == ("nginx", b"ftyp")
    stop(process)
    assert processes(process.pid) == {}
