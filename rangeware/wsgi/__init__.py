"""For WSGI apps (PEP 3333): ``app = RangeMiddleware(app)``. In ini files of Paste: ``use = egg:rangeware``."""

# ``middleware`` is what the server calls and what the app is called with; ``responder`` stands in as
# ``start_response`` and sends the reply; ``fastpath`` shortens the commonest requests. ``sendfile`` knows which servers
# can be given a file to send by themselves, ``file_wrapper`` and ``write`` are the two other ways in which apps hand
# content over, and ``paste`` is the entry point for ini files.

from .middleware import RangeMiddleware

__all__ = ["RangeMiddleware"]
