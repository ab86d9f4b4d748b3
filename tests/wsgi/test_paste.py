"""The factory for Paste's ini files: text becomes options, and what cannot be read is named."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from rangeware import InvalidOption, Plan, RangeMiddleware
from rangeware.core.options import Options
from rangeware.offload import XAccelRedirect
from rangeware.wsgi.paste import main
from tests.support import CONTENT, Answer, answering, get

ETAG = ("ETag", '"v1"')
told: list[int] = []


class Here:
    """Callables that an ini can name."""

    @staticmethod
    def asked(environ: dict[str, Any]) -> bool:
        return bool(environ.get("HTTP_HOST") == "here")


def tell(environ: dict[str, Any], plan: Plan) -> None:
    told.append(plan.status)


def ask(value: str | None = "bytes=0-9", fields: dict[str, Any] | None = None, **local_conf: str) -> Answer:
    """One request to an app whose middleware was made as Paste makes it."""
    return get(main(answering([CONTENT], ETAG), {"here": "/srv"}, **local_conf), value, **(fields or {}))


def test_without_options() -> None:
    app = main(answering([CONTENT], ETAG), {})
    assert type(app) is RangeMiddleware
    answer = get(app, "bytes=0-9")
    assert (answer.status, answer.body) == (206, CONTENT[:10])


def test_what_the_ini_says_to_all_sections_is_not_for_us() -> None:
    answer = get(main(answering([CONTENT]), {"debug": "true", "max_ranges": "none", "app": "x"}), "bytes=0-9")
    assert answer.status == 206


def test_whole_numbers() -> None:
    assert ask("bytes=0-9,20-29", max_ranges="2").status == 206
    assert ask("bytes=0-9,20-29", max_ranges="1").status == 200
    assert ask(block_size="131072", spool_limit="0").status == 206


@pytest.mark.parametrize("text", ["false", "no", "off", "0", "n", "f", "False", "OFF"])
def test_words_that_say_no(text: str) -> None:
    assert ask(None, {"if_none_match": '"v1"'}, preconditions=text).status == 200


@pytest.mark.parametrize("text", ["true", "yes", "on", "1", "y", "t", "True", "YES"])
def test_words_that_say_yes(text: str) -> None:
    assert ask(None, {"if_none_match": '"v1"'}, preconditions=text).status == 304


def test_callables_by_name() -> None:
    told.clear()
    names = {"applies": f"{__name__}:Here.asked", "on_plan": f"{__name__}:tell"}
    assert ask(fields={"host": "here"}, **names).status == 206
    assert ask(fields={"host": "there"}, **names).status == 200
    assert told == [206]


WRONG = {
    "max_ranges": ["", "many", "5.0", "0", "-1", "9" * 5000],
    "block_size": ["64k", "0", "0x10"],
    "spool_limit": ["-1", "none"],
    "hide_range": ["", "maybe", "2"],
    "preconditions": ["none"],
    "validators": ["truee"],
    "applies": ["", "1x:y", "no.such.module:x", f"{__name__}:nothing", f"{__name__}:Here.nothing", "a b:c"],
    "on_plan": [f"{__name__}:ETAG", "rangeware"],
    "max_range": ["5"],
    "app": ["x"],
    "global_conf": ["x"],
    "self": ["x"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in WRONG.items() for text in texts],
                         ids=lambda item: repr(item)[:40])
def test_what_cannot_be_read_is_refused_by_name_and_value(name: str, text: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        main(answering([CONTENT]), {}, **{name: text})
    assert str(caught.value).startswith(name)
    assert text in str(caught.value)


@pytest.mark.parametrize(("name", "hint"), [
    ("max_range", "; did you mean max_ranges?"), ("spool", "; did you mean spool_limit?"),
    ("x", "; the options are max_ranges, block_size, hide_range, preconditions, validators, spool_limit, applies, "
          "on_plan, offload"),
])
def test_an_unknown_option_is_told_with_those_there_are(name: str, hint: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        main(answering([CONTENT]), {}, **{name: "5"})
    assert str(caught.value) == f"{name}='5' is not an option{hint}"


NGINX = XAccelRedirect({"/srv/media/": "/protected/"})
SAMPLES: dict[type, tuple[str, Any]] = {bool: ("off", False), int: ("7", 7), type(None): (f"{__name__}:tell", tell)}


@pytest.mark.parametrize("field", dataclasses.fields(Options), ids=lambda field: field.name)
def test_every_option_can_be_written_in_an_ini(field: Any) -> None:
    text, value = SAMPLES[type(field.default)] if field.name != "offload" else (f"{__name__}:NGINX", NGINX)
    app = main(answering([CONTENT]), {}, **{field.name: text})
    assert vars(app)["_options"] == dataclasses.replace(Options(), **{field.name: value})


def test_a_module_that_breaks_while_it_is_imported_says_so_itself(tmp_path: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_metrics.py").write_text("raise RuntimeError('no database')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeError, match="no database"):
        main(answering([CONTENT]), {}, on_plan="broken_metrics:count")
