"""A demo of rangeware: a Flask app that has no code for ranges, served with and without the middleware.

``python -m demo_flask`` starts it. Two lines in :func:`create_site` use rangeware: one adds ranges to all that the app
sends, the other takes uploads that resume.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, abort, current_app, jsonify, redirect, render_template, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response as AnyResponse

from rangeware import RangeMiddleware
from rangeware.offload import XAccelRedirect
from rangeware.uploads import FileStorage

from .feed import PLAIN, Feed, Record
from .inspector import FIELD_NAMES, METHODS, Address, BadQuestion, NoAnswer, check_both, inspect, read_question
from .measure import measure
from .samples import INSTANCE, Sample, prepare
from .slowline import SlowLine
from .uploads import add_pages, make_storage, take_uploads

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_MAX_QUESTION = 64 * 1024
_POLICY = "default-src 'self'"
_MOST_AT_ONCE = 12  # requests that ask this server in turn: each occupies two of its threads


def create_site(address: Address, samples: dict[str, Sample] | None = None,
                directory: Path = INSTANCE, offload: XAccelRedirect | None = None,
                command: str = "rangeware") -> WSGIApplication:
    """Return the WSGI app of the demo: one Flask app, with rangeware at ``/`` and without it at ``/plain``.

    :param address: host and port of the server itself; the inspector sends its requests only there.
    :param directory: where the sample data and the uploads are.
    :param offload: has nginx send the files that are on the disk; the page then marks which responses it sent.
    :param command: how the page's commands call ``rangeware``.
    """
    samples = prepare(directory) if samples is None else samples
    feed = Feed({name: sample.complete_length for name, sample in samples.items()})
    storage = make_storage(directory)
    app = create_app(samples, feed, address, storage)
    app.config.update(BEHIND_NGINX=offload is not None, COMMAND=command)
    site = DispatcherMiddleware(RangeMiddleware(app, offload=offload), {PLAIN: app})
    return Record(SlowLine(take_uploads(site, app, storage)), feed)


def create_app(samples: dict[str, Sample], feed: Feed, address: Address, storage: FileStorage) -> Flask:
    """Return the Flask app: the files, the pages, the feed, the inspector, the checks and the login."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = _MAX_QUESTION
    app.extensions["demo"] = {"samples": samples, "feed": feed, "address": address,
                              "turns": threading.BoundedSemaphore(_MOST_AT_ONCE)}
    app.add_url_rule("/", "page", show_page)
    app.add_url_rule("/files/<name>", "file", send_sample)
    app.add_url_rule("/events", "events", list_events)
    app.add_url_rule("/inspect", "inspect", answer_question, methods=["POST"])
    app.add_url_rule("/measure", "measure", answer_measurements, methods=["POST"])
    app.add_url_rule("/check", "check", answer_check, methods=["POST"])
    add_pages(app, storage)
    app.register_error_handler(BadQuestion, _explain_error(400))
    app.register_error_handler(NoAnswer, _explain_error(502))
    app.register_error_handler(_Busy, _explain_error(503))
    app.register_error_handler(413, lambda _: (jsonify(error="The request is too long."), 413))
    app.after_request(_add_policy)
    app.jinja_env.filters["in_words"] = in_words
    app.jinja_env.filters["shell_word"] = shlex.quote  # zsh reads the brackets of an IPv6 address as a pattern
    return app


def _demo(key: str) -> Any:
    return current_app.extensions["demo"][key]


def _explain_error(status: int) -> Any:
    return lambda exc: (jsonify(error=str(exc)), status)


def _add_policy(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def show_page() -> str | AnyResponse:
    """Return the page. The plain mount has only the files, and redirects to the page of the main mount."""
    if request.script_root.endswith("/plain"):
        return redirect("../")
    return render_template("index.html", samples=_demo("samples"), field_names=FIELD_NAMES, methods=METHODS)


def send_sample(name: str) -> Response:
    """Return a file, always as a complete 200: the app does not handle ranges."""
    sample: Sample | None = _demo("samples").get(name)
    return sample.respond() if sample else abort(404)


def list_events() -> Response:
    """Return the events that changed after the version ``after`` as JSON, for the strips."""
    feed = _demo("feed")
    events = feed.after(request.args.get("after", 0, type=int))
    response = jsonify(last=feed.last(), events=[event.public() for event in events])
    response.cache_control.no_store = True
    return response


class _Busy(Exception):
    """Too many requests that ask this server in turn. The message is shown to the user."""


@contextmanager
def _turn() -> Iterator[None]:
    """Leave threads for the requests that the demo sends to itself: if all of them waited, it would never answer."""
    turns: threading.BoundedSemaphore = _demo("turns")
    if not turns.acquire(blocking=False):
        raise _Busy("The demo is busy with other requests. Try again in a moment.")
    try:
        yield
    finally:
        turns.release()


def answer_question() -> Response:
    """Run a request of the inspector and return both responses as JSON."""
    question = read_question(_sent_json(), _demo("samples"))
    with _turn():
        return jsonify(inspect(question, _demo("address"), _demo("feed")))


def answer_measurements() -> Response:
    """Measure what clients ask for, and return the figures as JSON."""
    with _turn():
        response = jsonify(groups=measure(_demo("address"), _demo("samples"), in_words))
    response.cache_control.no_store = True
    return response


def answer_check() -> Response:
    """Run ``rangeware check`` for one file of both mounts, and return both reports as JSON."""
    data = _sent_json()
    name = data.get("file") if isinstance(data, dict) else None
    if not isinstance(name, str) or name not in _demo("samples"):
        raise BadQuestion("There is no such file in this demo.")
    with _turn():
        return jsonify(check_both(name, _demo("address")))


def _sent_json() -> object:
    try:
        return request.get_json(silent=True)
    except RecursionError as exc:
        raise BadQuestion("The JSON is nested too deeply.") from exc


def in_words(length: int) -> str:
    """Format a length in bytes for people: ``2.3 MiB``."""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if length >= 1 << power:
            return f"{length / (1 << power):.1f} {unit}"
    return f"{length} bytes"
