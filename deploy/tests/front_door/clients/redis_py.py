"""redis-py against the server whose port is the argument: its defaults, RESP3, RESP2, a pool, checks of health, retries."""
import sys
from concurrent.futures import ThreadPoolExecutor

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

PORT = int(sys.argv[1])


def as_map(reply):
    """RESP2 has a flat list for a map."""
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))


def refused(code, call, *words):
    try:
        call(*words)
    except redis.ResponseError as error:
        assert str(error).startswith(code + " "), error
    else:
        raise AssertionError(f"{words} is not refused with {code}")


def use_the_room(zone, **options):
    client = redis.Redis(port=PORT, decode_responses=True, **options)
    ask = client.execute_command
    assert client.ping() is True
    assert client.info("server")["tcp_port"] == PORT
    assert ask("Q.ZONE", "SET", zone, "LIMIT", "1") in (True, "OK")
    assert zone in ask("Q.ZONE", "LIST")
    assert as_map(ask("Q.ZONE", "GET", zone))["limit"] == 1
    admitted = as_map(ask("Q.JOIN", zone))
    assert admitted["state"] == "admitted" and admitted["admitted_at"] > 0, admitted
    assert as_map(ask("Q.POLL", zone, admitted["token"])) == admitted
    reply = ask("Q.JOIN", zone, "USER", "u1")
    assert "protocol" not in options or isinstance(reply, dict) == (options["protocol"] == 3), reply
    waiting = as_map(reply)
    assert (waiting["state"], waiting["position"]) == ("waiting", 1), waiting
    assert as_map(ask("Q.JOIN", zone, "USER", "u1"))["token"] == waiting["token"]
    pipeline = client.pipeline(transaction=False)
    for _ in range(100):
        pipeline.execute_command("Q.POLL", zone, waiting["token"])
    assert [as_map(reply)["position"] for reply in pipeline.execute()] == [1] * 100
    assert as_map(ask("Q.STATS", zone))["waiting"] == 1
    assert ask("Q.LEAVE", zone, waiting["token"]) == 1
    assert ask("Q.LEAVE", zone, waiting["token"]) == 0
    refused("GONE", ask, "Q.POLL", zone, waiting["token"])
    refused("BADTOKEN", ask, "Q.POLL", zone, "forged")
    assert ask("Q.ZONE", "DEL", zone) == 1
    refused("NOZONE", ask, "Q.JOIN", zone)
    client.close()


def keep_a_name(protocol):
    client = redis.Redis(port=PORT, protocol=protocol, client_name=f"front-{protocol}", decode_responses=True)
    assert client.client_getname() == f"front-{protocol}"
    mine = [row for row in client.client_list() if row["id"] == str(client.client_id())]
    known = [(row["name"], row["lib-name"], row["resp"]) for row in mine]
    assert known == [(f"front-{protocol}", "redis-py", str(protocol))], mine
    assert client.client_setname("other") is True and client.client_getname() == "other"
    client.close()


def share_a_pool():
    pool = redis.BlockingConnectionPool(port=PORT, max_connections=4, decode_responses=True)
    client = redis.Redis(connection_pool=pool)
    client.execute_command("Q.ZONE", "SET", "pool", "LIMIT", "10", "MODE", "paused")
    with ThreadPoolExecutor(8) as threads:
        joined = list(threads.map(lambda _: as_map(client.execute_command("Q.JOIN", "pool")), range(64)))
        assert sorted(place["position"] for place in joined) == list(range(1, 65))
        poll = lambda place: as_map(client.execute_command("Q.POLL", "pool", place["token"]))
        assert [place["position"] for place in threads.map(poll, joined)] == [p["position"] for p in joined]
    connections = [row for row in client.client_list() if row["cmd"] in ("q.join", "q.poll", "client|list")]
    assert 1 <= len(connections) <= 4, connections
    pool.disconnect()


def check_health():
    client = redis.Redis(port=PORT, health_check_interval=3600)
    processed = client.info("stats")["total_commands_processed"]
    connection = client.connection_pool.get_connection()
    connection.next_health_check = 0  # As if the hour had passed.
    client.connection_pool.release(connection)
    assert client.info("stats")["total_commands_processed"] >= processed + 2, "a PING went ahead"
    client.close()


def come_back_after_a_lost_connection(**options):
    watcher = redis.Redis(port=PORT)
    client = redis.Redis(port=PORT, **options)
    lost = client.client_id()
    assert watcher.client_kill_filter(_id=str(lost)) == 1
    assert client.ping() is True, "over a new connection"
    assert client.client_id() != lost
    client.close()
    watcher.close()


use_the_room("default")
use_the_room("resp2", protocol=2)
use_the_room("resp3", protocol=3)
keep_a_name(2)
keep_a_name(3)
share_a_pool()
check_health()
come_back_after_a_lost_connection()
come_back_after_a_lost_connection(retry=Retry(NoBackoff(), 3), socket_keepalive=True, socket_timeout=60)
with redis.from_url(f"redis://127.0.0.1:{PORT}/0?protocol=3") as by_url:
    assert by_url.ping() is True
print("checked")
