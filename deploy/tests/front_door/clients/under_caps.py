"""A crowd that asks at once, each visitor as often as it is told to: the caps hold exactly, and nobody is overtaken by
more than a poll period. Moments are the server's own, so how fast this machine is does not matter.
"""
import time
from concurrent.futures import ThreadPoolExecutor

from visitors import Visitor, make_zone

LIMIT, WINDOW_MS, SLICE_MS, POLL_MS = 10, 2000, 200, 1000
CROWD = 15
POLLS_MAX = 200

make_zone("crowd", "LIMIT", LIMIT, "WINDOW_MS", WINDOW_MS, "SLICE_MS", SLICE_MS, "POLL_MS", POLL_MS)
early = [Visitor("crowd", number) for number in range(LIMIT)]
crowd = [Visitor("crowd", number) for number in range(CROWD)]


def wait(visitor):
    for _ in range(POLLS_MAX):
        if visitor.inside:
            return
        assert 0 < visitor.told["poll_ms"] <= POLL_MS, visitor.told
        # What an app does: the server says when to come again.
        time.sleep(visitor.told["poll_ms"] / 1000)
        visitor.poll()


with ThreadPoolExecutor(CROWD) as threads:
    list(threads.map(wait, crowd))
assert all(visitor.inside for visitor in early + crowd), [visitor.told for visitor in early + crowd]
in_join_order = [visitor.told["admitted_at"] for visitor in crowd]
moments = sorted(visitor.told["admitted_at"] for visitor in early + crowd)
for earlier, later in zip(moments, moments[LIMIT:]):
    assert later - earlier >= WINDOW_MS, f"more than {LIMIT} in {WINDOW_MS} ms: {moments}"
waiters = sorted(in_join_order)
for earlier, later in zip(waiters, waiters[1:]):
    assert later - earlier >= SLICE_MS, f"more than one in {SLICE_MS} ms: {waiters}"
for number, moment in enumerate(in_join_order):
    overtaken_ms = moment - min(in_join_order[number:])
    assert overtaken_ms <= POLL_MS, f"overtaken by {overtaken_ms} ms: {in_join_order}"
print("checked")
