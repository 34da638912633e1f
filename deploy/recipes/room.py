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

# The service that is protected: nobody is asked whether a pass is good. Keys are fetched once, and again when a new one is met.
keys = jwt.PyJWKClient(f"{url}/.well-known/jwks.json")


# Passes that were taken back. A service that is busy reads on in a thread (XREAD BLOCK), and not for each request.
REVOKED = "sluice:revoked-passes"
revoked, last = set(), "0-0"


def is_revoked(jti):
    global last
    for last, entry in room.xrange(REVOKED, min=f"({last}"):
        revoked.add(entry["jti"])
    return jti in revoked


def verified(token):
    key = keys.get_signing_key_from_jwt(token).key
    required = ["iss", "sub", "zone", "iat", "exp", "jti"]
    claims = jwt.decode(token, key, algorithms=["EdDSA"], leeway=30, options={"require": required})
    if claims["zone"] != zone:
        raise jwt.InvalidTokenError("a pass of another zone")
    if is_revoked(claims["jti"]):
        raise jwt.InvalidTokenError("a pass that was revoked")
    return claims


print("entered", verified(place["pass"])["zone"])
