"""The decisions: from what a request asks and what the app would send to the response that is right (RFC 9110).

Pure functions and values. Nothing here opens, reads, sleeps, logs or looks at the clock: the adapters in ``wsgi`` and
``asgi`` bring the facts in and carry the decision out.
"""
