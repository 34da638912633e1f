"""redis-py against a server of which the first argument is the port: its defaults, RESP3, RESP2, and a pipeline."""
import sys

import redis

PORT = int(sys.argv[1])


def as_map(reply):
    """RESP2 has a flat list for a map."""
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))


def check(zone, **options):
    client = redis.Redis(port=PORT, decode_responses=True, **options)
    assert client.ping() is True
    assert client.info("server")["redis_version"]
    assert client.execute_command("Q.ZONE", "SET", zone, "LIMIT", "1") in (True, "OK")
    assert zone in client.execute_command("Q.ZONE", "LIST")
    assert as_map(client.execute_command("Q.JOIN", zone))["state"] == "admitted"
    waiting = as_map(client.execute_command("Q.JOIN", zone))
    assert (waiting["state"], waiting["position"]) == ("waiting", 1), waiting
    pipeline = client.pipeline(transaction=False)
    for _ in range(100):
        pipeline.execute_command("Q.POLL", zone, waiting["token"])
    assert [as_map(reply)["position"] for reply in pipeline.execute()] == [1] * 100
    assert as_map(client.execute_command("Q.STATS", zone))["waiting"] == 1
    assert client.execute_command("Q.LEAVE", zone, waiting["token"]) == 1
    try:
        client.execute_command("Q.POLL", zone, waiting["token"])
        raise AssertionError("a place that was given up still answers")
    except redis.ResponseError as error:
        assert str(error).startswith("GONE"), error
    client.close()


check("py-default")
check("py-2", protocol=2)
check("py-3", protocol=3)
print("checked")
