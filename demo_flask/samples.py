"""The sample data: what it is, how it is made, and how the Flask app answers with it.

Nothing here knows about ranges. ``media/clock.mp4`` comes with the demo (``media/README.md`` says how it was made);
the other files are made on the first start, each under a temporary name and then renamed, so a file is there whole
or not at all.
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

_MIB = 1 << 20
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
    """One representation of the demo: its name in the URL, words for the page, and the view that answers with it."""

    name: str
    media_type: str
    served_by: str
    about: str
    complete_length: int
    respond: Callable[[], Response]


def line(number: int) -> bytes:
    """Line ``number``, exactly ``LINE_LENGTH`` bytes: line n stands at bytes 32(n-1) to 32n-1."""
    text = f"line {number:>6}, byte {(number - 1) * LINE_LENGTH:>8}"
    return text.ljust(LINE_LENGTH - 1).encode() + b"\n"


def write_lines(file: BinaryIO) -> None:
    """The text file: numbered lines that name their own position."""
    file.writelines(map(line, range(1, LINES + 1)))


def write_tones(file: BinaryIO) -> None:
    """The WAV: a minute of tones, each higher than the last, so that a seek is heard."""
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(_SAMPLE_RATE)
        for pitch in _TONES:
            out.writeframes(_beat(pitch) * (_TONE_SECONDS * 2))


def _beat(pitch: int) -> bytes:
    """Half a second of one pitch that dies away: it begins and ends in silence, so beats join without a click."""
    frames = _SAMPLE_RATE // 2
    loud = (9_000 * (1 - n / frames) * min(1.0, n / 200) for n in range(frames))
    beat = array.array("h", (int(v * math.sin(2 * math.pi * pitch * n / _SAMPLE_RATE)) for n, v in enumerate(loud)))
    return beat.tobytes()


def write_big(file: BinaryIO) -> None:
    """The big download: a sparse file of 1 GiB with a line of text every 64 MiB, so it is not zeros alone."""
    file.truncate(BIG_LENGTH)
    for first_pos in range(0, BIG_LENGTH, MARK_EVERY):
        file.seek(first_pos)
        file.write(f"--- mark at byte {first_pos} of {BIG_LENGTH} ---\n".encode())


def make_once(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Make the file unless it is there. A file that is there is left alone, so its validators stay.

    :raises OSError: where the directory cannot be written.
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
    """The zip, built in memory. Its times are fixed, so each build has the same bytes and the same ETag."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as out:
        for number in range(1, _ZIP_MEMBERS + 1):
            member = zipfile.ZipInfo(f"page-{number:02}.txt", _ZIP_TIME)
            out.writestr(member, b"".join(map(line, range(1, 50 * number + 1))))
    return content.getvalue()


def generate_lines() -> Iterator[bytes]:
    """The body that no file stands behind: lines made while they are sent."""
    for first in range(1, GENERATED_LINES + 1, 128):
        yield b"".join(map(line, range(first, first + 128)))


def _from_file(path: Path, media_type: str) -> Callable[[], Response]:
    return lambda: send_file(path, mimetype=media_type)


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
    """All samples by name, made first where they are missing. Takes well under a second.

    :raises OSError: where ``directory`` cannot be written.
    """
    make_once(directory / "tones.wav", write_tones)
    make_once(directory / "big.bin", write_big)
    make_once(directory / "lines.txt", write_lines)
    samples = (
        _file_sample(_HERE / "media" / "clock.mp4", "video/mp4", "A film of a running clock, 90 seconds."),
        _file_sample(directory / "tones.wav", "audio/wav", "A minute of rising tones, made on the first start."),
        _file_sample(directory / "big.bin", "application/octet-stream", "A sparse file: 1 GiB that takes no disk."),
        _file_sample(directory / "lines.txt", "text/plain", "Numbered lines of 32 bytes each."),
        Sample("generated.txt", "text/plain", "Response(generator)",
               "No file: lines made while they are sent, with a declared length.",
               GENERATED_LINES * LINE_LENGTH, _from_generator),
        Sample("archive.zip", "application/zip", "send_file(BytesIO)", "A zip built in memory, with an ETag.",
               len(archive()), _from_memory),
    )
    return {sample.name: sample for sample in samples}
