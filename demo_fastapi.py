"""A demo of rangeware with FastAPI: the same views with and without it. ``python demo_fastapi.py`` starts it."""

import argparse
import contextlib
import html
import io
import math
import os
import shlex
import shutil
import socket
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from starlette.applications import Starlette
from starlette.routing import Mount

from rangeware import AsgiRangeMiddleware

LINES, LINE_LENGTH, AT_ONCE, BLOCK = 524_288, 32, 2_048, 16_384
PITCHES, SAMPLE_RATE = (220, 247, 277, 330, 370, 440, 494, 554, 659, 740, 880, 988), 8_000


def make_tones() -> bytes:
    """Return a WAV file: five seconds of each pitch, one byte per sample. Each second fades out, to join smoothly."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 1, SAMPLE_RATE, 0, "NONE", ""))
        for pitch in PITCHES:
            swings = (math.sin(2 * math.pi * pitch * n / SAMPLE_RATE) for n in range(SAMPLE_RATE))
            sound.writeframes(bytes(128 + int(60 * (1 - n / SAMPLE_RATE) * s) for n, s in enumerate(swings)) * 5)
    return file.getvalue()


TONES = make_tones()


async def read_tones() -> AsyncIterator[bytes]:
    """Generate the file block by block, as if it came from a store."""
    for first in range(0, len(TONES), BLOCK):
        yield TONES[first:first + BLOCK]


async def generate_lines() -> AsyncIterator[bytes]:
    """Generate lines of 32 bytes, each with its number and the position of its first byte."""
    for first in range(0, LINES, AT_ONCE):
        yield b"".join(b"line %9d, byte %9d.\n" % (n + 1, n * LINE_LENGTH) for n in range(first, first + AT_ONCE))


router = APIRouter()


@router.api_route("/", methods=["GET", "HEAD"])
async def page(request: Request) -> HTMLResponse:
    return HTMLResponse(PAGE.replace("{url}", html.escape(str(request.base_url))).replace("{get}", html.escape(GET)))


@router.api_route("/tones.wav", methods=["GET", "HEAD"])
async def tones() -> StreamingResponse:
    fields = {"Content-Length": str(len(TONES)), "ETag": f'"tones-{len(TONES)}"'}  # for ranges; for safe resuming
    return StreamingResponse(read_tones(), media_type="audio/wav", headers=fields)


@router.api_route("/lines.txt", methods=["GET", "HEAD"])
async def lines() -> StreamingResponse:
    fields = {"Content-Length": str(LINES * LINE_LENGTH), "ETag": f'"lines-{LINES}"'}
    return StreamingResponse(generate_lines(), media_type="text/plain", headers=fields)


plain = FastAPI()
plain.include_router(router)

app = FastAPI()
app.include_router(router)
app.add_middleware(AsgiRangeMiddleware)  # adds range requests; add it last, so that it is outermost

site = Starlette(routes=[Mount("/plain", plain), Mount("/", app)])


def main() -> None:
    """Listen, say where, and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Run rangeware's demo with FastAPI.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", default=8000, type=int, help="port to listen on (default: %(default)s)")
    wanted = parser.parse_args()
    if not 1 <= wanted.port <= 65_535:
        parser.error(f"a port is a number from 1 to 65535, not {wanted.port}")
    name = f"[{wanted.host}]:{wanted.port}" if ":" in wanted.host else f"{wanted.host}:{wanted.port}"
    try:
        family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
        listener = socket.create_server((wanted.host, wanted.port), family=family)
    except OSError as exc:  # its text may end in "(while attempting ...)"
        why = str(exc.strerror).partition(" (")[0]
        sys.exit(f"Cannot listen on {name}: {why}. Choose another with --port or --host.")
    print(f"Open http://{name}/ (press Ctrl-C here to stop the demo).", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(uvicorn.Config(site, log_level="warning", timeout_graceful_shutdown=1)).run(sockets=[listener])


SCRIPT = Path(sys.executable).with_name("rangeware")  # called by name where the shell finds this one
GET = "rangeware get" if shutil.which("rangeware") == str(SCRIPT) else (
    f"{shlex.quote(os.path.relpath(sys.executable))} -m rangeware get")

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>rangeware and FastAPI</title>
<link rel="icon" href="data:,">
<style>
:root { --ground: #f3f5f6; --panel: #fff; --ink: #17232b; --soft: #55656f; --line: #d8dfe3; --edge: #7f8d95;
  --accent: #0b6b70; --on-accent: #fff; --good: #0b6b4f; --bad: #a8322a; --code: #12242c; }
@media (prefers-color-scheme: dark) { :root { --ground: #0e151a; --panel: #162027; --ink: #e4ecef; --soft: #9db0b9;
  --line: #2a3841; --edge: #6a7a84; --accent: #5cc9c4; --on-accent: #06262a; --good: #6fd3a8; --bad: #f08b80;
  --code: #0a1014; } }
* { box-sizing: border-box; }
body { max-width: 920px; margin: 0 auto; padding: 28px 20px; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif; overflow-wrap: anywhere; }
h1 { margin: 0 0 10px; font-size: 32px; line-height: 1.2; letter-spacing: -0.02em; text-wrap: balance; }
h2 { margin: 0 0 10px; font-size: 18px; }
section > h2 { margin: 30px 0 4px; font-size: 22px; }
p { margin: 6px 0; color: var(--soft); }
a { color: var(--accent); }
button { padding: 6px 14px; border: 1px solid var(--edge); border-radius: 7px; background: none; color: inherit;
  font: inherit; font-size: 14px; cursor: pointer; }
button:hover { border-color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
#both { margin-top: 6px; padding: 9px 24px; border-color: var(--accent); background: var(--accent);
  color: var(--on-accent); font-size: 16px; font-weight: 600; }
.two { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 18px; margin: 16px 0; }
article { padding: 16px; border: 1px solid var(--line); border-radius: 12px; background: var(--panel); }
audio { display: block; width: 100%; height: 44px; margin-bottom: 12px; }
.probe { min-height: 4.5em; margin: 0 0 12px; }
.said { min-height: 3em; margin: 8px 0 0; font-size: 15px; }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
code, pre { font: 13px/1.5 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { margin: 0; padding: 12px 16px; flex: 1; min-width: 0; white-space: pre-wrap; }
.code { display: flex; align-items: center; margin-top: 8px; border: 1px solid var(--line); border-radius: 10px;
  background: var(--code); color: #e3eef0; }
.code button { width: 84px; margin: 5px 6px; border-color: transparent; background: rgb(255 255 255 / 0.12); }
@media (max-width: 600px) {
  body { padding: 14px 14px 10px; } h1 { font-size: 23px; } .two { gap: 8px; } article { padding: 10px; }
  h2 { font-size: 14px; letter-spacing: -0.02em; white-space: nowrap; }
  .probe { font-size: 14px; min-height: 7.5em; } .said { min-height: 6em; font-size: 14px; }
  pre { padding: 10px 12px; font-size: 12px; } .code button { width: 72px; } }
</style>
</head>
<body>
<main>
<h1>One FastAPI view sends both sounds. One line of rangeware makes the left one seekable.</h1>
<p>FastAPI sends what a view yields from its first byte only: players cannot jump, and Safari refuses.</p>
<button id="both">Jump to 0:45 in both</button>
<div class="two">
<article data-side="with" data-src="tones.wav"><h2>With rangeware</h2>
<audio controls preload="metadata" src="tones.wav" aria-label="Rising tones, with rangeware"></audio>
<p class="probe"></p><button>Jump to 0:45</button><p class="said" role="status">Not tried yet.</p></article>
<article data-side="without" data-src="plain/tones.wav"><h2>Without rangeware</h2>
<audio controls preload="metadata" src="plain/tones.wav" aria-label="Rising tones, without rangeware"></audio>
<p class="probe"></p><button>Jump to 0:45</button><p class="said" role="status">Not tried yet.</p></article>
</div>
<div class="code"><pre>app.add_middleware(<wbr>AsgiRangeMiddleware)  # the line</pre></div>
<section>
<h2>Downloads that resume</h2>
<p><a href="lines.txt" download>16 MiB of lines</a>, made while they are sent. Stop the first command with Ctrl-C, and
run it again: it resumes.</p>
<div class="code"><pre>{get} --limit-rate 1M {url}lines.txt</pre></div>
<div class="code"><pre>curl -C - -O --limit-rate 1M {url}lines.txt</pre></div>
<div class="code"><pre>curl -i -r 0-31,320-351 {url}lines.txt</pre></div>
<div class="code"><pre>{get} {url}tones.wav</pre></div>
</section>
</main>
<script type="module">
const TARGET = 45;
const sides = [...document.querySelectorAll("article")];

function jump(side) {
  const [player, said] = [side.querySelector("audio"), side.querySelector(".said")];
  const begun = performance.now();
  player.addEventListener("seeked", () => {
    const isThere = player.currentTime >= TARGET - 0.5;
    const after = Math.round(performance.now() - begun).toLocaleString("en-GB");
    said.className = `said ${isThere ? "good" : "bad"}`;
    const now = `0:${String(Math.floor(player.currentTime)).padStart(2, "0")}`;
    said.textContent = isThere ? `✓ Plays at 0:45 after ${after} ms` : `✗ Still at ${now}: ${side.dataset.why}`;
  }, { once: true });
  player.play().catch(() => {});
  player.currentTime = TARGET; // the browser corrects this where it cannot seek
}

async function probe(side) { // as Safari does before it plays
  const answer = await fetch(side.dataset.src, { headers: { Range: "bytes=0-1" }, cache: "no-store" });
  const length = Number(answer.headers.get("Content-Length")).toLocaleString("en-GB");
  answer.body.cancel();
  const isRange = answer.status === 206;
  side.dataset.why = isRange ? "the player did not seek" : "the server sends the file from its first byte";
  const words = `The server answers “Range: bytes=0-1” with ${answer.status} and ${length} bytes. `;
  side.querySelector(".probe").textContent = words + (isRange ? "✓ Safari plays it." : "✗ Safari refuses to play it.");
}

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch { // browsers offer the clipboard in secure contexts only
    getSelection().selectAllChildren(button.previousElementSibling);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

for (const side of sides) {
  side.querySelector("button").addEventListener("click", () => jump(side));
  probe(side);
}
document.getElementById("both").addEventListener("click", () => sides.forEach(jump));
for (const line of document.querySelectorAll(".code")) {
  const [text, button] = [line.textContent, document.createElement("button")];
  Object.assign(button, { textContent: "Copy", ariaLabel: `Copy: ${text}`, onclick: () => copy(button, text) });
  line.append(button);
}
</script>
</body>
</html>
"""

if __name__ == "__main__":
    main()
