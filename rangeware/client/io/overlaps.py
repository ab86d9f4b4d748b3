"""Compare the bytes of an overlap with those that are there."""

from __future__ import annotations

import hashlib

from ..planning.state import OverlapCheck
from ..planning.trust import Comparison, proves


def compare_overlap(check: OverlapCheck, block: bytes) -> Comparison:
    """Compare bytes that are there with those that a check was made of."""
    if hashlib.sha256(block).hexdigest() != check.sha256:
        return Comparison.DIFFERENT
    return Comparison.PROVEN if proves(block) else Comparison.UNPROVEN
