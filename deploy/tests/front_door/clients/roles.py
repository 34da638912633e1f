"""redis-py logs in at the server whose port is the argument, where `app` may join and not administer."""
import sys

import redis

PORT = int(sys.argv[1])


def refused(expected, code, **login):
    client = redis.Redis(port=PORT, **login)
    try:
        client.execute_command("Q.ZONE", "SET", "shop", "LIMIT", "9")
    except expected as error:
        assert code in str(error), repr(error)
    else:
        raise AssertionError(f"{login} is not refused with {code}")
    client.close()


for protocol in (2, 3):
    app = redis.Redis(port=PORT, username="app", password="letmein", protocol=protocol, client_name="app")
    assert app.ping() is True and app.execute_command("Q.JOIN", "shop")
    refused(redis.exceptions.NoPermissionError, "permissions", username="app", password="letmein", protocol=protocol)
    refused(redis.AuthenticationError, "", username="app", password="guess", protocol=protocol)
    refused(redis.AuthenticationError, "uthenticat", protocol=protocol)
    boss = redis.Redis(port=PORT, username="boss", password="boss", protocol=protocol)
    assert boss.execute_command("Q.ZONE", "SET", "shop", "LIMIT", "9") in (True, b"OK")
default = redis.Redis(port=PORT, password="letmein")
assert default.ping() is True, "a password without a name is that of `default`"
print("checked")
