"""The ASGI adapter (ASGI 3, HTTP): ``app = AsgiRangeMiddleware(app)``.

``middleware`` is what the server calls; ``responder`` receives the app's messages and sends the response;
``connection`` is the server's side of it, ``messages`` translates between messages and the values of ``core``,
``pathsend`` opens files that the app names by their path, ``openable`` takes over bodies that open themselves at an
offset, and ``blocks`` reads files without blocking the event loop.
"""

from .middleware import AsgiRangeMiddleware
from .openable import OpenableResponse

__all__ = ["AsgiRangeMiddleware", "OpenableResponse"]
