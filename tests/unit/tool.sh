# Sourced by the tests of a command-line tool, which name it: tool=harvest-nas. The build tree as $B,
# the tool as $T, a directory of our own as $W, counters, and the checks that they share.
# shellcheck shell=bash
B=${top_builddir:-.}
T=$B/$tool
W=$(mktemp -d) || exit 1
trap 'rm -rf "$W"' EXIT
passed=0 failed=0

ok() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "FAIL: $*"; }
# check TEXT COMMAND...
check() { local text=$1; shift; if "$@"; then ok; else bad "$text"; fi; }

# exits CODE ARGUMENT...: the code, and on failure one sentence on stderr
exits() {
	local want=$1 code=0
	shift
	"$T" "$@" >"$W/out" 2>"$W/err" || code=$?
	if [ $code -ne "$want" ]; then
		bad "$tool $*: exit code $code instead of $want: $(cat "$W/err")"
	elif [ "$want" -eq 0 ]; then
		if [ -s "$W/err" ]; then bad "$tool $*: says $(cat "$W/err")"; else ok; fi
	elif [ "$(wc -l <"$W/err")" -ne 1 ] || ! grep -q "^$tool: " "$W/err"; then
		bad "$tool $*: not one sentence: $(cat "$W/err")"
	else
		ok
	fi
}

# The last line, and the exit code.
finish() {
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
}
