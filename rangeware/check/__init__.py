"""Check a URL: can it be resumed, seeked and fetched in parts, and if not, why? Works with any server.

``check`` sends requests and returns a ``Report``; it needs urllib3: ``rangeware[client]``. ``probes`` decides which
requests are sent; ``responses`` judges one response, and ``findings`` all of them; ``clients`` says what that means for
players and downloaders, and ``advice`` what to do. All these are pure. ``sending`` has the sockets, and ``cli`` is the
command ``rangeware check``.
"""

from typing import TYPE_CHECKING, Any

from ..client.errors import NetworkError as NetworkError
from ..client.errors import with_hint
from ..errors import InvalidOption as InvalidOption
from .values import ClientVerdict, Finding, Report

if TYPE_CHECKING:
    from .checking import check

__all__ = ["ClientVerdict", "Finding", "Report", "check"]


def __getattr__(name: str) -> Any:
    """Load what needs urllib3 when it is first named: the rest can be used without it."""
    if name != "check":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from .checking import check
    except ModuleNotFoundError as exc:
        raise with_hint(exc) from None
    return check
