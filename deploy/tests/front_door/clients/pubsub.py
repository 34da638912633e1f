"""redis-py's publish and subscribe against the server whose port is the argument: blocking and on asyncio, default, RESP2, RESP3."""
import asyncio
import sys

import redis
import redis.asyncio

PORT = int(sys.argv[1])
MESSAGES = 200
AT_ONCE = 50  # A pool has a hundred connections.


def next_of(listener):
    """The next thing that is heard; one that never comes is a failure, not a wait without end."""
    heard = listener.get_message(timeout=60)
    assert heard is not None, "nothing was heard"
    return heard["type"], heard["pattern"], heard["channel"], heard["data"]


def listen(name, **options):
    client = redis.Redis(port=PORT, decode_responses=True, **options)
    publisher = redis.Redis(port=PORT, decode_responses=True, **options)
    news, other = f"{name}.news", f"{name}.other"
    assert publisher.publish(news, "nobody") == 0
    with client.pubsub() as listener:
        listener.subscribe(news, other)
        assert next_of(listener) == ("subscribe", None, news, 1)
        assert next_of(listener) == ("subscribe", None, other, 2)
        listener.psubscribe(f"{name}.n*")
        assert next_of(listener) == ("psubscribe", None, f"{name}.n*", 3)
        assert sorted(publisher.pubsub_channels(f"{name}.*")) == [news, other]
        assert publisher.pubsub_numsub(news, "nowhere") == [(news, 1), ("nowhere", 0)]
        assert publisher.pubsub_numpat() == 1
        for number in range(MESSAGES):
            assert publisher.publish(news, number) == 2
        for number in range(MESSAGES):
            assert next_of(listener) == ("message", None, news, str(number))
            assert next_of(listener) == ("pmessage", f"{name}.n*", news, str(number))
        if options.get("protocol") == 2:  # In RESP3 the answer is a plain text, which redis-py takes apart by the letter.
            listener.ping("still there")
            assert next_of(listener)[::3] == ("pong", "still there")
        listener.punsubscribe()
        assert next_of(listener) == ("punsubscribe", None, f"{name}.n*", 2)
        listener.unsubscribe(other)
        assert next_of(listener) == ("unsubscribe", None, other, 1)
        assert (publisher.publish(other, "gone"), publisher.publish(news, "last")) == (0, 1)
        assert next_of(listener) == ("message", None, news, "last")
    client.close()
    publisher.close()


async def listen_on_asyncio(name, **options):
    async with redis.asyncio.Redis(port=PORT, decode_responses=True, **options) as client:
        async with client.pubsub() as listener:
            await listener.subscribe(name)
            await listener.psubscribe(f"{name}*")
            heard = listener.listen()
            for expected in ("subscribe", "psubscribe"):
                assert (await anext(heard))["type"] == expected
            sent = await asyncio.gather(*(client.publish(name, number) for number in range(AT_ONCE)))
            assert sent == [2] * AT_ONCE
            messages = [await anext(heard) for _ in range(2 * AT_ONCE)]
            # Publishers on connections of their own have no order among them.
            for kind in ("message", "pmessage"):
                data = sorted(int(message["data"]) for message in messages if message["type"] == kind)
                assert data == list(range(AT_ONCE)), kind
            await listener.unsubscribe()
            await listener.punsubscribe()


def come_back_after_a_lost_connection():
    client = redis.Redis(port=PORT, decode_responses=True)
    with client.pubsub() as listener:
        listener.subscribe("again")
        assert next_of(listener) == ("subscribe", None, "again", 1)
        assert client.client_kill_filter(_type="pubsub") == 1
        assert next_of(listener) == ("subscribe", None, "again", 1), "it subscribes anew by itself"
        assert client.publish("again", "x") == 1
        assert next_of(listener) == ("message", None, "again", "x")
    client.close()


for name, options in (("default", {}), ("resp2", {"protocol": 2}), ("resp3", {"protocol": 3})):
    listen(name, **options)
    asyncio.run(listen_on_asyncio(f"{name}.asyncio", **options))
come_back_after_a_lost_connection()
print("checked")
