#!/bin/sh
# The proof of non-interference in its short form, and the check of the check: a board with
# an agent broken on purpose must fail. Modelled seconds: 3, or 300 with HARVEST_LONG=1. Runs
# in the build directory; make check exports srcdir.
set -u
proof=bench/non-interference
passed=0 failed=0
work=$(mktemp -d "${TMPDIR:-/tmp}/harvest-proof.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT INT TERM
seconds=3
[ -z "${HARVEST_LONG:-}" ] || seconds=300

story() { # story SENTENCE COMMAND...
	sentence=$1
	shift
	if "$@" >"$work/log" 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $sentence"
		sed 's/^/    /' "$work/log"
	fi
}

fails() { # fails CODE WORDS COMMAND...: with this exit code and these words
	code=$1 words=$2
	shift 2
	"$@" >"$work/said" 2>&1
	got=$?
	cat "$work/said"
	[ $got -eq "$code" ] && grep -q "$words" "$work/said"
}

# change FILE: the bits of the first output of the primary
change() {
	sed '0,/^primary/s/^\(primary,.*,\).*/\1ffffffffffffffff/' "$1"
}

late() { # late FILE NS: the tenth inference of the primary starts and ends later
	awk -F, -v OFS=, -v ns="$2" '$1 == "primary" && ++n == 10 { $2 += ns; $3 += ns } { print }' "$1"
}

story "a periodic primary waits for nothing, and jobs use the idle time" \
	$proof --seconds $seconds --trace periodic --load ring --keep "$work"
story "random arrivals on a line that babbles leave the primary's bits alone" \
	$proof --seconds $seconds --trace poisson --load babble
story "a camera's requests beside loads and evictions leave the primary's bits alone" \
	$proof --seconds $seconds --trace recorded --load loads
story "a broken guard, restore or abort is found" $proof --seconds $seconds --sabotage

alone=$work/periodic-none.csv with=$work/periodic-ring.csv
story "two files of evidence are compared" \
	$proof --baseline "$alone" --evidence "$with" --no-wait
change "$with" >"$work/changed.csv"
story "one changed output is found" fails 1 "1 outputs of the primary differ" \
	$proof --baseline "$alone" --evidence "$work/changed.csv"
late "$with" 97001 >"$work/late.csv"
story "one inference later than the bound is found" fails 1 "more than the bound" \
	$proof --baseline "$alone" --evidence "$work/late.csv" --bound-us 97
late "$with" 1 >"$work/late.csv"
story "a nanosecond is found where no wait is allowed" fails 1 "came when expected waited" \
	$proof --baseline "$alone" --evidence "$work/late.csv" --no-wait
awk -F, '$1 != "primary" || ++n < 20' "$with" >"$work/short.csv"
story "missing inferences are found" fails 1 "are missing" \
	$proof --baseline "$alone" --evidence "$work/short.csv"
story "a baseline with harvested runs is refused" fails 1 "baseline has harvested" \
	$proof --baseline "$with" --evidence "$with"
echo "primary,5,4,3,0" >"$work/bad.csv"
story "a line that cannot be is named" fails 8 "bad.csv: line 1" \
	$proof --baseline "$work/bad.csv" --evidence "$with"
story "a file that is not there is named" fails 8 "none.csv" \
	$proof --baseline "$work/none.csv" --evidence "$with"
story "an unknown trace is refused" fails 2 "no trace is called" $proof --trace x

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
