"""Downloads from several addresses: never a mixed file, and the file as long as any address has it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

import pytest

from rangeware.client import DigestError, NetworkError, Progress, download
from rangeware.client.api import DownloadRun
from rangeware.client.digests import Pieces
from rangeware.client.io.part_file import PartFile
from rangeware.client.io.target import Target
from rangeware.client.options import DownloadOptions
from rangeware.errors import InvalidOption
from tests.client.fault_server import Act, Call, FaultServer, Version, behave, page, random_bytes

QUICK = {"segments": 1, "timeout": 1.0, "first_byte": 1.0, "first_delay": 0.01, "longest_delay": 0.05}
FOUR = {**QUICK, "segments": 4, "segment_size": 16_384, "worthwhile": 0}
CONTENT = random_bytes(1, 600_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
JUDGED = {**FOUR, "sha256": SHA256}


def slow(call: Call) -> None:
    """200 blocks a second."""
    reply = call.reply
    call.line.send(reply.head())
    call.line.send_slowly(reply.content, 4096, 0.01)


def without_validators(call: Call) -> None:
    call.send(call.reply.without("ETag", "Last-Modified"))


def cut_at(length: int) -> Act:
    def cut(call: Call) -> None:
        call.send_cut(call.reply, length)

    return cut


def missing(call: Call) -> None:
    call.send(page(404))


def broken(call: Call) -> None:
    call.line.hang_up()


def hangs(call: Call) -> None:
    call.line.stall()


def plain(call: Call) -> None:
    """No ranges at all."""
    call.send(Call(call.line, call.request._replace(fields=()), call.number).reply.without("Accept-Ranges"))


def lies_later(call: Call) -> None:
    """Other bytes in each range that does not begin at 0."""
    reply = call.reply
    content = bytes(each ^ 255 for each in reply.content) if call.request.is_later else reply.content
    call.send(reply._replace(content=content))


def lies_behind_the_overlap(call: Call) -> None:
    """The first 64 KiB of each range are right."""
    reply = call.reply
    changed = bytes(each ^ 1 for each in reply.content[65_536:])
    call.send(reply._replace(content=reply.content[:65_536] + changed) if call.request.is_later else reply)


class Mirrors:
    """Servers of one file, each of which behaves in its own way."""

    def __init__(self, *acts: Act) -> None:
        self._stack = contextlib.ExitStack()
        self.servers = [self._stack.enter_context(FaultServer(act, pause=0.002)) for act in acts]
        for number, server in enumerate(self.servers):  # each has its own validators for the same bytes
            server.version = Version(1, CONTENT, f'"{number}"', 1_700_000_000 + number)
        self.told: list[Progress] = []

    def get(self, path, **options):
        first, *others = (server.url for server in self.servers)
        for server in self.servers:
            server.patience = 0.2 if options.get("segments", 1) > 1 else 0
        return download(first, path, mirrors=others, progress=self.told.append, **options)

    def notices(self, event: str) -> list[str]:
        return [each.text for each in self.told if each.event == event]

    def __enter__(self) -> Mirrors:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


@pytest.fixture
def path(tmp_path) -> Iterator:
    yield tmp_path / "f"
    left = [each.name for each in tmp_path.iterdir() if each.name != "f" and ".part.1" not in each.name]
    assert left == []


# --- Without a digest: one after the other ----------------------------------------------------------------------------


@pytest.mark.parametrize("first", [missing, broken, hangs, cut_at(0)])
def test_the_next_is_asked_if_the_first_has_nothing(path, first):
    with Mirrors(first, behave) as mirrors:
        assert mirrors.get(path, **QUICK).path.read_bytes() == CONTENT
        assert mirrors.servers[1].url in "".join(mirrors.notices("retry"))


def test_nobody_has_it(path):
    with Mirrors(missing, broken, missing) as mirrors, pytest.raises(NetworkError):
        mirrors.get(path, **QUICK)
    assert all(server.requests for server in mirrors.servers)


def stops_after(length: int) -> Act:
    """So many bytes once, and then nothing more."""

    def act(call: Call) -> None:
        if call.number:
            call.line.hang_up()
        else:
            call.send_cut(call.reply, length)

    return act


def test_the_same_strong_validator_lets_what_is_there_stay(path):
    with Mirrors(stops_after(300_000), behave) as mirrors:
        mirrors.servers[1].version = mirrors.servers[0].version
        result = mirrors.get(path, **QUICK)
    assert (result.path.read_bytes(), result.restarts) == (CONTENT, 0)
    assert mirrors.servers[1].requests[0].first_pos == 300_000 - 16_384


def ranges_without_validators(call: Call) -> None:
    """Neither sends validators nor knows If-Range."""
    fields = tuple(line for line in call.request.fields if line[0] != "if-range")
    call.send(Call(call.line, call.request._replace(fields=fields), call.number).reply.without("ETag", "Last-Modified"))


@pytest.mark.parametrize("second", [behave, without_validators, plain, ranges_without_validators])
def test_without_it_the_file_is_begun_again(path, second):
    """Two builds of a file may be as long, and alike in any overlap."""
    with Mirrors(stops_after(300_000), second) as mirrors:
        other = bytearray(CONTENT)
        other[1000] ^= 1
        mirrors.servers[1].version = Version(1, bytes(other), '"b"', 1_700_000_000)
        result = mirrors.get(path, **QUICK)
    assert result.path.read_bytes() == bytes(other)
    assert result.restarts > 0


def test_without_any_validator_nothing_is_joined(path):
    with Mirrors(lambda call: (without_validators if not call.number else broken)(call), without_validators) as mirrors:
        mirrors.servers[0].budget = 300_000
        other = b"x" * 1000 + CONTENT[1000:]
        mirrors.servers[1].version = Version(1, other, '"b"', 1_700_000_000)
        assert mirrors.get(path, **QUICK).path.read_bytes() == other


def test_what_a_mirror_has_sent_is_resumed_there(tmp_path):
    with Mirrors(missing, cut_at(300_000)) as mirrors:
        with pytest.raises(NetworkError):
            mirrors.get(tmp_path / "f", **QUICK, tries=1)
        for server in mirrors.servers:
            server.requests.clear()
        mirrors.servers[1].behave_as(behave)
        result = mirrors.get(tmp_path / "f", **QUICK)
        assert (result.path.read_bytes(), result.kept) == (CONTENT, 300_000)
        assert result.url == mirrors.servers[0].url
        assert not mirrors.servers[0].requests
        assert mirrors.servers[1].requests[0].is_later


# --- With a digest: all at once ---------------------------------------------------------------------------------------


def test_parts_come_from_all(path):
    with Mirrors(behave, behave, behave) as mirrors:
        result = mirrors.get(path, **JUDGED)
        assert result.path.read_bytes() == CONTENT
        assert all(server.requests for server in mirrors.servers)
        assert mirrors.notices("fewer") == []
    assert result.received < 2 * len(CONTENT)


@pytest.mark.parametrize("other", [missing, broken, plain, lies_later, without_validators, hangs, cut_at(50_000), slow])
@pytest.mark.parametrize("is_first", [True, False])
def test_one_that_is_bad_does_no_harm(path, other, is_first):
    acts = (other, behave, behave) if is_first else (behave, other, behave)
    with Mirrors(*acts) as mirrors:
        assert mirrors.get(path, **JUDGED).path.read_bytes() == CONTENT


def test_another_length_is_another_file(path):
    with Mirrors(behave, behave) as mirrors:
        mirrors.servers[1].version = Version(1, CONTENT + b"x", '"b"', 1_700_000_000)
        assert mirrors.get(path, **JUDGED).path.read_bytes() == CONTENT
        assert "600001 bytes instead of 600000; continuing without it" in "".join(mirrors.notices("fewer"))


def test_other_bytes_are_fetched_again(path):
    with Mirrors(behave, lies_later) as mirrors:
        assert mirrors.get(path, **JUDGED).path.read_bytes() == CONTENT
        told = "".join(mirrors.notices("fewer"))
    assert "are not the same; continuing without it" in told
    assert mirrors.servers[1].url in told


@pytest.mark.parametrize("acts", [(slow, lies_behind_the_overlap), (lies_behind_the_overlap, behave)])
def test_after_a_lie_that_no_overlap_shows_each_is_asked_alone(path, acts):
    with Mirrors(*acts) as mirrors:
        result = mirrors.get(path, **JUDGED)
        assert result.path.read_bytes() == CONTENT
        assert sum("one address after the other" in text for text in mirrors.notices("changed")) <= 2


def test_a_wrong_digest_is_found_out_after_two_downloads(tmp_path):
    with Mirrors(slow, behave, behave) as mirrors:
        with pytest.raises(DigestError, match=f"^the sha256 is {SHA256} instead of ffff"):
            mirrors.get(tmp_path / "f", **{**FOUR, "sha256": "f" * 64})
        assert sum(server.sent for server in mirrors.servers) < 3.5 * len(CONTENT)
    assert not (tmp_path / "f").exists()


SAME, OTHER = DigestError("the sha256 is 1 instead of 2"), DigestError("the sha256 is 3 instead of 2")
GONE = NetworkError("no response")
AB, A, B = ["http://a/f", "http://b/f"], ["http://a/f"], ["http://b/f"]


@pytest.mark.parametrize(("ends", "asked", "end"), [
    ([SAME, "right"], [AB, A], "right"),
    ([SAME, GONE, "right"], [AB, A, B], "right"),
    ([SAME, OTHER, "right"], [AB, A, B], "right"),
    ([SAME, SAME], [AB, A], SAME),
    ([SAME, OTHER, GONE], [AB, A, B], OTHER),
    ([GONE], [AB], GONE),
])
def test_who_is_asked_alone_after_a_wrong_digest(tmp_path, monkeypatch, ends, asked, end):
    """If one alone sends the same as all together, the digest is wrong, and not what they send."""
    left, urls = list(ends), []

    def attempt(self, each, *rest):
        urls.append(list(each))
        now = left.pop(0)
        if isinstance(now, Exception):
            raise now
        return now

    monkeypatch.setattr(DownloadRun, "_attempt", attempt)
    monkeypatch.setattr(DownloadRun, "_is_mixed", property(lambda self: len(urls) == 1))
    run = DownloadRun(AB[0], tmp_path / "f", DownloadOptions(mirrors=AB[1:]))
    if isinstance(end, Exception):
        with pytest.raises(type(end)) as caught:
            run.result()
        assert caught.value is end
    else:
        assert run.result() == end
    assert urls == asked


@pytest.mark.parametrize("length", [len(CONTENT), len(CONTENT) - 1])
def test_the_first_of_them_has_another_file(tmp_path, length):
    with Mirrors(behave, behave, behave) as mirrors:
        mirrors.servers[0].version = Version(9, random_bytes(9, length), '"old"', 1_700_000_000)
        result = mirrors.get(tmp_path / "f", **JUDGED)
        assert result.path.read_bytes() == CONTENT


def test_all_of_them_lie(tmp_path):
    """Each in its own way."""
    with Mirrors(slow, lies_later) as mirrors:
        for number, server in enumerate(mirrors.servers):
            server.version = Version(1, CONTENT[:-1] + bytes([number]), f'"{number}"', 1_700_000_000)
        with pytest.raises(DigestError):
            mirrors.get(tmp_path / "f", **JUDGED)
    assert not (tmp_path / "f").exists()


def test_the_first_one_goes_away_in_the_midst(path):
    with Mirrors(stops_after(150_000), behave) as mirrors:
        result = mirrors.get(path, **JUDGED)
    assert (result.path.read_bytes(), result.restarts) == (CONTENT, 0)


@pytest.mark.parametrize("mirrors", ["http://127.0.0.1/", [5], ["ftp://127.0.0.1/f"], ["nonsense"]])
def test_mirrors_that_are_none(tmp_path, mirrors):
    with pytest.raises(InvalidOption):
        download("http://127.0.0.1:1/", tmp_path / "f", mirrors=mirrors)


# --- With the digests of its pieces -----------------------------------------------------------------------------------


def pieces_of(content: bytes, length: int = 50_000) -> Pieces:
    parts = (content[first:first + length] for first in range(0, len(content), length))
    return Pieces(length, "sha1", tuple(hashlib.sha1(part).digest() for part in parts))


PIECEWISE = {**JUDGED, "pieces": pieces_of(CONTENT)}


@pytest.mark.parametrize("liar", [0, 1])
def test_a_lie_that_no_overlap_shows_is_found_by_its_piece(path, liar):
    acts = (slow, lies_behind_the_overlap) if liar else (lies_always, behave, behave)
    with Mirrors(*acts) as mirrors:
        result = mirrors.get(path, **{**PIECEWISE, "segments": len(acts), "pieces": pieces_of(CONTENT, 10_000)})
        assert (result.path.read_bytes(), result.restarts) == (CONTENT, 0)
        told = "".join(mirrors.notices("fewer"))
        assert f"{mirrors.servers[liar].url}: a piece with a wrong digest; continuing without it" in told


def lies_always(call: Call) -> None:
    """One byte of 100,000 is wrong."""
    content = bytearray(call.reply.content)
    content[70_000::100_000] = bytes(each ^ 1 for each in content[70_000::100_000])
    call.send(call.reply._replace(content=bytes(content)))


def flips_once(call: Call) -> None:
    """One byte of the first response is wrong."""
    content = bytearray(call.reply.content)
    if call.number == 0:
        content[70_000] ^= 1
    call.send(call.reply._replace(content=bytes(content)))


FAR_APART = {**FOUR, "segment_size": 100_000}
"""No connection begins so early that it compares the byte at 70,000."""


@pytest.mark.parametrize("options", [QUICK, FAR_APART])
def test_a_wrong_piece_is_fetched_again_from_the_only_address(path, options):
    with Mirrors(flips_once) as mirrors:
        result = mirrors.get(path, **{**PIECEWISE, **options})
        assert (result.path.read_bytes(), result.restarts) == (CONTENT, 0)
        assert result.received < 2 * len(CONTENT)
        assert "bytes 50000 to 99999 have a wrong digest" in mirrors.notices("retry")


def test_digest_of_a_file_that_was_begun_anew_meanwhile_does_not_count(path, monkeypatch):
    """It is that of the old part file."""
    told = []
    of_part, current = PartFile.digest_of_part, Target.part_file.fget

    def too_late(part_file, part, algorithm):
        told.append("digest")
        return b"wrong" if len(told) == 1 else of_part(part_file, part, algorithm)

    def part_file(target):
        if told != ["digest"]:
            return current(target)
        told.append("another part file")
        return object()

    monkeypatch.setattr(PartFile, "digest_of_part", too_late)
    monkeypatch.setattr(Target, "part_file", property(part_file))
    with Mirrors(behave) as mirrors:
        assert mirrors.get(path, **{**PIECEWISE, **QUICK}).path.read_bytes() == CONTENT
        assert mirrors.notices("retry") == []
    assert told[1] == "another part file"


def test_an_address_that_is_never_right_is_given_up(tmp_path):
    told = "pieces have come with a wrong digest [34] times in a row"  # two connections at once
    with Mirrors(lies_always) as mirrors, pytest.raises(DigestError, match=told):
        mirrors.get(tmp_path / "f", **{**PIECEWISE, "pieces": pieces_of(CONTENT, 100_000), "tries": 3})
    assert not (tmp_path / "f").exists()


def test_several_addresses_that_are_never_right_are_not_asked_alone(tmp_path):
    """The pieces have told already who was wrong; those that were right stay."""
    with Mirrors(behave, behave) as mirrors:
        for server in mirrors.servers:
            server.version = server.version._replace(content=CONTENT[:70_000] + b"x" + CONTENT[70_001:])
        with pytest.raises(DigestError, match="times in a row"):
            mirrors.get(tmp_path / "f", **{**PIECEWISE, "tries": 3})
    assert {each.name for each in tmp_path.iterdir()} == {"f.part", "f.part.json"}


def test_the_pieces_of_an_earlier_run_are_checked(path):
    with Mirrors(cut_at(300_000)) as mirrors:
        with pytest.raises(NetworkError):
            mirrors.get(path, **{**PIECEWISE, "segments": 1, "tries": 1})
        with path.with_name("f.part").open("r+b") as file:
            file.seek(120_000)
            file.write(b"spoilt")
        mirrors.servers[0].behave_as(behave)
        mirrors.servers[0].requests.clear()
        result = mirrors.get(path, **PIECEWISE)
        assert (result.path.read_bytes(), result.restarts, result.kept) == (CONTENT, 0, 300_000)
    assert "bytes 100000 to 149999 have a wrong digest" in mirrors.notices("retry")


def test_pieces_of_another_file_are_not_looked_at(path):
    with Mirrors(behave) as mirrors:
        other = pieces_of(CONTENT + bytes(100_000))
        assert mirrors.get(path, **{**PIECEWISE, "pieces": other}).path.read_bytes() == CONTENT


@pytest.mark.parametrize("options", [{"pieces": 5}, {"pieces": pieces_of(b"a")}])
def test_pieces_that_are_none_or_without_a_digest(tmp_path, options):
    with pytest.raises(InvalidOption, match="^pieces must be "):
        download("http://127.0.0.1:1/", tmp_path / "f", **options)
