"""Who joined first enters first, though the last of the line always asks first.

Permits free two seconds apart, further than a free one may be given ahead of its turn, so the order is exact. Nobody
pauses between polls: the server itself holds the poll of whoever is next until the turn has come.
"""
from visitors import Visitor, make_zone

ROUNDS_MAX = 10_000

make_zone("line", "LIMIT", 2, "WINDOW_MS", 4000, "SLICE_MS", 2000)
early = [Visitor("line", number) for number in range(2)]
assert all(visitor.inside for visitor in early), "nobody waits where nobody is ahead and permits are free"
line = [Visitor("line", number) for number in range(4)]
assert [visitor.told["position"] for visitor in line] == [1, 2, 3, 4]

entered = []
for _ in range(ROUNDS_MAX):
    for visitor in reversed(line):
        if not visitor.inside and visitor.poll():
            entered.append(visitor)
    if len(entered) == len(line):
        break
assert entered == line, [visitor.told for visitor in line]
moments = [visitor.told["admitted_at"] for visitor in line]
assert moments == sorted(moments), moments
for visitor in line:
    visitor.poll()
print("checked")
