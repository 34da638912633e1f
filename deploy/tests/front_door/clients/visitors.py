"""Visitors who join a zone and poll, each in its own way; what they are told is the same for all."""
import http.client
import json
import subprocess
import sys

import redis

RESP_PORT, HTTP_PORT = sys.argv[1], sys.argv[2]


class Cli:
    """One redis-cli a command."""

    def ask(self, *words):
        said = subprocess.run(
            ["redis-cli", "-e", "-p", RESP_PORT, "--json", *words], check=True, capture_output=True, text=True
        )
        return json.loads(said.stdout)

    def join(self, zone):
        return self.ask("Q.JOIN", zone)

    def poll(self, zone, token):
        return self.ask("Q.POLL", zone, token)


class Library:
    """redis-py, over one connection that is kept."""

    def __init__(self):
        self.client = redis.Redis(port=int(RESP_PORT), protocol=3, decode_responses=True)

    def join(self, zone):
        return self.client.execute_command("Q.JOIN", zone)

    def poll(self, zone, token):
        return self.client.execute_command("Q.POLL", zone, token)


class App:
    """An existing app: two calls over HTTP."""

    def __init__(self):
        self.connection = http.client.HTTPConnection("127.0.0.1", int(HTTP_PORT))

    def call(self, path, **body):
        self.connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        response = self.connection.getresponse()
        told = json.loads(response.read())
        assert response.status == 200, told
        if told["canEnter"]:
            return {"state": "admitted", "token": told["token"], "position": 0, "admitted_at": told["admittedAt"]}
        waiting = told["waiting"]
        place = {"position": waiting["position"], "poll_ms": waiting["pollingPeriod"]}
        return {"state": "waiting", "token": told["token"], **place}

    def join(self, zone):
        return self.call("/traffic/wait", zoneId=zone, clientIp="127.0.0.1", clientAgent="WEB")

    def poll(self, zone, token):
        return self.call("/traffic/entry", zoneId=zone, token=token)


WAYS = [Cli, App, Library]


class Visitor:
    """Someone with a place in a zone, who polls in one of the ways."""

    def __init__(self, zone, number):
        self.zone, self.way = zone, WAYS[number % len(WAYS)]()
        self.told = self.way.join(zone)
        self.token = self.told["token"]

    def poll(self):
        before = self.told
        self.told = self.way.poll(self.zone, self.token)
        assert self.told["token"] == self.token
        assert self.told["position"] <= before["position"], (before, self.told)
        if before["state"] == "admitted":
            assert self.told["admitted_at"] == before["admitted_at"], "entered once"
        return self.inside

    @property
    def inside(self):
        return self.told["state"] == "admitted"


def make_zone(zone, *settings):
    words = ["redis-cli", "-e", "-p", RESP_PORT, "Q.ZONE", "SET", zone, *map(str, settings)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
