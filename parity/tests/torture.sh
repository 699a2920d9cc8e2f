#!/usr/bin/env bash
# Kills, starves and crowds whole commands, hundreds of times, and looks whether anything is lost.
#
#   parity/tests/torture.sh [KILLS]        (or: make torture)
#
# Needs strace, a built `parity` (PARITY, by default target/release/parity), the tiny model (MODEL)
# and the goldens. With COSYVOICE_ROOT, REFERENCE_ENV and a build with --features record, the
# recorders of the reference are killed as well. The superuser also gets a small file system to
# fill. KILLS are spread over each command's run; those at system calls come on top.
set -uo pipefail
set -m # or the background processes of a script would ignore Ctrl-C
cd "$(dirname "$0")/../.." || exit 1
kills=${1:-40}
parity=$(realpath "${PARITY:-target/release/parity}")
model=$(realpath "${MODEL:-out/tiny-7}")
tolerances=$PWD/golden/tolerances.toml
export RAYON_NUM_THREADS=${RAYON_NUM_THREADS:-1}
work=$(mktemp -d)
chmod 755 "$work"
cleanup() {
    if mountpoint -q "$work/small"; then umount "$work/small"; fi
    rm -rf "$work"
}
trap cleanup EXIT
lost=0 all=0 slowest=0

lose() { lost=$((lost + 1)); echo "LOST: $*"; }
# The cases of these names. Their prompts must lie beside them.
cp -r golden/prompts "$work/"
cases() {
    awk -v want=" $* " '
        function flush() { if (index(want, " " name " ")) printf "%s\n", block; block = name = "" }
        /^\[\[case\]\]/ { flush() }
        /^#/ { next }
        { block = block $0 "\n" }
        /^name = / { split($0, quoted, "\""); name = quoted[2] }
        END { flush() }' golden/cases.toml
}
cases tokens-zero-shot-hi tokens-instruct-sad >"$work/one.toml"
cases tokens-zero-shot-hi tokens-zero-shot-breath >"$work/two.toml"
native() { # CASES OUT: the command, in $command
    command=("$parity" record --engine native --model-dir "$model" --cases "$1" --out "$2"
        --tolerances "$tolerances")
}
# The braces keep the shell from reporting every kill.
quiet() { { "$@"; } >/dev/null 2>&1; }
# Every hash holds, and every case can be read.
whole() {
    quiet "$parity" diff "$1" "$1" --tolerances "$tolerances"
    case $? in 1 | 3) false ;; esac
}
clean() { # DIR NAME...: nothing is there but these
    local dir=$1 found
    shift
    found=$(cd "$dir" && find . -mindepth 1 -maxdepth 1 -printf '%f\n' | sort)
    [ "$found" = "$(printf '%s\n' "$@" | sort)" ]
}
milliseconds() { echo $(($(date +%s%N) / 1000000)); }

# Runs $command N times, and sends KILL, INT or TERM after I/N of its time. Then calls check with
# the signal. Counts in $killed.
spread() { # N SPAN
    local n=$1 span=$2 i signal pid since took
    killed=0
    for ((i = 0; i < n; i++)); do
        signals=(KILL INT TERM)
        signal=${signals[i % 3]}
        "${command[@]}" >/dev/null 2>&1 &
        pid=$!
        sleep "$(awk -v m=$((span * i / n)) 'BEGIN { printf "%.3f", m / 1000 }')"
        since=$(milliseconds)
        if kill -$signal $pid 2>/dev/null; then killed=$((killed + 1)); fi
        wait $pid 2>/dev/null
        took=$(($(milliseconds) - since))
        if [ $took -gt $slowest ]; then slowest=$took; fi
        [ $took -lt 1000 ] || lose "$signal took $took ms to end the process"
        check "$signal"
    done
    all=$((all + killed))
}
timed() { local since; since=$(milliseconds); quiet "${command[@]}"; span=$(($(milliseconds) - since)); }

echo "== two recordings of which each replaces the other"
for name in one two; do
    native "$work/$name.toml" "$work/$name"
    "${command[@]}" >/dev/null || exit 1
done
swapped() { cp -a "$work/one" "$work/swap/golden"; native "$work/two.toml" "$work/swap/golden"; }
state() { # after WHAT: counts which of the two is there
    whole "$work/swap/golden" || lose "the golden is not whole after $1"
    if cmp -s "$work/swap/golden/manifest.json" "$work/one/manifest.json"; then old=$((old + 1)); else new=$((new + 1)); fi
}

echo "== the native recorder, while it replaces a golden"
mkdir "$work/swap"
old=0 new=0
swapped; timed; rm -rf "$work/swap/golden"; swapped
check() {
    state "$1"
    if [ "$1" != KILL ]; then clean "$work/swap" golden || lose "$1 left $(ls -A "$work/swap")"; fi
    rm -rf "$work/swap/golden"; swapped
}
spread "$kills" "$span"
quiet "${command[@]}"
clean "$work/swap" golden || lose "the next run left $(ls -A "$work/swap")"
echo "killed $killed of $kills in $span ms; the old golden $old times, the new one $new times"

echo "== the same, at every system call that changes a file's name or content"
killed=0 old=0 new=0 cleaned=0
for call in flock ftruncate mkdir write fsync renameat2 rename unlinkat unlink; do
    for ((at = 1; at < 200; at++)); do
        rm -rf "$work/swap"; mkdir "$work/swap"; swapped
        quiet strace -f -o /dev/null -e "inject=$call:signal=KILL:when=$at" "${command[@]}"
        status=$?
        state "$call $at"
        if [ $status -lt 128 ]; then break; fi
        killed=$((killed + 1))
        # Every third time the next run is seen to clean up, with a clock that was set back.
        if [ $((killed % 3)) = 0 ]; then
            find "$work/swap" -name '.*parity*' -exec touch -d '+10 days' {} +
            quiet "${command[@]}"
            clean "$work/swap" golden || lose "the run after $call $at left $(ls -A "$work/swap")"
            cleaned=$((cleaned + 1))
        fi
    done
done
all=$((all + killed))
echo "killed $killed times; the old golden $old times, the new one $new; $cleaned next runs cleaned up"

echo "== parity report, while it replaces a report"
command=("$parity" report --model-dir "$model" --case tokens-zero-shot-hi --out "$work/report")
quiet "${command[@]}"; timed
check() {
    "$parity" render "$work/report/report.json" --out "$work/rendered" >/dev/null || lose "report.json after $1"
    tail -c 20 "$work/report/index.html" | grep -q '</html>' || lose "index.html after $1"
    tail -c 20 "$work/report/junit.xml" | grep -q '</testsuites>' || lose "junit.xml after $1"
    quiet "$parity" judge --golden golden/tiny-7 --isolated "$work/report/isolated" \
        --cascaded "$work/report/cascaded" --out "$work/judged"
    case $? in 1 | 3) lose "the recordings after $1" ;; esac
}
spread "$kills" "$span"
killed_calls=0
for call in flock fsync renameat2 rename unlinkat; do
    for ((at = 1; at < 40; at += 2)); do
        quiet strace -f -o /dev/null -e "inject=$call:signal=KILL:when=$at" "${command[@]}"
        if [ $? -lt 128 ]; then break; fi
        killed_calls=$((killed_calls + 1))
        check "$call $at"
    done
done
all=$((all + killed_calls))
quiet "${command[@]}"
clean "$work/report" index.html report.json junit.xml isolated cascaded || lose "the next report left $(ls -A "$work/report")"
echo "killed $killed of $kills in $span ms, and $killed_calls times at system calls"

echo "== four recorders into one place"
rm -rf "$work/four"; mkdir "$work/four"
native "$work/one.toml" "$work/four/golden"
for i in 1 2 3 4; do "${command[@]}" >"$work/four-$i" 2>&1 & done
wait
named=$(grep -l 'golden: process [0-9]* (since .*) is writing here' "$work"/four-? | wc -l)
wrote=$(grep -lE 'recorded|reproduced' "$work"/four-? | wc -l)
[ $((named + wrote)) = 4 ] && [ "$wrote" -ge 1 ] && whole "$work/four/golden" && clean "$work/four" golden || lose "four recorders: $(cat "$work"/four-?)"
echo "$wrote recorded, $named were told of the other process"

echo "== too little room"
full=0
starve() { # WHAT OUT PARENT: after $command has failed
    [ "$2" != 0 ] || lose "$1 was enough"
    whole "$work/swap/golden" && clean "$work/swap" golden || lose "$1: $(ls -A "$work/swap")"
    full=$((full + 1))
}
for at in 1 3 5 8 12; do
    rm -rf "$work/swap"; mkdir "$work/swap"; swapped
    quiet strace -f -o /dev/null -e "inject=write:error=ENOSPC:when=$at+" "${command[@]}"
    starve "a full disk at write $at" $?
    rm -rf "$work/swap"; mkdir "$work/swap"; swapped
    quiet strace -f -o /dev/null -e "inject=write:error=EDQUOT:when=$at+" "${command[@]}"
    starve "a quota at write $at" $?
done
for kilobytes in 150000 200000; do
    rm -rf "$work/swap"; mkdir "$work/swap"; swapped
    # Out of memory, a process aborts, as if it were killed: the next one cleans up.
    if (ulimit -v $kilobytes && quiet "${command[@]}"); then lose "$kilobytes kB were enough"; fi
    whole "$work/swap/golden" || lose "the golden is not whole after ulimit -v $kilobytes"
    quiet "${command[@]}"
    starve "ulimit -v $kilobytes" 1
done
if [ "$(id -u)" = 0 ] && mkdir "$work/small" && mount -t tmpfs -o size=64k tmpfs "$work/small"; then
    mkdir "$work/small/report"
    quiet "$parity" judge --golden "$work/one" --cascaded "$work/one" --tolerances "$tolerances" --out "$work/small/report" && lose "64 kB held a report"
    [ -z "$(ls -A "$work/small/report")" ] || lose "a partial report: $(ls -A "$work/small/report")"
    native "$work/one.toml" "$work/small/golden"
    head -c 50000 /dev/zero >"$work/small/other"
    quiet "${command[@]}" && lose "14 kB held a recording"
    clean "$work/small" other report || lose "a partial recording: $(ls -A "$work/small")"
    full=$((full + 2))
else
    echo "SKIPPED: no small file system could be mounted; only strace said that the disk is full"
fi
echo "$full commands ran out of room, memory or quota"

if [ -n "${COSYVOICE_ROOT:-}" ] && [ -n "${REFERENCE_ENV:-}" ]; then
    echo "== the recorder of the reference, while it replaces a golden"
    reference=(--python-env "$REFERENCE_ENV" --cosyvoice-root "$COSYVOICE_ROOT" --model-dir "$model")
    reference_kills=${REFERENCE_KILLS:-12}
    swapped_reference() {
        cp -a "$work/one" "$work/swap/golden"
        command=("$parity" record --engine python "${reference[@]}" --cases "$work/two.toml" --out "$work/swap/golden" --tolerances "$tolerances")
    }
    rm -rf "$work/swap"; mkdir "$work/swap"
    old=0 new=0
    swapped_reference; timed
    cmp -s "$work/swap/golden/manifest.json" "$work/one/manifest.json" && lose "the reference's recorder does not run"
    rm -rf "$work/swap/golden"; swapped_reference
    check() {
        state "$1"
        if [ "$1" != KILL ]; then clean "$work/swap" golden || lose "$1 left $(ls -A "$work/swap")"; fi
        rm -rf "$work/swap/golden"; swapped_reference
    }
    spread "$reference_kills" "$span"
    echo "killed $killed of $reference_kills in $span ms; the old golden $old times, the new one $new times"

    echo "== parity text record"
    cp -a golden/text "$work/text"
    command=("$parity" text record "${reference[@]}" --corpus "$work/text" ${OLDER_WETEXT:+--older-wetext "$OLDER_WETEXT"})
    check() { diff -r golden/text/recorded "$work/text/recorded" >/dev/null || whole_text || lose "the recorded texts after $1"; }
    whole_text() { quiet "$parity" text check --corpus "$work/text" --model-dir "$model"; [ $? -lt 3 ]; }
    spread "$reference_kills" "${TEXT_SPAN:-20000}"
    all_names=$(ls -A "$work/text"); [ "$(ls -A golden/text)" = "$(ls "$work/text")" ] || lose "text record left $all_names"
    echo "killed $killed of $reference_kills"
else
    echo "SKIPPED: the reference's recorders (pass COSYVOICE_ROOT and REFERENCE_ENV, with a build that has them)"
fi

echo "== $all kills, $full times too little room, the slowest signal $slowest ms; lost: $lost"
[ $lost = 0 ]
