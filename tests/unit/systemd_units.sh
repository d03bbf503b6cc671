#!/bin/sh
# The unit files are sound, start the installed daemon, and stay within the exposure that the
# sandbox promises. Needs systemd-analyze for the last two; says so when it is not there.
# Runs in the build directory; make check exports srcdir.
set -u
src=${srcdir:-.}/systemd
unit=systemd/harvestd.service
passed=0 failed=0
work=$(mktemp -d "${TMPDIR:-/tmp}/harvest-units.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT INT TERM

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

lacks() { # lacks PATTERN FILE
	! grep -n "$1" "$2"
}

one_name_per_socket() {
	grep -qx 'FileDescriptorName=harvest' "$src/harvestd.socket" &&
		grep -qx 'FileDescriptorName=boards' "$src/harvestd-boards.socket"
}

group_only() {
	for s in "$src"/*.socket; do
		grep -qx 'SocketMode=0660' "$s" && grep -qx 'SocketGroup=harvest' "$s" || return 1
	done
}

# Every usb rule has its tty twin, and every rule keeps ModemManager away.
rules_come_in_pairs() {
	rules=$src/70-harvest.rules
	usb=$(grep -c '^SUBSYSTEM=="usb"' "$rules")
	tty=$(grep -c '^SUBSYSTEM=="tty"' "$rules")
	polite=$(grep -c '^SUBSYSTEM.*GROUP="harvest", MODE="0660".*ID_MM_DEVICE_IGNORE}="1"' "$rules")
	[ "$usb" -gt 0 ] && [ "$usb" -eq "$tty" ] && [ "$polite" -eq $((usb + tty)) ]
}

# The daemon need not be installed to check its unit: /bin/true stands in for it.
verify_units() {
	cp "$src"/*.socket "$work" &&
		sed 's|^ExecStart=.*|ExecStart=/bin/true|' "$unit" >"$work/harvestd.service" &&
		systemd-analyze verify --man=no "$work/harvestd.service" \
			"$work/harvestd.socket" "$work/harvestd-boards.socket" >"$work/said" 2>&1
	status=$?
	cat "$work/said"
	[ $status -eq 0 ] && ! grep harvest "$work/said"
}

exposure_is_at_most_1_5() {
	systemd-analyze security --offline=yes --threshold=15 "$work/harvestd.service"
}

story 'the unit starts the daemon by its absolute path' \
	grep -qx 'ExecStart=/[^ ]*/harvestd' "$unit"
story 'nothing in the unit is left to substitute' lacks '@[a-z]*@\|\${' "$unit"
story 'each socket is passed under its own name' one_name_per_socket
story 'sockets are for the group only' group_only
story 'the group of the rules is made by sysusers' \
	grep -q '^u harvest ' "$src/sysusers.d/harvest.conf"
story 'rules cover usb and tty of each board and keep ModemManager away' rules_come_in_pairs
if systemd-analyze security --offline=yes --help >/dev/null 2>&1; then
	story 'systemd finds nothing to say about the units' verify_units
	story 'the exposure of the service stays at or below 1.5' exposure_is_at_most_1_5
else
	echo 'no systemd-analyze with --offline here: did not verify units and exposure'
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
