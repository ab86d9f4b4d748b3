"""The fast path: the commonest requests, answered in few steps.

These are GETs without a condition: for the whole representation, which the server sends as the app gave it, and for
one range of a file or list. Nothing is decided here that ``core`` would decide otherwise: where anything is unusual,
``file_ranges`` or the general way responds. ``tests/wsgi/test_fastpath.py`` drives the shared table of cases
both ways and compares.

What counts is the number of instructions: a server runs so much other code between two requests that ours has left the
caches of the CPU. So these functions are flat, and make few of the objects that the general way passes around.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from stat import S_ISREG
from time import time_ns
from typing import TYPE_CHECKING, Any

from ..app_protocol import check_wsgi_error
from ..bodies.closing import block_then_raise, close_and_log
from ..bodies.detect import PAGE, items_have_length, sendable_file
from ..bodies.sources import DiskFile
from ..bodies.unwrap import BINARY_FILES, closable_of, may_be_file, wrapper_of
from ..core.app_head import Field, glance, is_positive, missing_validators
from ..core.options import Options
from ..core.reply import ACCEPT_RANGES
from ..core.values import Plan, Reason, RequestFields
from ..http.ranges import ByteRange, IntRange, parse_range
from ..responder import SMALL, is_unchanged, publish
from .file_ranges import decide_ranges
from .file_wrapper import FileWrapper
from .responder import COMMITTED, HEAD_HELD, PASSED_ON, Environ, WsgiResponder
from .sendfile import wrap_part

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

_SLICED = Reason.SLICED  # looked up once: the members of an Enum are slow to find
_new = tuple.__new__  # builds a NamedTuple at half the cost


def respond_to_plain_get(
    environ: Environ, start_response: StartResponse, app: WSGIApplication, options: Options, bounded: object
) -> Iterable[bytes]:
    """Respond to a GET for the whole representation.

    :param bounded: the server's ``wsgi.file_wrapper`` if that sends Content-Length bytes from a file's position.
    """
    responder = WsgiResponder(options, environ, start_response)
    try:
        body = app(environ, responder)
    except TypeError as exc:
        check_wsgi_error(app, exc)
        raise
    if responder.stage == HEAD_HELD and responder.status == "200 OK":
        try:
            head = declared, _, _ = glance(responder.fields)
            if type(body) is list and len(body) == 1 and type(body[0]) is bytes:
                added: tuple[Field, ...] = (ACCEPT_RANGES,) if str(len(body[0])) == declared != "0" else ()
            else:
                added = _added_to_whole(*head, body, bounded, options)
            if added:
                responder.stage = PASSED_ON
                responder.fields += added
                responder.server_write = start_response("200 OK", responder.fields)
                return body
        except BaseException:
            close_and_log(closable_of(body))
            raise
    return responder.respond(body)


def _added_to_whole(
    declared: str, has_tag: bool, has_date: bool, body: Any, bounded: object, options: Options
) -> tuple[Field, ...]:
    """Return the fields that are missing from a 200 with this body; none if the general way is to decide."""
    kind: Any = type(body)
    if not is_positive(declared) or kind is FileWrapper:  # the server's own wrapper may send its file faster
        return ()
    if isinstance(body, (list, tuple)):
        return (ACCEPT_RANGES,) if items_have_length(body, int(declared)) else ()
    if not may_be_file(kind):
        return (ACCEPT_RANGES,)
    wrapper = wrapper_of(kind)
    file = body if wrapper is None else getattr(body, wrapper[0], None)
    is_bounded = bounded is not None and (kind is bounded or kind in BINARY_FILES)
    found = sendable_file(file, int(declared), is_bounded)
    if found is None:
        return ()
    if has_tag and has_date or not options.validators:
        return (ACCEPT_RANGES,)
    offset, status = found
    made = missing_validators(has_tag, has_date, int(declared), status.st_mtime_ns, offset, time_ns())
    return (*made, ACCEPT_RANGES) if S_ISREG(status.st_mode) else ()


def respond_to_range(
    value: str, environ: Environ, start_response: StartResponse, app: WSGIApplication, options: Options
) -> Iterable[bytes]:
    """Respond to a GET whose Range field has this value, in the unit bytes."""
    given = environ.copy()
    given["rangeware.range"] = value
    given["wsgi.file_wrapper"] = FileWrapper
    del given["HTTP_RANGE"]
    before = given.copy()
    request: RequestFields = _new(RequestFields, ("GET", value, None, None, None, None, None))
    responder = WsgiResponder(options, environ, start_response, request, given, before)
    try:
        body = app(given, responder)
    except BaseException as exc:
        responder.carry_back()
        check_wsgi_error(app, exc)
        raise
    if responder.stage != HEAD_HELD or responder.status != "200 OK":
        return responder.respond(body)
    content: Iterable[bytes] = body
    try:
        found = _one_range(value, responder.fields, body, environ, options)
        if found is not None:
            plan, content = found
            if not is_unchanged(given, before):
                responder.carry_back()
            publish(plan, request, environ, options)
            responder.stage = COMMITTED
            responder.server_write = start_response("206 Partial Content", responder.fields)
            return content
        decided = decide_ranges(request, responder.fields, body, options)
    except BaseException:
        close_and_log(content)
        responder.carry_back()
        raise
    return responder.respond(body) if decided is None else responder.respond_with(*decided, body)


def _one_range(
    value: str, fields: list[Field], body: Any, environ: Environ, options: Options
) -> tuple[Plan, Iterable[bytes]] | None:
    """Read one small range of the body of a 200 and close it, or give the server a large range of its file.

    :param fields: become those of the 206.
    :returns: the plan and the content; None, with nothing changed, if the general way is to decide.
    """
    declared, has_tag, has_date = glance(fields)
    specs = None if "," in value else parse_range(value)
    if specs is None or type(specs[0]) is not IntRange:
        return None
    first_pos, last_pos = specs[0]
    file: Any = None
    content: Any
    try:
        if type(body) is FileWrapper:
            file = body.filelike
            raw = file.raw if type(file) is io.BufferedReader else file
            if type(raw) is not io.FileIO or len(raw.__dict__) > 1 or raw is not file and file.__dict__:
                return None  # the path is in raw.__dict__; anything else may be a method that was replaced
            offset, descriptor = file.tell(), raw.fileno()
            status = os.fstat(descriptor)
            complete_length = status.st_size - offset
            if not S_ISREG(status.st_mode) or status.st_size == PAGE:
                return None
        elif type(body) is list and len(body) == 1 and type(body[0]) is bytes:
            offset, complete_length = 0, len(body[0])
        else:
            return None
        if declared != str(complete_length) or first_pos >= complete_length:
            return None
        if last_pos is None or last_pos >= complete_length:
            last_pos = complete_length - 1
        length = last_pos - first_pos + 1
        part: ByteRange = _new(ByteRange, (first_pos, last_pos))
        index = fields.index(("Content-Length", declared))
        if length > SMALL or length > options.block_size:
            on_disk = file and DiskFile(raw, offset, status.st_mtime_ns)
            content = on_disk and wrap_part(environ, 206, on_disk, part, options.block_size, file)
            if content is None:
                return None
        else:
            pos = offset + first_pos
            block = body[0][pos:last_pos + 1] if file is None else os.pread(descriptor, length, pos)
            content = (block,)
            if len(block) != length:
                return None
            if file is not None:
                try:
                    file.close()
                except Exception as exc:
                    content = block_then_raise(block, exc)
    except Exception:  # the file is closed or cannot be read, or a field is not a tuple
        return None
    del fields[index]
    if file is not None and not (has_tag and has_date) and options.validators:
        fields += missing_validators(has_tag, has_date, complete_length, status.st_mtime_ns, offset, time_ns())
    content_range = f"bytes {first_pos}-{last_pos}/{declared}"
    fields += ("Content-Range", content_range), ACCEPT_RANGES, ("Content-Length", str(length))
    return _new(Plan, (206, (part,), _SLICED)), content
