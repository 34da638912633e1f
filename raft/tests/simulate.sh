#!/bin/sh
# Simulates so many clusters, each from another seed: raft/tests/simulate.sh 2000 [first seed]
set -eu
count=${1:-2000}
first=${2:-$(date +%s)000}
cd "$(dirname "$0")/../.."
SLUICE_SIM_SEEDS="$first..$((first + count - 1))" \
    cargo test -p sluice-raft --test cluster every_invariant -- --nocapture
