"""The entry point for Paste's ini files, which Pyramid uses too: ``[filter:rangeware]`` with ``use = egg:rangeware``.

An ini file has text only, so that this module turns the text of each option into the value that it stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from difflib import get_close_matches
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from ..core.options import Options
from ..errors import InvalidOption
from .middleware import RangeMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_TRUTHS = {
    **dict.fromkeys(("true", "yes", "on", "y", "t", "1"), True),
    **dict.fromkeys(("false", "no", "off", "n", "f", "0"), False),
}
"""The words that Paste's own ``asbool`` accepts."""

_DEFAULTS = {field.name: field.default for field in fields(Options)}


def main(app: WSGIApplication, global_conf: dict[str, str], /, **local_conf: str) -> RangeMiddleware:
    """Make the middleware around ``app`` with the options of its section in the ini file.

    >>> app = main(app, {}, max_ranges="50", preconditions="false", on_plan="films.metrics:count")

    :param app: the WSGI application of the next section.
    :param global_conf: the ini file's settings for all sections; not used.
    :param local_conf: options by name, as text. A callable is given as ``package.module:attribute``, and imported.
    :raises InvalidOption: if a value cannot be read or cannot work, and for a name that is not an option.
    """
    options: dict[str, Any] = {name: _value(name, text) for name, text in local_conf.items()}
    return RangeMiddleware(app, **options)


def _value(name: str, text: str) -> object:
    """Read the value of an option, as the type of its default says."""
    if name not in _DEFAULTS:
        near = get_close_matches(name, _DEFAULTS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the options are {', '.join(_DEFAULTS)}"
        raise InvalidOption(f"{name}={text!r} is not an option; {hint}")
    read, wanted = _READERS[type(_DEFAULTS[name])]
    try:
        return read(text)
    except (LookupError, ValueError, ImportError, AttributeError) as exc:
        raise InvalidOption(f"{name} must be {wanted}, not {text!r}") from exc


def _truth(text: str) -> bool:
    return _TRUTHS[text.lower()]


def _named(text: str) -> object:
    found = resolve_name(text)
    if not callable(found) and not hasattr(found, "field_for"):  # a front server for ``offload`` is no function
        raise ValueError(f"{found!r} cannot be called")
    return found


_READERS: dict[type, tuple[Callable[[str], object], str]] = {
    bool: (_truth, "true or false"),
    int: (int, "a whole number"),
    type(None): (_named, "the name of a callable, as package.module:attribute"),
}
