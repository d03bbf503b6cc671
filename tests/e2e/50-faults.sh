#!/bin/bash
# A bad line, a stalling, resetting or lying board: every job still completes and is right,
# the daemon keeps serving, and `boards` says what is wrong.
. "$(dirname "$0")/lib.sh"
R=$B/tests/lib/records
N=2000

world_start
"$R" sample fft64 $N 6 "$W/in.raw"

job_is_right() {
	timeout 60 "$B/harvestctl" submit "$W/in.raw" --task fft64 --dtype int16 --policy offload \
		--deadline-ms 20000 --max-error 44 -o "$W/out.bin" --json >"$W/job.json" || return 1
	"$R" worst fft64 "$W/in.raw" "$W/out.bin" | awk '{ exit !($1 > 30) }'
}

story() { # NAME EXTRA-CHECK FAULT...
	local name=$1
	shift
	local opts=()
	for f in "$@"; do opts+=(--fault "$f"); done
	board_start "$name" --time fast --link-bps 20000000 "${opts[@]}"
	sleep 0.5
	check "job with board fault $*" job_is_right
	check "counters add up with board fault $*" status_adds_up
	check "boards list works with board fault $*" ctl boards list
	board_stop "$name" KILL
}

story dropping drop:0.0005
story flipping flip:0.0005
story stalling stall@400
story leaving unplug@400
story rebooting reset@400
story lying wrong-answer:0.3
story limping slow:20

# Something that is no board at all speaks on the board socket.
if command -v python3 >/dev/null 2>&1; then
	python3 - "$W/boards.sock" <<'P' &
import socket, sys, os, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
end = time.time() + 2
try:
    while time.time() < end:
        s.sendall(os.urandom(4096))
        time.sleep(0.01)
except OSError:
    pass
P
	babbler=$!
	check "job while something babbles on the board socket" job_is_right
	kill $babbler 2>/dev/null
else
	echo "skipped: babbling board (no python3)"
fi
finish
