#!/bin/bash
# harvest-board as scripts see it: options, exit codes, the log of a board nobody talks to.
set -u
board=${top_builddir:-.}/harvest-board
W=$(mktemp -d "${TMPDIR:-/tmp}/harvest-board.XXXXXX")
trap 'rm -rf "$W"' EXIT
passed=0 failed=0

# CODE PATTERN OPTION...: exit code, and a pattern in what it says
says() {
	local want=$1 pattern=$2 got=0
	shift 2
	timeout 20 "$board" "$@" >"$W/out" 2>&1 </dev/null || got=$?
	if [ "$got" = "$want" ] && grep -qE -- "$pattern" "$W/out"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $*: exit $got, wanted $want and /$pattern/"
		tail -n 3 "$W/out"
	fi
}

says 0 'Usage: harvest-board' --help
says 0 '^harvest-board [0-9]' --version
says 2 'option' --nonsense
says 2 'argument too many' something
says 2 'max78000' --device max78002
says 2 'serial' --serial ''
says 2 'serial' --serial 'two words'
says 2 'serial' --serial 0123456789abcdef
says 2 'link-bps' --link-bps 0
says 2 'seed' --seed -1
says 2 'real or fast' --time slow
says 2 'fault' --fault melt@3
says 2 'primary' --primary sometimes
says 2 'connect' --connect "$(printf 'x%.0s' {1..120})"
says 8 'nothing.csv' --primary "trace:$W/nothing.csv"
says 8 'line [0-9]' --primary "trace:$0"
echo junk >"$W/junk.hvm"
says 8 'package' --primary "model:$W/junk.hvm"
says 1 'cannot write' --log "$W/no/such/dir.csv"
says 5 'start harvestd' --connect "$W/boards.sock"

# A board without daemon still has its primary, and ends cleanly on SIGTERM.
"$board" --connect "$W/boards.sock" --primary periodic:period_us=5000,busy_us=2000 --json \
	--log "$W/log.csv" >"$W/summary" 2>"$W/err" &
pid=$!
deadline=$((SECONDS + 10))
until grep -q '^primary' "$W/log.csv" 2>/dev/null || [ $SECONDS -ge $deadline ]; do :; done
kill "$pid"
wait "$pid"
code=$?
lines=$(grep -cE '^primary,[0-9]+,[0-9]+,[0-9]+,[0-9a-f]{16}$' "$W/log.csv")
if [ $code = 0 ] && [ "$lines" -gt 0 ] && grep -q "\"inferences\":$lines," "$W/summary" &&
	[ "$(head -n 1 "$W/log.csv")" = kind,start_ns,end_ns,requested_ns,output_hash ]; then
	passed=$((passed + 1))
else
	failed=$((failed + 1))
	echo "FAILED: SIGTERM gave exit $code, $lines log lines and: $(cat "$W/summary")"
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
