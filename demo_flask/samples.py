"""The sample files: how they are made, and how the Flask app sends them.

Nothing here handles ranges. ``media/clock.mp4`` comes with the demo (``media/README.md`` describes how it was made).
The other files are made on the first start. Each is written under a temporary name and then renamed, so it is either
complete or missing.
"""

import array
import functools
import hashlib
import io
import math
import os
import wave
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from flask import Response, send_file

_HERE = Path(__file__).parent
INSTANCE = _HERE / "instance"
MEDIA = _HERE / "media"

_MIB = 1 << 20
_BLOCK = 64 * 1024
BIG_LENGTH = 1024 * _MIB
MARK_EVERY = 64 * _MIB

LINE_LENGTH = 32
LINES = 20_000
GENERATED_LINES = 65_536

_SAMPLE_RATE = 22_050
_TONE_SECONDS = 5
_TONES = (220, 247, 277, 330, 370, 440, 494, 554, 659, 740, 880, 988)

_ZIP_TIME = (2024, 1, 1, 0, 0, 0)
_ZIP_MEMBERS = 24


class Sample(NamedTuple):
    """A file of the demo: its name in the URL, texts for the page, and the view that sends it."""

    name: str
    media_type: str
    served_by: str
    about: str
    complete_length: int
    respond: Callable[[], Response]


def line(number: int) -> bytes:
    """Return line ``number``, exactly ``LINE_LENGTH`` bytes: line n occupies bytes 32(n-1) to 32n-1."""
    text = f"line {number:>6}, byte {(number - 1) * LINE_LENGTH:>8}"
    return text.ljust(LINE_LENGTH - 1).encode() + b"\n"


def write_lines(file: BinaryIO) -> None:
    """Write the text file: numbered lines that state their own position."""
    file.writelines(map(line, range(1, LINES + 1)))


def write_tones(file: BinaryIO) -> None:
    """Write the WAV file: a minute of tones, each higher than the one before, so that a seek can be heard."""
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(_SAMPLE_RATE)
        for pitch in _TONES:
            out.writeframes(_beat(pitch) * (_TONE_SECONDS * 2))


def _beat(pitch: int) -> bytes:
    """Return half a second of one pitch. It begins and ends in silence, so that beats join without a click."""
    frames = _SAMPLE_RATE // 2
    loud = (9_000 * (1 - n / frames) * min(1.0, n / 200) for n in range(frames))
    beat = array.array("h", (int(v * math.sin(2 * math.pi * pitch * n / _SAMPLE_RATE)) for n, v in enumerate(loud)))
    return beat.tobytes()


def write_big(file: BinaryIO) -> None:
    """Write the large file: 1 GiB, sparse, with a line of text every 64 MiB, so that it is not all zeros."""
    file.truncate(BIG_LENGTH)
    for first_pos in range(0, BIG_LENGTH, MARK_EVERY):
        file.seek(first_pos)
        file.write(f"--- mark at byte {first_pos} of {BIG_LENGTH} ---\n".encode())


def make_once(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Make the file unless it exists. An existing file is not changed, so that its validators stay the same.

    :raises OSError: if the directory is not writable.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            write(file)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@functools.cache
def archive() -> bytes:
    """Build the zip in memory. Its times are fixed, so that each build has the same bytes and the same ETag."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as out:
        for number in range(1, _ZIP_MEMBERS + 1):
            member = zipfile.ZipInfo(f"page-{number:02}.txt", _ZIP_TIME)
            out.writestr(member, b"".join(map(line, range(1, 50 * number + 1))))
    return content.getvalue()


def generate_lines() -> Iterator[bytes]:
    """Generate the lines of ``generated.txt`` while they are sent; there is no file."""
    for first in range(1, GENERATED_LINES + 1, 128):
        yield b"".join(map(line, range(first, first + 128)))


def _from_file(path: Path, media_type: str) -> Callable[[], Response]:
    """Send a file under the ETag that nginx makes for it, so that HEAD, which the app answers, and GET agree."""
    found = path.stat()
    return lambda: send_file(path, mimetype=media_type, etag=f"{int(found.st_mtime):x}-{found.st_size:x}")


def read_blocks(path: Path) -> Iterator[bytes]:
    """Read a file block by block, as a view does that reads from a database, or decrypts what it sends."""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _from_blocks(path: Path) -> Callable[[], Response]:
    """Send a generator. Flask cannot seek in it: it answers each request with the whole video."""
    found = path.stat()
    fields = {"Content-Length": str(found.st_size), "Content-Type": "video/mp4",
              "ETag": f'"blocks-{int(found.st_mtime):x}-{found.st_size:x}"'}
    return lambda: Response(read_blocks(path), headers=fields)


def _from_generator() -> Response:
    fields = {"Content-Length": str(GENERATED_LINES * LINE_LENGTH), "ETag": f'"lines-{GENERATED_LINES}"'}
    return Response(generate_lines(), mimetype="text/plain", headers=fields)


def _from_memory() -> Response:
    content = archive()
    return send_file(io.BytesIO(content), mimetype="application/zip", etag=hashlib.sha256(content).hexdigest()[:16])


def _file_sample(path: Path, media_type: str, about: str) -> Sample:
    served_by = f'send_file("{path.name}")'
    return Sample(path.name, media_type, served_by, about, path.stat().st_size, _from_file(path, media_type))


def prepare(directory: Path = INSTANCE) -> dict[str, Sample]:
    """Return all samples by name. Make missing files first, which takes well under a second.

    :raises OSError: if ``directory`` is not writable.
    """
    make_once(directory / "tones.wav", write_tones)
    make_once(directory / "big.bin", write_big)
    make_once(directory / "lines.txt", write_lines)
    film = MEDIA / "clock.mp4"
    samples = (
        Sample("stream.mp4", "video/mp4", "Response(generator)", "The film of a running clock, sent in blocks.",
               film.stat().st_size, _from_blocks(film)),
        _file_sample(film, "video/mp4", "The same film, from its file."),
        _file_sample(directory / "tones.wav", "audio/wav", "A minute of rising tones."),
        _file_sample(directory / "big.bin", "application/octet-stream", "A sparse file of 1 GiB."),
        _file_sample(directory / "lines.txt", "text/plain", "Numbered lines of 32 bytes each."),
        Sample("generated.txt", "text/plain", "Response(generator)",
               "Lines made while they are sent.",
               GENERATED_LINES * LINE_LENGTH, _from_generator),
        Sample("archive.zip", "application/zip", "send_file(BytesIO)", "A zip built in memory, with an ETag.",
               len(archive()), _from_memory),
    )
    return {sample.name: sample for sample in samples}
