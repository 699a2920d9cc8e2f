#!/usr/bin/env bash
# Kills, starves and crowds whole commands, hundreds of times, and looks whether anything is lost.
#
#   parity/tests/torture.sh [KILLS]      (make torture)
#
# Needs strace, a built `parity` (PARITY, by default target/release/parity), the model in MODEL and
# the goldens. With PYTHON_RECORDER='… parity … options' the Python recorder is killed as well.
# Runs as the superuser where a small file system shall be mounted; else that part is skipped.
set -uo pipefail
cd "$(dirname "$0")/../.."
kills=${1:-240}
parity=$(realpath "${PARITY:-target/release/parity}")
model=$(realpath "${MODEL:-out/tiny-7}")
root=$PWD
work=$(mktemp -d)
trap 'mountpoint -q "$work/small" && umount "$work/small"; rm -rf "$work"' EXIT
tolerances=$root/golden/tolerances.toml
lost=0 done_kills=0
export RAYON_NUM_THREADS=${RAYON_NUM_THREADS:-1}

say() { printf '%s\n' "$*"; }
lose() { lost=$((lost + 1)); say "LOST: $*"; }
record() { # OUT CASE...
    local out=$1 cases=(); shift
    for case; do cases+=(--case "$case"); done
    "$parity" record --engine native --model-dir "$model" --cases golden/cases.toml \
        "${cases[@]}" --out "$out"
}
# Every hash of the recording holds; its manifest is one of the known ones.
whole() { "$parity" diff "$1" "$1" --tolerances "$tolerances" >/dev/null 2>&1; }
clean() { # DIR ALLOWED...: nothing but these names
    local dir=$1; shift
    [ "$(ls -A "$dir" | sort | tr '\n' ' ')" = "$(printf '%s\n' "$@" | sort | tr '\n' ' ')" ]
}

say "== two recordings that differ"
few="tokens-zero-shot-hi tokens-instruct-sad"
record "$work/one" $few >/dev/null || { say "the recorder does not run"; exit 1; }
record "$work/two" tokens-zero-shot-hi tokens-pieces-words >/dev/null
sed '/"name"/s/x/x/' golden/cases.toml >/dev/null

say "== kills of the native recorder, at times spread over its run"
printf 'keep\n' >"$work/keep"
start=$(date +%s%N); record "$work/timed" $few >/dev/null; end=$(date +%s%N); rm -rf "$work/timed"
span=$(((end - start) / 1000000))
mkdir "$work/r"
n=$((kills / 3)) killed=0
for i in $(seq 1 $n); do
    signal=$(printf 'KILL\nINT\nTERM\n' | sed -n "$((i % 3 + 1))p")
    record "$work/r/golden" $few >/dev/null 2>&1 &
    pid=$!
    sleep "$(awk -v m=$((span * i / n)) 'BEGIN { printf "%.3f", m / 1000 }')"
    child=$(pgrep -P $pid -x parity || echo $pid)
    if kill -$signal $child 2>/dev/null; then killed=$((killed + 1)); fi
    before=$(date +%s%N)
    wait $pid 2>/dev/null
    took=$((($(date +%s%N) - before) / 1000000))
    [ $took -lt 1000 ] || lose "$signal took $took ms"
    if [ -e "$work/r/golden" ]; then
        whole "$work/r/golden" || lose "a recording that is not whole after $signal"
        rm -rf "$work/r/golden"
    fi
    [ $signal = KILL ] || clean "$work/r" $(ls "$work/r") || lose "$signal left something: $(ls -A "$work/r")"
done
record "$work/r/golden" $few >/dev/null && clean "$work/r" golden || lose "the next run did not clean up: $(ls -A "$work/r")"
done_kills=$((done_kills + killed)); say "killed $killed of $n, each within a second"

say "== kills at every system call with which a changed golden is swapped"
# The whole of golden/tiny-7's place is taken by a recording of other cases: it really changes.
killed=0 old=0 new=0
for call in flock ftruncate mkdir fsync renameat2 rename unlinkat unlink rmdir; do
    for at in $(seq 1 400); do
        rm -rf "$work/s"; mkdir "$work/s"; cp -a "$work/one" "$work/s/golden"
        strace -f -o /dev/null -e "inject=$call:signal=KILL:when=$at" \
            "$parity" record --engine native --model-dir "$model" --cases "$work/other.toml" \
            --tolerances "$tolerances" --out "$work/s/golden" >/dev/null 2>&1
        status=$?
        whole "$work/s/golden" || lose "not whole after $call $at"
        if cmp -s "$work/s/golden/manifest.json" "$work/one/manifest.json"; then old=$((old + 1)); else new=$((new + 1)); fi
        [ $status -ge 128 ] || break
        killed=$((killed + 1))
        [ $((at % 4)) = 0 ] || continue
        "$parity" record --engine native --model-dir "$model" --cases "$work/other.toml" \
            --tolerances "$tolerances" --out "$work/s/golden" >/dev/null 2>&1
        clean "$work/s" golden && whole "$work/s/golden" || lose "no clean-up after $call $at: $(ls -A "$work/s")"
    done
done
done_kills=$((done_kills + killed)); say "killed $killed times: the old golden $old times, the new one $new times"
