"""Two requests to one upload that meet at a given point: what the first has begun, the second ends or finds done."""

import contextlib

import pytest

from rangeware.uploads import FileStorage, UploadApp
from rangeware.uploads.protocol.values import Reason, Refusal
from tests.support import environ_for, run
from tests.uploads.draft_table import append, ask, create
from tests.uploads.tus_table import DATA, LENGTH, STORED, check_answer
from tests.uploads.twins import PATH, Twin


class Meeting(FileStorage):
    """A storage in which something happens just before the next upload is claimed."""

    def __init__(self, directory):
        super().__init__(directory)
        self.before_claim = None

    def claim(self, id, offset=None):
        happens, self.before_claim = self.before_claim, None
        if happens:
            happens()
        return super().claim(id, offset)


@pytest.fixture
def twin(tmp_path):
    twin = Twin("wsgi", tmp_path)
    twin.storage = Meeting(tmp_path)
    twin.app = UploadApp(twin.storage, path=PATH)
    return twin


def finish(twin, path):
    return lambda: ask(twin, "PATCH", path, append(STORED, "?1"), DATA[STORED:])


def test_head_of_an_upload_that_is_finished_meanwhile_tells_that_it_is(twin):
    path = create(twin, DATA[:STORED])
    twin.storage.before_claim = finish(twin, path)
    head = ask(twin, "HEAD", path, {})
    check_answer(head, (200, 204), {"Upload-Offset": str(LENGTH), "Upload-Complete": "?1"})


def test_append_to_an_upload_that_is_finished_meanwhile_is_refused_and_not_404(twin):
    path = create(twin, DATA[:STORED])
    twin.storage.before_claim = finish(twin, path)
    check_answer(ask(twin, "PATCH", path, append(STORED), b"x"), (400, 409), {"Upload-Offset": str(LENGTH)})


def test_append_to_an_upload_that_is_removed_meanwhile_is_404(twin):
    path = create(twin, DATA[:STORED])
    twin.storage.before_claim = lambda: ask(twin, "DELETE", path, {})
    check_answer(ask(twin, "PATCH", path, append(STORED), b"x"), (404, 410), {})


class _Interrupted:
    """The content of a request; something happens between its two pieces."""

    def __init__(self, pieces, happens):
        self.pieces = list(pieces)
        self.happens = happens

    def read(self, size):
        if len(self.pieces) == 1:
            self.happens()
        return self.pieces.pop(0) if self.pieces else b""


def interrupted(twin, path, fields, pieces, happens):
    named = {name.replace("-", "_"): value for name, value in fields.items() if name != "Content-Type"}
    environ = environ_for("PATCH", path, **named)
    environ.update({"CONTENT_TYPE": fields["Content-Type"], "CONTENT_LENGTH": str(sum(map(len, pieces))),
                    "wsgi.input": _Interrupted(pieces, happens)})
    return run(twin.app, environ, validate=False)


def test_request_that_is_taken_over_gets_no_more_bytes_in(twin):
    path = create(twin, DATA[:STORED])
    late = interrupted(twin, path, append(STORED), [DATA[4:6], b"xxxx"],
                       lambda: ask(twin, "PATCH", path, append(6, "?0"), DATA[6:8]))
    check_answer(late, (409, 423), {"Upload-Complete": "?0"})
    ask(twin, "PATCH", path, append(8, "?1"), DATA[8:])
    assert ask(twin, "GET", path, {}).body == DATA


def test_request_that_is_overtaken_to_the_end_is_refused_and_not_404(twin):
    path = create(twin, DATA[:STORED])
    late = interrupted(twin, path, append(STORED), [DATA[4:6], b"xxxx"],
                       lambda: ask(twin, "PATCH", path, append(6, "?1"), DATA[6:]))
    check_answer(late, (400, 409, 423), {})
    assert ask(twin, "GET", path, {}).body == DATA


def test_head_ends_the_request_that_is_under_way(twin):
    path = create(twin, DATA[:STORED])
    told = []
    late = interrupted(twin, path, append(STORED), [DATA[4:6], b"xxxx"],
                       lambda: told.append(ask(twin, "HEAD", path, {})))
    assert (late.status, told[0].get("Upload-Offset")) == (423, "6")
    assert ask(twin, "HEAD", path, {}).get("Upload-Offset") == "6"


def test_delete_ends_the_request_that_is_under_way(twin):
    path = create(twin, DATA[:STORED])
    late = interrupted(twin, path, append(STORED), [DATA[4:6], b"xxxx"], lambda: ask(twin, "DELETE", path, {}))
    check_answer(late, (404, 410), {})
    assert list(twin.directory.iterdir()) == []


def test_what_is_taken_over_after_its_last_byte_is_not_completed_with_bytes_of_another(twin, monkeypatch):
    path = create(twin, DATA[:STORED])
    finish_now = twin.storage.finish

    def finish_later(id, accept):
        with contextlib.closing(twin.storage.claim(id, LENGTH)) as writer:
            writer.write(b"of another")
        return finish_now(id, accept)
    with monkeypatch.context() as patch:
        patch.setattr(twin.storage, "finish", finish_later)
        answer = ask(twin, "PATCH", path, append(STORED, "?1"), DATA[STORED:], declared=None)
    assert answer.status in (409, 423) or ask(twin, "GET", path, {}).body == DATA


def test_locked_refusal_names_its_reason(twin):
    path = create(twin, DATA[:STORED])
    first = twin.storage.claim(path.rpartition("/")[2])
    second = twin.storage.claim(path.rpartition("/")[2])
    with pytest.raises(Refusal) as caught:
        first.write(b"x")
    assert caught.value.reason is Reason.LOCKED
    first.close()
    second.close()
