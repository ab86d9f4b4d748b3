"""Off-load by both middlewares: which responses become empty ones with the field, and what stays on them."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import bottle
import flask
import pytest
from django.http import FileResponse as DjangoFileResponse
from starlette.responses import FileResponse

from rangeware import AsgiRangeMiddleware, InvalidOption, RangeMiddleware, Reason
from rangeware.offload import XAccelRedirect, XSendfile
from tests.asgi_support import ask
from tests.support import CONTENT, Answer, answering, get, parts

FIELD = "X-Accel-Redirect"
OUR_OWN = ["X-Accel-Redirect", "X-Sendfile", "X-Sendfile2", "X-LIGHTTPD-send-file", "X-LiteSpeed-Location"]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.bin"
    path.write_bytes(CONTENT)
    return path


def wrapped(app: Any, film: Path, **options: Any) -> RangeMiddleware:
    return RangeMiddleware(app, offload=XAccelRedirect({film.parent: "/protected/"}), **options)


def asgi(app: Any, film: Path, **options: Any) -> AsgiRangeMiddleware:
    return AsgiRangeMiddleware(app, offload=XAccelRedirect({film.parent: "/protected/"}), **options)


def opened(film: Path, wraps: bool = True) -> Any:
    """An app that answers with the file, in ``wsgi.file_wrapper`` or as it is."""
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "video/mp4"), ("ETag", '"v1"'), ("Set-Cookie", "a=1"),
                                  ("Set-Cookie", "b=2"), ("Content-Length", "1000"),
                                  ("Cache-Control", "private"), ("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT")])
        wrapper = environ.get("wsgi.file_wrapper") if wraps else None
        return film.open("rb") if wrapper is None else wrapper(film.open("rb"))
    return app


def is_handed_over(answer: Answer, film: Path) -> bool:
    """True if it is the empty answer that names the film; False if it has the content, and names nothing."""
    field = answer.get(FIELD)
    assert field in (None, f"/protected/{film.name}")
    if field is not None:
        assert (answer.status, answer.body, answer.get("Content-Length")) == (200, b"", "0")
        assert answer.get("Accept-Ranges") is answer.get("Content-Range") is answer.get("Content-MD5") is None
    return field is not None


REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {}, "range": {"range": "bytes=0-9"}, "several": {"range": "bytes=0-9,20-29"},
    "malformed": {"range": "bytes=x"}, "unit": {"range": "items=0-9"},
    "if-range": {"range": "bytes=0-9", "if_range": '"nginx"'}, "if-none-match": {"if_none_match": '"v1"'},
    "if-match": {"if_match": '"nginx"'}, "head": {"method": "HEAD"},
    "head with range": {"method": "HEAD", "range": "bytes=0-9"},
    "unmodified": {"if_unmodified_since": "Sat, 01 Jan 2000 00:00:00 GMT"},
    "modified": {"if_modified_since": "Fri, 01 Jan 2100 00:00:00 GMT"},
}


@pytest.mark.each
@pytest.mark.parametrize("wraps", [True, False])
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_the_front_server_gets_every_request_for_a_file(film: Path, request_: dict[str, Any], wraps: bool) -> None:
    served = wrapped(opened(film, wraps), film)
    for answer in (get(served, **request_), get(served, **request_)):  # the second one may take a shorter way
        assert is_handed_over(answer, film)
    assert answer.all("Set-Cookie") == ["a=1", "b=2"]
    kept = [answer.get(name) for name in ("ETag", "Content-Type", "Cache-Control")]
    assert kept == ['"v1"', "video/mp4", "private"]
    assert answer.environ["rangeware.plan"].reason is Reason.OFFLOADED


@pytest.mark.each
@pytest.mark.parametrize("request_", [REQUESTS[name] for name in REQUESTS if name != "unit"])  # Starlette: 400
@pytest.mark.parametrize("trio", [False, True])
def test_the_same_for_an_asgi_app_that_names_its_file(film: Path, request_: dict[str, Any], trio: bool) -> None:
    answer = ask(asgi(FileResponse(film, headers={"Vary": "Cookie"}), film), trio=trio, **request_)
    is_head = request_.get("method") == "HEAD"  # then an ASGI app names no file
    assert is_handed_over(answer, film) is not is_head
    assert answer.get("Vary") == "Cookie"
    assert not [key for key in answer.environ if key.startswith("rangeware") and key != "rangeware.plan"]


def test_a_416_is_sent_from_here(film: Path) -> None:
    for answer in (get(wrapped(opened(film), film), "bytes=1000-"),
                   ask(asgi(FileResponse(film), film), "bytes=1000-")):
        assert (answer.status, answer.get("Content-Range"), answer.get(FIELD)) == (416, "bytes */1000", None)


def test_digests_of_the_content_do_not_stay(film: Path) -> None:
    """The front server may send a part, which has other digests (RFC 9530 2)."""
    digests = [(name, "x") for name in ("Content-MD5", "Content-Digest", "Repr-Digest")]
    answer = get(wrapped(answering(lambda: film.open("rb"), *digests), film), validate=False)
    assert is_handed_over(answer, film)
    assert [answer.get(name) for name, _ in digests] == [None, None, "x"]


def test_an_asgi_server_that_sends_files_is_not_asked_to(film: Path) -> None:
    answer = ask(asgi(FileResponse(film), film), extensions=["http.response.pathsend"])
    assert is_handed_over(answer, film)


def test_an_asgi_app_whose_client_takes_a_coding_sends_its_file_itself(film: Path) -> None:
    """Compressors drop the message that names a file, so that it is not offered to the app then."""
    answer = ask(asgi(FileResponse(film), film), accept_encoding="gzip")
    assert not is_handed_over(answer, film)
    assert answer.body == CONTENT


def by_flask(film: Path) -> Any:
    app = flask.Flask("films")
    app.add_url_rule("/", view_func=lambda: flask.send_file(film))
    return app


def by_bottle(film: Path) -> Any:
    app = bottle.Bottle()
    app.route("/")(lambda: bottle.static_file(film.name, film.parent))
    return app


def by_django(film: Path) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        response = DjangoFileResponse(film.open("rb"))
        start_response("200 OK", [*response.items()])
        return response
    return app


@pytest.fixture(scope="module", autouse=True)
def _django() -> None:
    from django.conf import settings
    if not settings.configured:
        settings.configure()


@pytest.mark.each
@pytest.mark.parametrize("make", [by_flask, by_bottle, by_django])
@pytest.mark.parametrize("request_", [{}, {"range": "bytes=0-9"}, {"if_match": '"nginx"'}], ids=repr)
def test_frameworks(film: Path, make: Any, request_: dict[str, Any]) -> None:
    answer = get(wrapped(make(film), film), validate=False, **request_)
    assert is_handed_over(answer, film)


def at_position(film: Path) -> Any:
    file = film.open("rb")
    file.seek(1)
    return file


def by_descriptor(film: Path) -> Any:
    return os.fdopen(os.open(film, os.O_RDONLY), "rb")


def unlinked(film: Path) -> Any:
    file = film.open("rb")
    film.unlink()
    return file


def replaced(film: Path) -> Any:
    file = film.open("rb")
    new = film.with_name("new")
    new.write_bytes(CONTENT[::-1])
    new.replace(film)
    return file


def in_memory(film: Path) -> Any:
    return io.BytesIO(film.read_bytes())


def in_a_list(film: Path) -> Any:
    return [film.read_bytes()]


def by_a_generator(film: Path) -> Any:
    yield film.read_bytes()


def somewhere_else(film: Path) -> Any:
    other = film.parent / "elsewhere"
    other.mkdir()
    (other / "film").write_bytes(CONTENT)
    film.unlink()
    film.symlink_to(other / "film")
    os.rename(other, film.parent.parent / f"{film.parent.name}-elsewhere")
    film.unlink()
    film.symlink_to(film.parent.parent / f"{film.parent.name}-elsewhere" / "film")
    return film.open("rb")


BODIES = [at_position, by_descriptor, unlinked, replaced, in_memory, in_a_list, by_a_generator, somewhere_else]


@pytest.mark.each
@pytest.mark.parametrize("make", BODIES)
@pytest.mark.parametrize("range_", [None, "bytes=10-19,30-39"])
def test_these_bodies_are_sent_from_here(film: Path, make: Any, range_: str | None) -> None:
    body = make(film)
    content = CONTENT[1:] if make is at_position else CONTENT
    answer = get(wrapped(answering(body, ("Content-Length", str(len(content)))), film), range_, validate=False)
    assert answer.get(FIELD) is None
    if range_ is None:
        assert answer.body == content
    else:
        assert [part.content for part in parts(answer)] == [content[10:20], content[30:40]]


@pytest.mark.parametrize("fields", [
    [("Content-Length", "999")], [("Content-Length", "1001")], [("Content-Encoding", "gzip")],
    [("Content-Encoding", "gzip"), ("ETag", '"v1"')], [("Content-Encoding", "identity")], [("Accept-Ranges", "none")],
    [("Content-Range", "bytes 0-999/1000")], [("Transfer-Encoding", "chunked")],
], ids=repr)
def test_these_responses_pass_as_without_offload(film: Path, fields: list[tuple[str, str]]) -> None:
    """The front server would send all of the file, in a coding of its own, and slice what must not be sliced."""
    with_it = get(wrapped(answering(lambda: film.open("rb"), *fields), film), validate=False)
    without = get(RangeMiddleware(answering(lambda: film.open("rb"), *fields)), validate=False)
    assert with_it[:3] == without[:3]
    assert with_it.get(FIELD) is None


@pytest.mark.parametrize("status", ["206 Partial Content", "404 Not Found", "304 Not Modified", "201 Created"])
def test_only_a_200_is_handed_over(film: Path, status: str) -> None:
    answer = get(wrapped(answering(lambda: film.open("rb"), status=status), film), "bytes=0-9", validate=False)
    assert (str(answer.status), answer.get(FIELD)) == (status[:3], None)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_only_get_and_head_are_handed_over(film: Path, method: str) -> None:
    for fields in ({}, {"range": "bytes=0-9"}):
        answer = get(wrapped(opened(film), film), method=method, validate=False, **fields)
        assert (answer.body, answer.get(FIELD)) == (CONTENT, None)


@pytest.mark.each
@pytest.mark.parametrize("name", OUR_OWN)
@pytest.mark.parametrize("range_", [None, "bytes=0-9"])
def test_a_field_of_the_apps_own_is_passed_on_untouched(film: Path, name: str, range_: str | None) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain"), (name, "/its/own"), ("Content-Length", "1000")])
        return film.open("rb")

    answer = get(wrapped(app, film), range_, validate=False)
    fields = [("Content-Type", "text/plain"), (name, "/its/own"), ("Content-Length", "1000")]
    assert answer[:3] == (200, fields, CONTENT)


@pytest.mark.parametrize("name", ["x_accel_redirect", "x_sendfile", "x_sendfile_type", "x_accel_mapping"])
def test_a_field_of_the_request_changes_nothing(film: Path, name: str) -> None:
    fields = {name: f"{film.parent}=/etc/"}
    assert get(RangeMiddleware(opened(film)), "bytes=0-9", **fields).body == CONTENT[:10]
    assert is_handed_over(get(wrapped(opened(film), film), **fields), film)


PRECONDITIONS = {
    "if_match": '"v2"', "if_none_match": '"v2"', "if_modified_since": "Wed, 01 Jan 2020 00:00:00 GMT",
    "if_unmodified_since": "Wed, 01 Jan 2020 00:00:00 GMT",
}


@pytest.mark.each
@pytest.mark.parametrize("name", PRECONDITIONS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_preconditions_are_hidden_from_the_app_where_the_front_server_makes_the_validators(
        film: Path, name: str, method: str) -> None:
    seen: list[bool] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        seen.append(f"HTTP_{name.upper()}" in environ)
        return opened(film)(environ, start_response)

    async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(name.replace("_", "-").encode() in [key for key, _ in scope["headers"]])
        await FileResponse(film)(scope, receive, send)

    field = {name: PRECONDITIONS[name]}
    for value in (None, "bytes=0-9"):
        environ = get(wrapped(app, film), value, method=method, validate=False, **field).environ
        assert environ[f"HTTP_{name.upper()}"] == PRECONDITIONS[name]
        ask(asgi(asgi_app, film), value, method, **field)
        get(RangeMiddleware(app, offload=XSendfile([film.parent])), value, method=method, validate=False, **field)
    assert seen == [method == "PUT", method == "PUT", True] * 2


def test_if_match_is_evaluated_here_for_what_is_sent_from_here(film: Path) -> None:
    seen: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        seen.append(environ.get("HTTP_IF_MATCH"))
        start_response("200 OK", [("Content-Type", "text/plain"), ("ETag", '"v1"'), ("Content-Length", "1000")])
        return [CONTENT]

    for method, expected in (("GET", [412, 206]), ("HEAD", [412, 200]), ("PUT", [200, 200])):
        answers = [get(wrapped(app, film), "bytes=0-9", method=method, if_match=tag, validate=False)
                   for tag in ('"v2"', '"v1"')]
        assert [answer.status for answer in answers] == expected
        assert all("HTTP_IF_MATCH" in answer.environ for answer in answers)
    assert seen == [None] * 4 + ['"v2"', '"v1"']


def test_if_match_is_evaluated_here_for_an_asgi_app_too(film: Path) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"etag", b'"v1"'), (b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else b"text"})

    for method, expected in (("GET", 412), ("HEAD", 412), ("PUT", 200)):
        assert ask(asgi(app, film), None, method, if_match='"v2"').status == expected


@pytest.mark.each
@pytest.mark.parametrize("offload", [XAccelRedirect, XSendfile, None])
@pytest.mark.parametrize("has_date", [True, False])
@pytest.mark.parametrize("body", [lambda: [b""], lambda: (), lambda: iter(())])
def test_on_head_the_etag_of_the_app_is_not_told_where_get_has_another(
        film: Path, offload: Any, has_date: bool, body: Any) -> None:
    """Frameworks leave the file out on HEAD: then it is not seen that nginx will send it, under its own ETag."""
    fields = [("ETag", '"v1"'), ("Content-Length", "1000")]
    fields += [("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT")] if has_date else []
    server = None if offload is None else offload({film.parent: "/protected/"})
    answer = get(RangeMiddleware(answering(body, *fields), offload=server), method="HEAD", validate=False)
    assert answer.get("Content-Length") == "1000"
    assert answer.get("ETag") == (None if offload is XAccelRedirect and has_date else '"v1"')
    assert answer.get("Accept-Ranges") == "bytes", "the front server slices what GET gets"


def test_on_head_the_etag_of_an_asgi_app_is_not_told_either(film: Path) -> None:
    answer = ask(asgi(FileResponse(film), film), None, "HEAD")
    assert (answer.get("Content-Length"), answer.get("ETag"), answer.get("Accept-Ranges")) == ("1000", None, "bytes")
    assert answer.get("Last-Modified") is not None


def test_the_body_is_closed_once_before_the_front_server_opens_the_file(film: Path) -> None:
    files = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])
        files.append(film.open("rb"))
        return files[-1]

    body = wrapped(app, film)({"REQUEST_METHOD": "GET"}, lambda *_: None)
    assert files[0].closed
    assert [*body] == [b""]


def test_an_empty_file_and_a_text_file_are_handed_over(film: Path) -> None:
    assert is_handed_over(get(wrapped(answering(lambda: film.open("r")), film), validate=False), film)
    film.write_bytes(b"")
    assert is_handed_over(get(wrapped(answering(lambda: film.open("rb")), film), validate=False), film)


@pytest.mark.parametrize("field", ["if_match", "if_none_match"])
def test_on_head_nothing_is_compared_with_the_etag_that_get_does_not_have(film: Path, field: str) -> None:
    for app in (opened(film), by_flask(film)):
        for tag in ('"nginx"', '"v1"', "*"):
            answer = get(wrapped(app, film), method="HEAD", validate=False, **{field: tag})
            assert (answer.status, answer.body) == (200, b"")
            assert is_handed_over(answer, film) or answer.get("ETag") is None


@pytest.mark.parametrize(("options", "range_"), [({"hide_range": False}, "bytes=0-9"), ({}, "items=0-9")])
def test_an_app_that_sees_the_range_sees_the_conditions_on_it(
        film: Path, options: dict[str, Any], range_: str) -> None:
    """Its own 206 must be of the version that the client names: nobody else would look."""
    seen: list[bool] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        seen.append("HTTP_IF_MATCH" in environ)
        return opened(film)(environ, start_response)

    async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(b"if-match" in dict(scope["headers"]))
        await FileResponse(film)({**scope, "headers": []}, receive, send)

    get(wrapped(app, film, **options), range_, if_match='"v1"', validate=False)
    ask(asgi(asgi_app, film, **options), range_, if_match='"v1"')
    assert seen == [True, True]


def test_preconditions_cannot_be_left_to_an_app_behind_nginx(film: Path) -> None:
    with pytest.raises(InvalidOption, match="preconditions=False"):
        wrapped(opened(film), film, preconditions=False)
    assert get(RangeMiddleware(opened(film), offload=XSendfile([film.parent]), preconditions=False)).body == b""


@pytest.mark.parametrize("length", ["5, 5", "5x", "-5", "1000, 1000", "01000"])
def test_a_length_that_is_malformed_is_not_handed_over(film: Path, length: str) -> None:
    answer = get(wrapped(answering(lambda: film.open("rb"), ("Content-Length", length)), film), validate=False)
    assert is_handed_over(answer, film) == (length == "01000")


def test_two_lengths_that_differ_are_not_handed_over(film: Path) -> None:
    app = answering(lambda: film.open("rb"), ("Content-Length", "5"), ("Content-Length", "1000"))
    assert not is_handed_over(get(wrapped(app, film), validate=False), film)


def test_a_file_with_a_changed_descriptor_class_is_not_handed_over(film: Path) -> None:
    def body() -> Any:
        file = film.open("rb")
        file.raw.readinto = lambda buffer: 0  # type: ignore[attr-defined]
        return file

    assert not is_handed_over(get(wrapped(answering(body), film), validate=False), film)


@pytest.mark.parametrize(("make", "reason"), [
    (at_position, "does not send all"), (unlinked, "No such file"), (replaced, "another file has taken its path"),
    (by_descriptor, "not opened by a path"), (somewhere_else, "not below"),
])
def test_the_log_says_why_a_file_is_sent_from_here(
        film: Path, make: Any, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", "rangeware"):
        get(wrapped(answering(make(film)), film), validate=False)
    assert reason in caplog.text
    assert "sent from here" in caplog.text


def test_a_folder_that_is_not_there_is_told_at_once(film: Path, caplog: pytest.LogCaptureFixture) -> None:
    wrapped(opened(film), film)
    assert caplog.text == ""
    XSendfile([film.parent / "typo"])
    assert "there is no folder" in caplog.text


def test_each_file_that_is_handed_over_is_counted(film: Path) -> None:
    plans: list[Any] = []
    get(wrapped(opened(film), film, on_plan=lambda environ, plan: plans.append(plan)))
    ask(asgi(FileResponse(film), film, on_plan=lambda scope, plan: plans.append(plan)))
    assert [(plan.status, plan.ranges, plan.reason) for plan in plans] == [(200, (), Reason.OFFLOADED)] * 2


@pytest.mark.parametrize("value", ["X-Accel-Redirect", XAccelRedirect, 1, {"/srv": "/p"}, True], ids=repr)
def test_a_wrong_value_is_refused(value: Any) -> None:
    with pytest.raises(InvalidOption, match="offload"):
        RangeMiddleware(answering([CONTENT]), offload=value)
    with pytest.raises(InvalidOption, match="offload"):
        AsgiRangeMiddleware(FileResponse("x"), offload=value)


def test_applies_still_leaves_a_request_alone(film: Path) -> None:
    answer = get(wrapped(opened(film), film, applies=lambda environ: False))
    assert (answer.body, answer.get(FIELD)) == (CONTENT, None)
