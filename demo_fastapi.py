"""A demo of rangeware with FastAPI: audio that seeks, and a stream that resumes. ``python demo_fastapi.py [PORT]``"""

import contextlib
import html
import math
import sys
import tempfile
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, StreamingResponse

from rangeware import AsgiRangeMiddleware

LINES, LINE_LENGTH, AT_ONCE = 524_288, 32, 2_048
PITCHES, SAMPLE_RATE = (220, 247, 277, 330, 370, 440, 494, 554, 659, 740, 880, 988), 8_000
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>rangeware and FastAPI</title>
<p>A minute of rising tones, from a file. Drag the slider: the player requests the bytes from that position.</p>
<audio controls preload="metadata" src="tones.wav"></audio>
<p><a href="lines.txt" download>16 MiB of lines</a>, generated while they are sent. Pause and resume it, or run:</p>
<pre>curl -i -r 0-31,320-351 {url}lines.txt
curl -C - -O --limit-rate 1M {url}lines.txt
rangeware get --limit-rate 1M {url}lines.txt
rangeware get {url}tones.wav</pre>
<p>Stop one with Ctrl-C and run it again: it resumes where it stopped. The last two need
<code>pip install '.[cli]'</code>.</p></html>"""


def write_tones(path: Path) -> None:
    """Write five seconds of each pitch, one byte per sample. Each second fades out, to join without a click."""
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 1, SAMPLE_RATE, 0, "NONE", ""))
        for pitch in PITCHES:
            swings = (math.sin(2 * math.pi * pitch * n / SAMPLE_RATE) for n in range(SAMPLE_RATE))
            sound.writeframes(bytes(128 + int(60 * (1 - n / SAMPLE_RATE) * s) for n, s in enumerate(swings)) * 5)


async def generate_lines() -> AsyncIterator[bytes]:
    """Generate lines of 32 bytes, each with its number and the position of its first byte."""
    for first in range(0, LINES, AT_ONCE):
        yield b"".join(b"line %9d, byte %9d.\n" % (n + 1, n * LINE_LENGTH) for n in range(first, first + AT_ONCE))


@contextlib.asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Path]]:
    """Make the audio file, and delete it when the server stops."""
    with tempfile.TemporaryDirectory(prefix="rangeware-demo-") as directory:
        path = Path(directory, "tones.wav")
        write_tones(path)
        yield {"tones": path}


app = FastAPI(lifespan=lifespan)
app.add_middleware(AsgiRangeMiddleware)  # adds range requests; add it last, so that it is outermost


@app.get("/")
async def page(request: Request) -> HTMLResponse:
    return HTMLResponse(PAGE.format(url=html.escape(str(request.base_url))))


@app.get("/tones.wav")
async def tones(request: Request) -> FileResponse:
    return FileResponse(request.state.tones, media_type="audio/wav")


@app.get("/lines.txt")
async def lines() -> StreamingResponse:
    fields = {"Content-Length": str(LINES * LINE_LENGTH), "ETag": f'"lines-{LINES}"'}  # for ranges; for safe resuming
    return StreamingResponse(generate_lines(), media_type="text/plain", headers=fields)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    print(f"Open http://127.0.0.1:{port}/ (press Ctrl-C here to stop the demo).", flush=True)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1)
