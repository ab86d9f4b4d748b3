"""rangeware seen at work: a Flask app without a line of range code, once wrapped and once plain.

Started by ``python -m demo_flask``. Only :func:`create_site` knows of rangeware, in one line.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, abort, current_app, jsonify, redirect, render_template, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response as AnyResponse

from rangeware import RangeMiddleware

from .feed import Feed, RecordPlain
from .inspector import FIELD_NAMES, METHODS, Address, BadQuestion, NoAnswer, inspect, read_question
from .samples import Sample, prepare
from .slowline import SlowLine

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_MAX_QUESTION = 64 * 1024
_POLICY = "default-src 'self'"


def create_site(address: Address, samples: dict[str, Sample] | None = None) -> WSGIApplication:
    """The whole demo: one Flask app at ``/`` inside rangeware, and again at ``/plain`` without it.

    ``address`` is where the server listens; the inspector asks there and nowhere else.
    """
    samples = prepare() if samples is None else samples
    feed = Feed(samples)
    app = create_app(samples, feed, address)
    wrapped = RangeMiddleware(app, on_plan=feed.on_plan)
    return SlowLine(DispatcherMiddleware(RecordPlain(wrapped, feed), {"/plain": app}))


def create_app(samples: dict[str, Sample], feed: Feed, address: Address) -> Flask:
    """The Flask app: the files, the page, the feed and the inspector."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = _MAX_QUESTION
    app.extensions["demo"] = {"samples": samples, "feed": feed, "address": address}
    app.add_url_rule("/", "page", show_page)
    app.add_url_rule("/files/<name>", "file", send_sample)
    app.add_url_rule("/events", "events", list_events)
    app.add_url_rule("/inspect", "inspect", answer_question, methods=["POST"])
    app.register_error_handler(BadQuestion, _explain_error(400))
    app.register_error_handler(NoAnswer, _explain_error(502))
    app.register_error_handler(413, lambda _: (jsonify(error="That is too long to be asked."), 413))
    app.after_request(_add_policy)
    app.jinja_env.filters["in_words"] = in_words
    app.jinja_env.filters["shell_word"] = shlex.quote  # zsh takes the brackets of an IPv6 address for a pattern
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
    """The page. The plain mount has files to compare, and its page is the one page."""
    if request.script_root.endswith("/plain"):
        return redirect("../")
    samples = _demo("samples")
    return render_template("index.html", samples=samples, field_names=FIELD_NAMES, methods=METHODS)


def send_sample(name: str) -> Response:
    """One of the files, whole: the app knows nothing of ranges."""
    sample: Sample | None = _demo("samples").get(name)
    return sample.respond() if sample else abort(404)


def list_events() -> Response:
    """What happened after the serial in ``after``, for the strips."""
    feed = _demo("feed")
    events = feed.after(request.args.get("after", 0, type=int))
    response = jsonify(last=feed.last(), events=[event.public() for event in events])
    response.cache_control.no_store = True
    return response


def answer_question() -> Response:
    """The inspector's answer, as JSON."""
    question = read_question(_sent_json(), _demo("samples"))
    return jsonify(inspect(question, _demo("address"), _demo("feed")))


def _sent_json() -> object:
    try:
        return request.get_json(silent=True)
    except RecursionError as exc:
        raise BadQuestion("The JSON is nested too deeply.") from exc


def in_words(length: int) -> str:
    """A length in bytes for people: ``2.3 MiB``."""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if length >= 1 << power:
            return f"{length / (1 << power):.1f} {unit}"
    return f"{length} bytes"
