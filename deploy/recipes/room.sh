#!/bin/sh
# Waits in a zone with curl.   room.sh http://127.0.0.1:7380 shop
set -eu
url=$1 zone=$2

# member NAME: of the flat answer in $place
member() { printf %s "$place" | sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }

place=$(curl -s "$url/traffic/wait" -d "{\"zoneId\":\"$zone\",\"clientIp\":\"127.0.0.1\",\"clientAgent\":\"WEB\"}" -H 'Content-Type: application/json')
token=$(member token)
while [ "$(member canEnter)" != true ]; do
    pause=$(member pollingPeriod)
    [ -n "$token" ] && [ -n "$pause" ] || { echo "$place" >&2; exit 1; }
    echo "position $(member position)"
    sleep "$(awk "BEGIN { print $pause / 1000 }")"
    place=$(curl -s "$url/traffic/entry" -d "{\"zoneId\":\"$zone\",\"token\":\"$token\"}" -H 'Content-Type: application/json')
done
echo "entered $(member zoneId)"
