"""Django apps of a single view each, as many as a test wants in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from django.urls import ResolverMatch

from tests.matrix.frameworks.django import configure


class _Handler(WSGIHandler):  # type: ignore[misc]
    def __init__(self, view: Callable[[Any], Any]) -> None:
        super().__init__()
        self._view = view

    def resolve_request(self, request: Any) -> ResolverMatch:
        request.resolver_match = ResolverMatch(self._view, (), {})
        return request.resolver_match


def one_view(view: Callable[[Any], Any], *middleware: str) -> Callable[..., Iterable[bytes]]:
    """An app that gives every request to ``view``, with these middlewares of Django's around it."""
    configure()
    with override_settings(MIDDLEWARE=list(middleware)):
        return _Handler(view)  # type: ignore[no-any-return]
