"""Format lengths, times and names for a terminal, in a given number of columns.

Pure: ``display`` decides what is shown and where. Lengths are in bytes, times in seconds.
"""

from __future__ import annotations

import os
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..progress import Download, Progress, Upload

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_USERINFO = re.compile(r"(://)[^/?#\s]*@")
_GAP = "..."
_LEAST_NAME = 5  # columns
_LONGEST_NAME = 40  # before a notice
_READABLE = 12  # columns of a name that can be told from others
_LEAST_BAR = 8  # columns; a shorter bar says nothing
_LONGEST_BAR = 40
_FIRST_LINE = 1 << 20  # bytes, where the complete length is unknown
_NEVER = "-:--:--"


def hide_userinfo(text: str) -> str:
    """Replace the user names and passwords in the URLs of a text.

    >>> hide_userinfo("http://user:password@host/file")
    'http://...@host/file'
    """
    return _USERINFO.sub(r"\1...@", text)


def bare_url(text: str) -> str:
    """Remove the user names and passwords in the URLs of a text, and a fragment at its end.

    >>> bare_url("http://user:password@host/file#sha256=00")
    'http://host/file'
    """
    return _USERINFO.sub(r"\1", text).partition("#")[0]


def make_printable(text: str) -> str:
    """Make one line of ``text``, without passwords, control characters, and others that could steer a terminal."""
    shown = hide_userinfo(text)
    return "".join(char if char.isprintable() else " " if char.isspace() else "?" for char in shown)


def shorten(text: str, width: int) -> str:
    """Shorten ``text`` to ``width`` columns (5 or more), in the middle: the ends of a name tell most."""
    if _columns(text) <= width:
        return text
    room = width - len(_GAP)
    tail = _fitting(text[::-1], room // 2)
    return _fitting(text, room - room // 2) + _GAP + tail[::-1]


def _fitting(text: str, width: int) -> str:
    length = 0
    while length < len(text) and _columns(text[:length + 1]) <= width:
        length += 1
    return text[:length]


def _columns(text: str) -> int:
    return sum(map(_width, text))


def _width(char: str) -> int:
    """The columns of a character: marks that combine with the one before it have none of their own."""
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def format_size(length: float) -> str:
    """Format a length in three digits, in 8 columns at the most: ``"12.3 MiB"``."""
    power = _power(length)
    return f"{_digits(length, power)} {_UNITS[power]}"


def _power(length: float) -> int:
    """The power of 1024 by which three digits suffice."""
    fitting = (power for power in range(len(_UNITS)) if length / 1024**power < 999.5)
    return next(fitting, len(_UNITS) - 1)


def _digits(length: float, power: int) -> str:
    value = length / 1024**power
    if power == 0 or value >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def _part(done: int, complete_length: int) -> str:
    power = _power(complete_length)
    return f"{_digits(done, power)}/{_digits(complete_length, power)} {_UNITS[power]}"


def _percent(done: int, complete_length: int) -> int:
    return done * 100 // complete_length if complete_length else 100


def _clock_face(seconds: float) -> str:
    """Format a time as ``"1:02:03"``, hours first."""
    minutes, second = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{second:02}"


def _left(progress: Progress, complete_length: int) -> str:
    """Format the time left at the present rate, in 7 or 8 columns."""
    left = complete_length - progress.done
    if left > progress.rate * 360_000:  # a hundred hours
        return _NEVER
    return _clock_face(left / progress.rate if left > 0 else 0)


def count_milestones(progress: Progress) -> int:
    """Count the lines of progress that should have been shown by now. The last tenth has the summary."""
    if progress.complete_length is None:
        return (progress.done // _FIRST_LINE).bit_length()
    return min(_percent(progress.done, progress.complete_length) // 10, 9)


def label_of(progress: Progress) -> str:
    """The name of the file; "" as long as it has none."""
    return "standard output" if progress.path == "-" else os.path.basename(progress.path)


def with_name(progress: Progress, text: str) -> str:
    """Put the name of the file, shortened if it is long, before ``text``."""
    name = label_of(progress)
    return f"{shorten(make_printable(name), _LONGEST_NAME)}: {text}" if name else text


def format_progress(progress: Progress) -> str:
    """Format the progress as a line of its own."""
    complete_length = progress.complete_length
    if complete_length is None:
        return f"{format_size(progress.done)}, {_rate(progress.rate)}"
    share = f"{_percent(progress.done, complete_length)} % of {format_size(complete_length)}"
    return f"{share}, {_rate(progress.rate)}, {_left(progress, complete_length)} left"


def _rate(rate: float) -> str:
    return f"{format_size(rate)}/s"


def format_columns(progress: Progress) -> list[str]:
    """Format the progress beside a bar, in columns that keep their place: the longest form first, the shortest last."""
    count = len(progress.segments)
    connections, rate = f"{count:>2} connection{' ' if count == 1 else 's'}", f"{_rate(progress.rate):>10}"
    if progress.complete_length is None:
        columns = [f"{format_size(progress.done):>8}", rate, connections]
        return [" ".join(columns[:count]) for count in (3, 2, 1)]
    share, part, left = _shares(progress, progress.complete_length)
    longest = (share, part, rate, left, connections)
    forms = (longest, longest[:4], (share, rate, left), (share, left), (share,))
    return [" ".join(columns) for columns in forms]


def _shares(progress: Progress, complete_length: int) -> tuple[str, str, str]:
    """The columns that tell how much is there: in percent, in bytes, and in time."""
    return (f"{_percent(progress.done, complete_length):>3}%", f"{_part(progress.done, complete_length):>13}",
            f"{_left(progress, complete_length):>7}")


def format_total(done: int, failed: int, count: int, received: int, rate: float) -> str:
    """Format the figures of several transfers together; ``done`` counts those that have ended, well or not."""
    failures = f", {failed} failed" if failed else ""
    return f"{done} of {count} files{failures}, {format_size(received)}, {_rate(rate)}"


def format_summary(download: Download) -> str:
    """Format the last line: the file, its length, the time it took, and the digest if one was checked."""
    algorithm = "" if download.checksum is None else download.checksum.partition(":")[0]
    checked = f", {algorithm} checked" if algorithm else ""
    if download.already_complete:
        is_compared = download.checksum or download.etag or download.last_modified
        state = "already complete" if is_compared else "there already"
        return f"{download.path} is {state}: {format_size(download.complete_length)}{checked}"
    saved = "written to standard output" if str(download.path) == "-" else f"saved {download.path}"
    return f"{saved}: {_figures(download, download.received)}{checked}"


def format_sent(upload: Upload) -> str:
    """Format the last line of an upload: the file, its length, and the time it took."""
    return f"sent {upload.path}: {_figures(upload, upload.sent)}"


def _figures(transfer: Download | Upload, moved: int) -> str:
    """Format the length, the part that was resumed, the time, and the rate at which so many bytes were moved."""
    before = f" ({format_size(transfer.kept)} resumed)" if transfer.kept else ""
    seconds = max(transfer.seconds, 1e-3)
    took = f"{seconds:.1f} s" if seconds < 60 else _clock_face(seconds)
    return f"{format_size(transfer.complete_length)}{before} in {took}, {_rate(moved / seconds)}"


def share_row(name: str, forms: list[str], room: int) -> tuple[str, int, str]:
    """Share ``room`` columns among the name, a bar and figures, with gaps of one column.

    :param forms: of the figures, the longest first: a shorter one is taken rather than a name that cannot be read.
    :return: the name, shortened if need be; the columns of the bar, 0 for none; and the figures.
    """
    needed, comfortable = (min(_columns(name), columns) + 2 + _LEAST_BAR for columns in (_READABLE, 2 * _READABLE))
    fitting = (form for form in forms if room - len(form) >= (comfortable if form is forms[0] else needed))
    figures = next(fitting, forms[-1])
    room -= len(figures)
    bar = min(_LONGEST_BAR, max(room - 2 - _columns(name), (room - 2) // 3, _LEAST_BAR))
    if room < needed:
        return shorten(name, max(room - 1, _LEAST_NAME)), 0, figures
    return shorten(name, room - 2 - bar), bar, figures
