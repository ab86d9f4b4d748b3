"""For ASGI 3 apps, on asyncio and trio: ``app = AsgiRangeMiddleware(app)``.

``OpenableResponse`` sends bodies that open themselves at an offset, such as those of ``rangeware.stores``.
"""

# ``middleware`` is what the server calls; ``responder`` receives the app's messages and sends the response;
# ``fastpath`` passes on the response to a plain GET; ``connection`` is the server's side of a request, ``messages``
# translates between messages and the values of ``core``, ``pathsend`` opens files that the app names by their path,
# ``openable`` takes over bodies that open themselves at an offset, and ``blocks`` reads files without blocking the
# event loop.

from .middleware import AsgiRangeMiddleware
from .openable import OpenableResponse

__all__ = ["AsgiRangeMiddleware", "OpenableResponse"]
