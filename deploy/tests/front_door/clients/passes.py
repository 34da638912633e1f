"""Verifies passes with PyJWT against the published keys; arguments: URL of the server, zone, pass, another server's pass."""
import base64
import json
import sys
import time

import jwt

url, zone, good, foreign = sys.argv[1:5]
keys = jwt.PyJWKClient(f"{url}/.well-known/jwks.json")


def verify(token, audience_zone=zone, now=None):
    """What a service does that guards one zone."""
    key = keys.get_signing_key_from_jwt(token)
    options = {"require": ["iss", "sub", "zone", "iat", "exp", "jti"]}
    claims = jwt.decode(token, key.key, algorithms=["EdDSA"], options=options)
    if claims["zone"] != audience_zone:
        raise jwt.InvalidTokenError("a pass of another zone")
    return claims


def refused(what, attempt):
    try:
        attempt()
    except (jwt.InvalidTokenError, jwt.PyJWKClientError):
        return
    raise AssertionError(f"{what} was taken")


def encoded(part):
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


claims = verify(good)
assert claims["zone"] == zone and len(claims["jti"]) == 22, claims
assert claims["iss"].startswith("sluice:"), claims
assert abs(claims["iat"] - time.time()) < 120 and claims["exp"] == claims["iat"] + 600, claims
assert jwt.get_unverified_header(good)["alg"] == "EdDSA"

head, body, signature = good.split(".")
longer = dict(claims, exp=claims["exp"] + 1000)
refused("another zone's pass", lambda: verify(good, "another"))
refused("a longer life", lambda: verify(".".join([head, encoded(longer), signature])))
refused("no algorithm", lambda: verify(".".join([encoded(dict(decoded(head), alg="none")), body, ""])))
refused("another server's pass", lambda: verify(foreign))

# The classic mistake of a verifier is to take the public key for a shared secret.
public = base64.urlsafe_b64decode(next(key for key in keys.fetch_data()["keys"])["x"] + "=")
hs256 = jwt.encode(claims, public, algorithm="HS256", headers={"kid": decoded(head)["kid"]})
refused("HS256 with the public key", lambda: verify(hs256))


def expired(token, claims):
    key = keys.get_signing_key_from_jwt(token).key
    # PyJWT has no clock of its own to turn: a leeway below zero is as good.
    jwt.decode(token, key, algorithms=["EdDSA"], leeway=-(claims["exp"] - int(time.time())) - 1)


refused("an expired pass", lambda: expired(good, claims))
print("checked")
