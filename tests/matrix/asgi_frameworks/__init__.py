"""One small ASGI app for each framework, in the framework's own idiom.

Each module has ``make(file)``: an app that answers ``/file``, ``/generator`` and ``/page``, without rangeware.
"""
