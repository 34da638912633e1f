#!/usr/bin/env bash
# Runs the fuzz targets: run.sh SECONDS [TARGET ...]   each for that long, all of them unless some are named.
# Needs a nightly compiler for the sanitizers; without one, the stable compiler is told to allow them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:?usage: net/fuzz/run.sh SECONDS [TARGET ...]}
shift
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    targets=(resp_request resp_reply http_request token peer_frame)
fi

if ! cargo fuzz --version >/dev/null 2>&1; then
    cargo install cargo-fuzz --locked
fi
toolchain=()
if cargo +nightly --version >/dev/null 2>&1; then
    toolchain=(+nightly)
else
    export RUSTC_BOOTSTRAP=1
fi

for target in "${targets[@]}"; do
    mkdir -p "fuzz/corpus/$target"
    echo "== $target, $seconds s"
    # Findings go to the first folder; the seeds are only read.
    cargo "${toolchain[@]}" fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1
done
