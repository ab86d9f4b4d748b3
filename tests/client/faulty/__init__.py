"""The faults, as a table: what the server does, and what must come of it."""

from __future__ import annotations

from tests.client.faulty import changes, connections, contents, cuts, framing, heads, lies, redirects, statuses
from tests.client.faulty.table import Fault

FAULTS: tuple[Fault, ...] = (
    *cuts.FAULTS,
    *changes.FAULTS,
    *lies.FAULTS,
    *contents.FAULTS,
    *statuses.FAULTS,
    *redirects.FAULTS,
    *connections.FAULTS,
    *framing.FAULTS,
    *heads.FAULTS,
)
