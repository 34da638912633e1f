"""redis-py on asyncio against the server whose port is the argument."""
import asyncio
import sys

import redis.asyncio as redis

PORT = int(sys.argv[1])


def as_map(reply):
    """RESP2 has a flat list for a map."""
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))


async def use_the_room(zone, **options):
    async with redis.Redis(port=PORT, decode_responses=True, client_name=zone, **options) as client:
        ask = client.execute_command
        assert await client.ping() is True
        assert await client.client_getname() == zone
        assert (await client.info())["role"] == "master"
        assert await ask("Q.ZONE", "SET", zone, "LIMIT", "1") in (True, "OK")
        assert as_map(await ask("Q.JOIN", zone))["state"] == "admitted"
        # Fifty at once, each over a connection of its own.
        joined = [as_map(reply) for reply in await asyncio.gather(*(ask("Q.JOIN", zone) for _ in range(50)))]
        assert sorted(place["position"] for place in joined) == list(range(1, 51))
        polls = await asyncio.gather(*(ask("Q.POLL", zone, place["token"]) for place in joined))
        assert [as_map(poll)["position"] for poll in polls] == [place["position"] for place in joined]
        pipeline = client.pipeline(transaction=False)
        for place in joined:
            pipeline.execute_command("Q.POLL", zone, place["token"])
        assert [as_map(poll)["token"] for poll in await pipeline.execute()] == [p["token"] for p in joined]
        token = joined[0]["token"]
        assert await ask("Q.LEAVE", zone, token) == 1
        try:
            await ask("Q.POLL", zone, token)
        except redis.ResponseError as error:
            assert str(error).startswith("GONE "), error
        else:
            raise AssertionError("a place that was given up still answers")


async def check_health():
    async with redis.Redis(port=PORT, health_check_interval=3600) as client:
        processed = (await client.info("stats"))["total_commands_processed"]
        connection = await client.connection_pool.get_connection()
        connection.next_health_check = 0  # As if the hour had passed.
        await client.connection_pool.release(connection)
        assert (await client.info("stats"))["total_commands_processed"] >= processed + 2, "a PING went ahead"


async def main():
    await use_the_room("default")
    await use_the_room("resp2", protocol=2)
    await use_the_room("resp3", protocol=3)
    await check_health()


asyncio.run(main())
print("checked")
