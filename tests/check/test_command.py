"""The command ``rangeware check``: what is printed, in which width, and the exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from rangeware.__main__ import main
from rangeware.check.cli import command, display
from rangeware.check.cli.arguments import parse
from rangeware.client.cli.parsing import UsageError
from tests.check import servers, site
from tests.client.fault_server import Call, FaultServer, page


@pytest.fixture(scope="module")
def server():
    with FaultServer() as server:
        yield server


def missing(call: Call) -> None:
    call.send(page(404))


def no_ranges(call: Call) -> None:
    request = call.request._replace(fields=())
    call.send(Call(call.line, request, call.number).reply)


@pytest.fixture(autouse=True)
def _good_again(server):
    yield
    server.behave_as(lambda call: call.send(call.reply))


def text(lines):
    return ["".join(part for part, _ in line) for line in lines]


BROKEN = site.report(site.without_ranges)
LIMITED = site.report(etag=None, last_modified=None)


@pytest.mark.each
@pytest.mark.parametrize("report", [site.report(), BROKEN, LIMITED, site.report(content=b"")],
                         ids=["good", "broken", "limited", "empty"])
@pytest.mark.parametrize("width", [30, 40, 63, 64, 80, 110])
def test_a_report_fits_its_width_and_tells_all(report, width):
    lines = text(display.make_lines(report, width))
    assert max(map(len, lines)) <= width
    flat = re.sub(r"\W", "", "".join(lines))
    for each in report.findings:
        assert each.status in flat
        assert re.sub(r"\W", "", each.title)[:8] in flat
    if width < 64:  # else two columns share the lines
        assert all(re.sub(r"\W", "", each.detail) in flat for each in report.findings)
    assert re.sub(r"\W", "", report.summary) in flat
    assert all(re.sub(r"\W", "", advice) in flat for advice in report.advice)


def test_a_wide_report_is_a_table():
    lines = text(display.make_lines(LIMITED, 80))
    assert "  good     Content-Length           200000 bytes, known before the first comes" in lines
    assert "                                    (RFC 9110 8.6)." in lines
    assert "limited: Seeking and resuming work, with limits. Look at: ETag and" in lines


def test_a_narrow_report_has_blocks():
    lines = text(display.make_lines(LIMITED, 40))
    at = lines.index("limited  ETag and Last-Modified")
    assert lines[at + 1].startswith("  No ETag and no Last-Modified")


def test_a_status_is_a_word_with_a_style():
    styled = [part for line in display.make_lines(LIMITED, 80) for part in line if part[1] not in ("", "heading")]
    assert styled
    assert all(part.strip() == style for part, style in styled)


def run(*words, **env):
    done = subprocess.run([sys.executable, "-m", "rangeware",
    "check", *words], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "NO_COLOR": "1", **env})
    return done.returncode, done.stdout, done.stderr


def test_the_command_prints_a_report(server):
    code, out, err = run(server.url, COLUMNS="80")
    assert (code, err) == (0, "")
    assert out.startswith(f"{server.url}\n\nWhat was seen\n  good     The URL ")
    assert "\nWhat it means for\n" in out
    assert "\nlimited: " in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(("act", "code"), [(no_ranges, 1), (missing, 3), (lambda call: call.send(call.reply), 0)])
def test_exit_codes(server, capsys, act, code):
    server.behave_as(act)
    assert main(["check", "-q", server.url]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (f"rangeware: cannot check 404 Not Found: {server.url}\n" if code == 3 else "")


def by_name(call: Call) -> None:
    name = call.request.target.rpartition("/")[2]
    {"missing": missing, "broken": no_ranges}.get(name, lambda call: call.send(call.reply))(call)


@pytest.mark.parametrize(("names", "code"), [
    (["fine", "fine"], 0), (["fine", "missing"], 3), (["missing", "fine"], 3), (["fine", "broken"], 1),
    (["broken", "missing"], 1), (["missing", "broken"], 1), (["missing", "fine", "broken"], 1),
])
def test_all_urls_are_checked_and_the_exit_code_is_that_of_the_worst(server, capsys, names, code):
    server.behave_as(by_name)
    urls = [server.url.replace("file.bin", name) for name in names]
    assert main(["check", *urls]) == code
    out, err = capsys.readouterr()
    assert [line for line in out.splitlines() if line in urls] == [url for url in urls if "missing" not in url]
    assert err.splitlines() == [f"rangeware: cannot check 404 Not Found: {url}" for url in urls if "missing" in url]
    assert main(["check", "--json", *urls]) == code
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["url"] for each in told] == urls
    assert [each.get("verdict", "none") for each in told] == [
        {"fine": "limited", "broken": "broken", "missing": "none"}[name] for name in names]


def test_what_is_no_url_ends_the_command_before_anything_is_checked(server, capsys):
    before = len(server.requests)
    assert main(["check", server.url, "ftp://host/x"]) == 2
    assert len(server.requests) == before
    assert capsys.readouterr().out == ""


def test_json(server, capsys):
    assert main(["check", "--json", server.url]) == 0
    made = json.loads(capsys.readouterr().out)
    assert [*made] == ["url", "verdict", "summary", "findings", "clients", "advice", "requests", "bytes", "seconds"]
    assert (made["url"], made["verdict"]) == (server.url, "limited")
    server.behave_as(missing)
    assert main(["check", "--json", server.url]) == 3
    out, err = capsys.readouterr()
    assert json.loads(out) == {"url": server.url, "error": f"404 Not Found: {server.url}"}
    assert err.startswith("rangeware: cannot check 404")


def in_shell(line: str, *arguments: str) -> tuple[int, str, str]:
    """Run a line of the shell, in which ``"$@"`` is the command; its exit code, and what it says on both outputs."""
    done = subprocess.run(["bash", "-c", line, "bash", sys.executable, "-m", "rangeware", "check", *arguments],
                          capture_output=True, text=True, timeout=60, env={**os.environ, "NO_COLOR": "1"})
    return done.returncode, done.stdout, done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full device")
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_report_that_cannot_be_written_is_an_error(server, form):
    code, _, err = in_shell('"$@" > /dev/full', *form, server.url)
    assert (code, err) == (5, "rangeware: cannot write the output: No space left on device\n")


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_nobody_reads_the_report(server, form):
    """As ``get -o -`` does, and other programs."""
    code, out, err = in_shell('"$@" | true; exit ${PIPESTATUS[0]}', *form, server.url)
    assert (code, out, err) == (141, "", "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full device")
def test_exit_codes_of_outputs_that_fail(server, monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    for place, code in ((writer, 141), ("/dev/full", 5)):
        with open(place, "w") as output:
            monkeypatch.setattr(sys, "stdout", output)
            assert main(["check", server.url]) == code
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["check", server.url]) == 2
    assert main(["check", "-q", server.url]) == 0


def test_only_the_first_line_is_read(server):
    code, out, err = in_shell('"$@" | head -1; exit ${PIPESTATUS[0]}', server.url)
    assert (code in (0, 141), out, err) == (True, f"{server.url}\n", "")


def test_without_a_standard_output_nothing_is_asked(server):
    before = len(server.requests)
    code, _, err = in_shell('"$@" >&-', server.url)
    assert (code, err) == (2, "rangeware: there is no standard output to write to (see: rangeware check --help)\n")
    assert len(server.requests) == before
    assert in_shell('"$@" >&-', "-q", server.url) == (0, "", "")


def test_without_a_standard_error_the_report_is_written(server):
    code, out, _ = in_shell('"$@" 2>&-', server.url)
    assert (code, out.startswith(f"{server.url}\n\nWhat was seen\n")) == (0, True)


@pytest.mark.parametrize(("words", "said"), [
    ([], "no URL"), (["example.org/x"], "did you mean https://example.org/x?"), (["--max-bytes", "0",
    "http://h/"], "bytes"),
    (["--timeout", "x", "http://h/"], "seconds"), (["--timeout", "999999", "http://h/"], "timeout must be"),
    (["-H", "Range: bytes=0-1", "http://h/"], "must not contain a header named 'Range'"), (["--frce",
    "http://h/"], "--frce"),
    (["-q", "--json", "http://h/"], "not allowed"), (["--cacert", "/nowhere", "https://h/"], "cannot use cacert"),
])
def test_wrong_use(capsys, words, said):
    assert main(["check", *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.endswith("(see: rangeware check --help)\n")
    assert err.count("\n") == 1


def test_help_is_complete(capsys):
    assert main(["check", "--help"]) == 0
    out = capsys.readouterr().out
    for word in ("--json", "--quiet", "--header", "--user", "--cacert", "--insecure", "--timeout", "--max-bytes",
    "--cookies",
                 "exit codes", "statuses", "  130 ", "  141 ", "    5 "):
        assert word in out, word
    assert max(map(len, out.splitlines())) <= 80


def test_options_reach_the_check():
    arguments = parse(["-u", "ann:s@cret", "-H", "X-A: 1", "-A", "me", "--timeout", "9", "--max-bytes", "2M", "-k",
    "-v",
                       "--cookies", "c.txt", "--cacert", "c.pem", "http://h/x"])
    assert arguments.urls == ["http://ann:s%40cret@h/x"]
    assert arguments.options == {"headers": {"X-A": "1", "User-Agent": "me"}, "timeout": 9.0, "max_bytes": 2 << 20,
                                 "insecure": True, "cookies": "c.txt", "cacert": "c.pem"}
    with pytest.raises(UsageError):
        parse(["http://h:port/"])


def test_headers_and_the_login_are_sent(server, capsys):
    before = len(server.requests)
    url = server.url
    assert main(["check", "-q", "-u", "ann:x", "-H", "X-A: 1", url]) == 0
    sent = server.requests[before:]
    assert {request.field("x-a") for request in sent} == {"1"}
    assert {request.field("authorization") for request in sent} == {"Basic YW5uOng="}


def test_a_password_is_not_shown(server, capsys):
    assert main(["check", "-v", server.url.replace("//", "//ann:secret@")]) == 0
    out, err = capsys.readouterr()
    assert "secret" not in out + err
    assert "> GET " in err


def test_without_urllib3_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "rangeware.check.checking", None)
    monkeypatch.setattr(command, "_check", lambda *_: (_ for _ in ()).throw(ModuleNotFoundError(name="urllib3")))
    assert main(["check", "http://h/"]) == 2
    assert capsys.readouterr().err == "rangeware: urllib3 is missing: pip install 'rangeware[cli]'\n"


def test_without_urllib3_the_pure_parts_can_be_imported():
    code = "import sys; sys.modules['urllib3'] = None; import rangeware.check.findings, rangeware.check.responses"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    code = "import sys; sys.modules['urllib3'] = None; from rangeware.__main__ import main; sys.exit(main(['check', 'http://h/']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (2, "rangeware: urllib3 is missing: pip install 'rangeware[cli]'\n")


def test_ctrl_c(capsys, monkeypatch):
    monkeypatch.setattr(command, "_check", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert main(["check", "http://h/"]) == 130
    assert capsys.readouterr().err == "rangeware: interrupted\n"


def in_terminal(words, env):
    """Run in a terminal of 60 columns, and return what it draws and the exit code."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-m", "rangeware", "check", *words], stdout=theirs, stderr=theirs,
                               env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "60", **env})
    os.close(theirs)
    drawn: list[bytes] = []

    def read():
        with suppress(OSError):  # the terminal is gone
            while block := os.read(ours, 65536):
                drawn.append(block)

    thread = threading.Thread(target=read)
    thread.start()
    code = process.wait(60)
    thread.join(10)
    os.close(ours)
    return b"".join(drawn).decode().replace("\r\n", "\n"), code


def test_colours_in_a_terminal(server):
    drawn, code = in_terminal([server.url], {})
    assert code == 0
    assert f"checking {server.url} ...\n" in drawn
    assert "\x1b[32mgood" in drawn
    assert "\x1b[33mlimited" in drawn
    plain = re.sub(r"\x1b\[[0-9;]*m", "", drawn)
    assert "\x1b" not in plain
    assert max(map(len, plain.splitlines())) <= 60 + len("checking ")


def test_no_colours_where_nobody_wants_them(server):
    drawn, _ = in_terminal([server.url], {"NO_COLOR": "1"})
    assert "\x1b[3" not in drawn
    assert "limited: Seeking" in drawn


def test_it_prints_in_colour_to_a_terminal(server, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert main(["check", server.url]) == 0
    out, err = capsys.readouterr()
    assert "What it means for" in out
    assert err == f"checking {server.url} ...\n"


def test_a_server_of_any_kind():
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
        return [b"hello"]

    with servers.wsgi(app) as url:
        assert main(["check", "-q", url]) == 1
