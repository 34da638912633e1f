"""A worker and its readers with redis-py, blocking and on asyncio: what they see, told line by line.

Arguments: the port, and whether the client is `sync` or `asyncio`. Says `restart` where the server is to be restarted, and
goes on when it is answered. Nothing that differs from run to run is told: ids of the clock, idle times, waits.
"""
import asyncio
import re
import sys

import redis
import redis.asyncio

PORT, KIND = int(sys.argv[1]), sys.argv[2]
STEPS = 120
KEPT = 50


def tell(*what):
    print(*what, flush=True)


class Sync:
    """The blocking client in the shape of the other one, each call on a thread of its own."""

    def __init__(self):
        self.client = redis.Redis(port=PORT, decode_responses=True)

    def __getattr__(self, name):
        call = getattr(self.client, name)
        return lambda *words, **options: asyncio.to_thread(call, *words, **options)

    async def pipeline_of(self, add):
        pipeline = self.client.pipeline()
        add(pipeline)
        return await asyncio.to_thread(pipeline.execute)

    async def aclose(self):
        self.client.close()


class Async(redis.asyncio.Redis):
    def __init__(self):
        super().__init__(port=PORT, decode_responses=True)

    async def pipeline_of(self, add):
        pipeline = self.pipeline()
        add(pipeline)
        return await pipeline.execute()


connect = Sync if KIND == "sync" else Async


def streams(reply):
    """RESP3 has a map of lists of lists; RESP2 a list of pairs. Ids of the clock become `*`."""
    return [(key, entries_of(entries)) for key, entries in pairs(reply)]


def pairs(reply):
    return list(reply.items()) if isinstance(reply, dict) else reply or []


def entries_of(entries):
    return [(re.sub(r"^\d{13}-\d+$", "*", entry[0]), entry[1]) for entry in entries]


async def blocked(client, count):
    """Returns when as many clients wait: what comes after this was not there before."""
    while (await client.info("clients"))["blocked_clients"] != count:
        pass


async def follow(reader, key, after, until):
    """Reads until a step is seen; what is told is dense, so nothing was missed."""
    seen = []
    while until not in seen:
        for _, entries in pairs(await reader.xread({key: after}, block=3000, count=10)):
            for entry_id, fields in entries:
                after = entry_id
                seen.append(int(fields["step"]))
    return seen


async def work(worker, key):
    for step in range(STEPS):
        def add(pipeline, step=step):
            pipeline.xadd(key, {"step": step, "state": "scan"}, maxlen=KEPT, approximate=True)
            pipeline.expire(key, 3600)
        entry_id, expires = await worker.pipeline_of(add)
        assert re.fullmatch(r"\d{13}-\d+", entry_id), entry_id
        assert expires is True


async def a_worker_and_a_reader():
    worker, reader = connect(), connect()
    following = asyncio.create_task(follow(reader, "scan:1", "0", 5))
    await blocked(worker, 1)
    for step in range(6):
        await worker.xadd("scan:1", {"step": step})
    tell("followed", await following)
    await worker.delete("scan:1")
    await work(worker, "scan:1")
    assert await worker.xlen("scan:1") >= KEPT
    tell("kept", entries_of(await worker.xrevrange("scan:1", count=KEPT)))
    tell("ttl", 3590 < await worker.ttl("scan:1") <= 3600)
    tell("read", streams(await worker.xread({"scan:1": "0-0"}, count=10_000))[0][1][-3:])
    await worker.aclose()
    await reader.aclose()


async def readers_that_wait():
    worker, readers = connect(), [connect() for _ in range(3)]
    waits = [reader.xread({"new:1": "$", "new:2": "$", "new:3": "0"}, block=0) for reader in readers]
    waits = [asyncio.create_task(wait) for wait in waits]
    await blocked(worker, 3)
    await worker.xadd("new:2", {"a": 1}, id="5-1")
    for wait in waits:
        tell("woken", streams(await wait))
    # Of one transaction the reader sees what came first; with one tag the keys are of one group.
    both = asyncio.create_task(readers[0].xread({"{t}:2": "$", "{t}:1": "$"}, block=0))
    await blocked(worker, 1)
    def add(pipeline):
        pipeline.xadd("{t}:1", {"b": 2}, id="6-1")
        pipeline.xadd("{t}:2", {"c": 3}, id="6-2")
    tell("together", await worker.pipeline_of(add))
    tell("first", streams(await both))
    tell("there already", streams(await readers[0].xread({"{t}:1": 0, "new:2": "5-0", "{t}:2": 0, "nowhere": 0}, block=0)))
    done = []
    async def wait_in_vain(reader, block):
        reply = await reader.xread({"new:1": "$"}, block=block)
        done.append((block, streams(reply), reply is None or len(reply) == 0))
    await asyncio.gather(*(wait_in_vain(reader, block) for reader, block in zip(readers, (50, 700, 1400))))
    tell("in vain", done)
    for client in [worker, *readers]:
        await client.aclose()


async def groups():
    boss, first, second = connect(), connect(), connect()
    tell("created", await boss.xgroup_create("jobs", "crew", id="$", mkstream=True))
    try:
        await boss.xgroup_create("jobs", "crew")
    except redis.ResponseError as error:
        tell("again", error)
    take = lambda client, name, **options: client.xreadgroup("crew", name, {"jobs": ">"}, **options)
    waits = asyncio.create_task(take(first, "one", count=2, block=0))
    await blocked(boss, 1)
    for number in range(1, 7):
        await boss.xadd("jobs", {"job": number}, id=f"1-{number}")
        if number == 1:
            tell("woken", streams(await waits))
    tell("next", streams(await take(first, "one", count=2)))
    tell("other", streams(await take(second, "two", count=2, block=3000)))
    tell("acked", await first.xack("jobs", "crew", "1-1", "1-4", "9-9"))
    tell("pending", await boss.xpending("jobs", "crew"))
    pending = await boss.xpending_range("jobs", "crew", "-", "+", 10)
    tell("each", [{name: each[name] for name in ("message_id", "consumer", "times_delivered")} for each in pending])
    await first.aclose()  # It dies with what it had.
    tell("claimed", await second.xautoclaim("jobs", "crew", "two", min_idle_time=0, count=1))
    tell("more", await second.xautoclaim("jobs", "crew", "two", min_idle_time=0, start_id="1-2"))
    tell("just ids", await second.xautoclaim("jobs", "crew", "two", min_idle_time=0, justid=True))
    tell("nothing new", streams(await second.xreadgroup("crew", "two", {"jobs": 0}, count=1)))
    tell("rest", streams(await take(second, "two")), streams(await take(second, "two", block=20)))
    info = await boss.xinfo_groups("jobs")
    tell("groups", info)
    consumers = await boss.xinfo_consumers("jobs", "crew")
    tell("consumers", [{name: each[name] for name in ("name", "pending")} for each in consumers])
    try:
        await take(second, "two", block=0) if await boss.xgroup_destroy("jobs", "crew") else None
    except redis.ResponseError as error:
        tell("destroyed", error)
    await boss.aclose()
    await second.aclose()


async def a_restart():
    worker, reader = connect(), connect()
    await worker.xgroup_create("kept", "crew", id="0", mkstream=True)
    for step in range(3):
        await worker.xadd("kept", {"step": step}, id=f"1-{step}")
    await worker.expire("kept", 3600)
    await worker.xreadgroup("crew", "one", {"kept": ">"}, count=2)
    following = asyncio.create_task(follow_over_a_restart(reader))
    await blocked(worker, 1)
    tell("restart")
    await asyncio.to_thread(sys.stdin.readline)
    tell("again", entries_of(await worker.xrange("kept")), 3590 < await worker.ttl("kept") <= 3600)
    tell("pending", await worker.xpending("kept", "crew"))
    tell("to do", streams(await worker.xreadgroup("crew", "one", {"kept": ">"})))
    await worker.xadd("kept", {"step": 3}, id="1-3")
    tell("followed", await following)
    await worker.aclose()
    await reader.aclose()


async def follow_over_a_restart(reader):
    """Again and again from the last id, as every worker's loop does; the client connects by itself."""
    seen, after = [], "0"
    while len(seen) < 4:
        try:
            reply = await reader.xread({"kept": after}, block=1000)
        except (redis.ConnectionError, redis.TimeoutError):
            continue
        for _, entries in streams(reply):
            seen += [entry_id for entry_id, _ in entries]
            after = seen[-1]
    return seen


async def main():
    await a_worker_and_a_reader()
    await readers_that_wait()
    await groups()
    await a_restart()
    tell("checked")


asyncio.run(main())
