"""Times: until the first byte of a response, until that of a late offset, and how fast content comes. Pure.

No standard says how long is too long, so nothing here is ever broken. What did not come since the check had no more
time is unknown.
"""

from __future__ import annotations

from .known import Answers
from .values import Answer, Verdict

_SLOW = 0.3  # seconds more than the first bytes take
_TIMES = 3  # as long as the first bytes take
_LONG_WAIT = 1.0  # seconds until the first byte, after which people notice that they wait
_LEAST_RATE = 32 << 10  # bytes in a second: what music takes


def judge_speed(answers: Answers) -> Verdict:
    """Judge how long a client waits for each response, and for its content."""
    trickle = next((said for answer in answers.values() if (said := _trickle_of(answer))), "")
    if trickle:
        return Verdict("limited", f"{trickle}: players stop, and downloads take for ever.")
    waits = sorted(answer.waited for answer in answers.values() if answer.head is not None)
    wait = waits[len(waits) // 2]
    if wait >= _LONG_WAIT:
        return Verdict("limited", f"{wait:.1f} s until the first byte of a response, the median of {len(waits)}: each "
                                  "start and each seek takes as long.")
    hurried = [answer for answer in answers.values() if answer.is_slow and not answer.is_conclusive]
    if hurried:
        return Verdict("unknown", f"{len(hurried)} of {len(answers)} responses had not come when the time of the check "
                                  "was over: a longer timeout may tell.")
    return Verdict("good", f"{1000 * wait:.0f} ms until the first byte of a response, the median of {len(waits)}.")


def _trickle_of(answer: Answer) -> str:
    """What came too slowly, as text; "" if nothing did. Without a length it may be live: it comes as it plays."""
    length = None if answer.head is None else answer.head.content_length
    was_fair = answer.is_slow and answer.is_conclusive
    if length is None or not was_fair or len(answer.content) >= _LEAST_RATE * (answer.took - answer.waited):
        return ""
    return f"Only {len(answer.content)} of {length} bytes came within {answer.took:.1f} s"


def judge_late(answers: Answers) -> Verdict:
    """Judge whether the last bytes come about as soon as the first."""
    late = min(answers[name].waited for name in ("to_end", "to_end_again") if name in answers)
    early = min(answers[name].waited for name in ("first_two", "early") if name in answers)
    said = f"{1000 * late:.0f} ms, and {1000 * early:.0f} ms until the first ones"
    if late > early + _SLOW and late > _TIMES * early:
        return Verdict("limited", f"{said}: the server seems to read all that lies before, so that each seek takes the "
                                  "longer the further it goes.")
    return Verdict("good", f"{said}.")
