"""HTTP field values as Python values, and back (RFC 9110): ranges, entity tags, dates.

The lowest room of the package: pure functions that know nothing of requests, responses or files. Parsers return None
for text that does not follow the grammar, which means "ignore the field". They never raise on what a client or a
server sent, and their cost is linear in its length.
"""
