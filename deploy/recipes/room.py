"""Waits in a zone and verifies the pass. pip install redis 'PyJWT[crypto]'

    python room.py 127.0.0.1 7379 http://127.0.0.1:7380 shop
"""
import sys
import time

import jwt
import redis

host, port, url, zone = sys.argv[1:5]

# The user: take a place, and come back when told to.
room = redis.Redis(host=host, port=int(port), protocol=3, decode_responses=True)
place = room.execute_command("Q.JOIN", zone)
while place["state"] != "admitted":
    print("position", place["position"], "wait", place["eta_ms"], "ms")
    time.sleep(place["poll_ms"] / 1000)
    place = room.execute_command("Q.POLL", zone, place["token"])

# The service that is protected: it asks nobody. Keys are fetched once, and again when a new one is met.
keys = jwt.PyJWKClient(f"{url}/.well-known/jwks.json")


def verified(token):
    key = keys.get_signing_key_from_jwt(token).key
    required = ["iss", "sub", "zone", "iat", "exp", "jti"]
    claims = jwt.decode(token, key, algorithms=["EdDSA"], leeway=30, options={"require": required})
    if claims["zone"] != zone:
        raise jwt.InvalidTokenError("a pass of another zone")
    return claims


print("entered", verified(place["pass"])["zone"])
