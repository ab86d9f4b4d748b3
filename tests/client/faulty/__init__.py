"""The faults, as a table: what the server does, and what must come of it."""

from __future__ import annotations

from tests.client.faulty import (
    changes,
    checksums,
    clusters,
    codings,
    connections,
    contents,
    cuts,
    dialects,
    fields,
    framing,
    heads,
    lies,
    redirects,
    refusals,
    seams,
    statuses,
)
from tests.client.faulty.table import Fault

FAULTS: tuple[Fault, ...] = (
    *cuts.FAULTS,
    *changes.FAULTS,
    *lies.FAULTS,
    *contents.FAULTS,
    *checksums.FAULTS,
    *codings.FAULTS,
    *statuses.FAULTS,
    *refusals.FAULTS,
    *redirects.FAULTS,
    *connections.FAULTS,
    *framing.FAULTS,
    *heads.FAULTS,
    *fields.FAULTS,
    *seams.FAULTS,
    *dialects.FAULTS,
    *clusters.FAULTS,
)
