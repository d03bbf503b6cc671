# Sourced by the end-to-end tests: a private world of harvestd and harvest-board processes.
#   world_start [harvestd options]     directory $W, socket $HARVEST_SOCKET
#   board_start NAME [options]         harvest-board --serial NAME; $W/NAME.pid, $W/NAME.err
#   wait_for SECONDS COMMAND...        until it succeeds, else the test fails
#   check TEXT COMMAND...              one counted check
#   expect CODE PATTERN COMMAND...     exit code and a pattern in its output, one check
#   finish                             stops everything, prints the closing line
# Environment: top_builddir, top_srcdir (set by make check).
set -u
B=${top_builddir:-.}
B=$(cd "$B" && pwd)
S=$(cd "${top_srcdir:-.}" && pwd)
W=$(mktemp -d "${TMPDIR:-/tmp}/harvest-e2e.XXXXXX")
export HARVEST_SOCKET=$W/harvest.sock
passed=0 failed=0

ctl() { "$B/harvestctl" "$@"; }

cleanup() {
	for f in "$W"/*.pid; do
		[ -e "$f" ] && kill "$(cat "$f")" 2>/dev/null
	done
	wait 2>/dev/null
	rm -rf "$W"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

ok() { passed=$((passed + 1)); }
bad() {
	failed=$((failed + 1))
	echo "FAILED: $*"
}

check() {
	local text=$1
	shift
	if "$@" >"$W/check.out" 2>&1; then
		ok
	else
		bad "$text (exit $?)"
		tail -n 10 "$W/check.out"
	fi
}

expect() {
	local want=$1 pattern=$2 got=0
	shift 2
	[ "$1" != ctl ] || { shift && set -- "$B/harvestctl" "$@"; }
	timeout 60 "$@" >"$W/expect.out" 2>&1 </dev/null || got=$?
	if [ "$got" = "$want" ] && grep -qiE -- "$pattern" "$W/expect.out"; then
		ok
	else
		bad "$*: exit $got, wanted $want and /$pattern/; it said:"
		tail -n 5 "$W/expect.out"
	fi
}

wait_for() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		if [ $SECONDS -ge $deadline ]; then
			bad "timed out waiting for: $*"
			tail -n 20 "$W"/*.err
			finish
		fi
		sleep 0.1
	done
}

world_start() {
	"$B/harvestd" --socket "$HARVEST_SOCKET" --models "$B/models/approx" --state "$W/state" \
		"$@" >"$W/harvestd.out" 2>"$W/harvestd.err" &
	echo $! >"$W/harvestd.pid"
	wait_for 20 ctl status
}

board_start() {
	local name=$1
	shift
	"$B/harvest-board" --connect "$W/boards.sock" --serial "$name" "$@" \
		>"$W/$name.out" 2>"$W/$name.err" &
	echo $! >"$W/$name.pid"
	disown # its death is part of the story, not news
}

# board_stop NAME [SIGNAL]
board_stop() {
	kill -"${2:-TERM}" "$(cat "$W/$1.pid")" 2>/dev/null
	rm -f "$W/$1.pid"
}

board_is() { ctl boards list --json | grep -q "\"state\":\"$1\""; }

# Numbers out of a JSON document, without a parser on the machine: first "key":NUMBER.
json_number() { sed -nE "s/.*\"$1\":(-?[0-9.eE+-]+).*/\1/p" | head -n 1; }

# accepted = completed + failed + cancelled + expired + waiting + running, at this moment.
status_adds_up() {
	ctl status --json | tr '{},' '\n\n\n' | awk -F: '
		/"accepted"/ { a = $2 } /"(completed|failed|cancelled|expired|waiting|running)"/ { s += $2; n++ }
		END { exit !(n == 6 && a == s) }'
}

finish() {
	check "harvestd is alive at the end" ctl status
	check "job counters add up at the end" status_adds_up
	if [ -e "$W/harvestd.pid" ]; then
		kill "$(cat "$W/harvestd.pid")"
		wait "$(cat "$W/harvestd.pid")"
		[ $? -eq 0 ] && ok || bad "harvestd did not end cleanly: $(tail -n 5 "$W/harvestd.err")"
		rm -f "$W/harvestd.pid"
	fi
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
	exit
}
