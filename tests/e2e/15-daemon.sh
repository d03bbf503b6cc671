#!/bin/bash
# harvestd as scripts and service managers see it: options, one daemon to a socket, signals,
# sockets that are handed over.
. "$(dirname "$0")/lib.sh"
R=$B/tests/lib/records

expect 0 '^harvestd [0-9]' "$B/harvestd" --version
expect 0 '"program":"harvestd"' "$B/harvestd" --version --json
expect 0 '^Usage: harvestd' "$B/harvestd" --help
expect 2 'unexpected argument' "$B/harvestd" extra
expect 2 'workers cannot be' "$B/harvestd" --workers 0
expect 2 'workers cannot be' "$B/harvestd" --workers 9
expect 2 'policy cannot be' "$B/harvestd" --policy fastest
expect 2 'log-level cannot be' "$B/harvestd" --log-level loud
expect 1 '107 bytes' "$B/harvestd" --socket "$W/$(printf 'x%.0s' $(seq 120))"
expect 1 'cannot make the socket' "$B/harvestd" --socket /proc/harvest/h.sock

world_start
expect 1 'another harvestd' "$B/harvestd" --socket "$HARVEST_SOCKET"
check "the first daemon goes on" ctl status

# Killed: the socket file stays behind, and the next daemon takes it over.
kill -KILL "$(cat "$W/harvestd.pid")"
wait "$(cat "$W/harvestd.pid")" 2>/dev/null
check "a stale socket is there" test -S "$HARVEST_SOCKET"
world_start
check "the next daemon serves on it" ctl status

# SIGTERM with work in flight: clients hear of it, the end is clean and soon.
"$R" sample fft64 20000 3 "$W/in.raw"
board_start slow --link-bps 100000
wait_for 30 board_is ready
ctl submit "$W/in.raw" --task fft64 --dtype int16 --route board >"$W/job.out" 2>&1 &
job=$!
wait_for 10 sh -c "'$B/harvestctl' status --json | grep -q '\"running\":1'"
began=$SECONDS
kill -TERM "$(cat "$W/harvestd.pid")"
wait "$(cat "$W/harvestd.pid")"
check "it ends with code 0 while a job runs" test $? -eq 0
check "it takes at most 10 s" test $((SECONDS - began)) -le 10
wait $job
check "the job's client is told" test $? -ne 0
check "and why" grep -qiE 'shutting down|cancelled|daemon' "$W/job.out"
check "the socket is gone" test ! -e "$HARVEST_SOCKET"
board_stop slow
rm -f "$W/harvestd.pid"

if command -v systemd-socket-activate >/dev/null 2>&1; then
	systemd-socket-activate -l "$HARVEST_SOCKET" -l "$W/boards.sock" --fdname=harvest:boards \
		"$B/harvestd" --models "$B/models/approx" --state "$W/state" >"$W/harvestd.out" \
		2>"$W/harvestd.err" &
	echo $! >"$W/harvestd.pid"
	wait_for 20 ctl status
	board_start handed
	wait_for 30 board_is ready
	check "sockets that are handed over serve clients and boards" ctl boards list
else
	echo "skipped: socket activation (no systemd-socket-activate)"
	world_start
fi
finish
