"""Bodies: where the bytes of a response come from.

``detect`` looks at what the app returned and finds a source: one with random access (``sources``) or one that can
only be read forward (``streams``). ``unwrap`` finds the file inside the wrappers of frameworks and servers, ``spool``
reads ahead in a body of unknown length, and ``closing`` closes all of them exactly once.
"""
