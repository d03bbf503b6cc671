#!/bin/bash
# The proof of non-interference on Arm code: the image of a board alone, and once more beside a
# real harvestd that gives it as many jobs as it takes; every inference of its keyword spotter is
# compared. unicorn: the MAX78000 image, bits and waits; mps2: bits alone, its clock is the host's.
#   non_interference.sh [RUNG...]      [unicorn mps2]
#   HARVEST_SECONDS                    of the primary's time [3; 60 with HARVEST_LONG]
. "$(dirname "$0")/../e2e/lib.sh"
[ $# -gt 0 ] || set -- unicorn mps2
seconds=${HARVEST_SECONDS:-$([ -n "${HARVEST_LONG:-}" ] && echo 60 || echo 3)}
R=$B/tests/lib/records

missing() { # RUNG
	case $1 in
	unicorn)
		[ -x "$B/tests/emu/unicorn_board" ] || echo "no libunicorn when this was configured"
		[ -e "$B/firmware/agent-max78000.bin" ] || echo "no image: 'make firmware' makes it"
		;;
	mps2)
		command -v qemu-system-arm >/dev/null || echo "no qemu-system-arm"
		[ -e "$B/firmware/agent-mps2.elf" ] || echo "no image: 'make firmware' makes it"
		;;
	*) echo "no such rung" ;;
	esac
}

# unicorn LOG SECONDS SOCKET; mps2 LOG SECONDS SOCKET
unicorn() {
	timeout -s TERM 120 "$B/tests/emu/unicorn_board" --image "$B/firmware/agent-max78000.bin" \
		--elf "$B/firmware/agent-max78000.elf" --time fast --seconds "$2" --log "$1" \
		${3:+--connect "$3"} >"$W/board.out" 2>"$W/board.err"
}
mps2() {
	local uart=(-serial null)
	[ -z "$3" ] || uart=(-chardev "socket,id=u0,path=$3,server=off" -serial chardev:u0)
	timeout -s TERM "$2" qemu-system-arm -M mps2-an386 -display none -monitor none \
		-kernel "$B/firmware/agent-mps2.elf" "${uart[@]}" -serial "file:$1" \
		>"$W/board.out" 2>"$W/board.err"
	[ $? -eq 124 ]
}

jobs() { # until the board has gone
	local n=0
	while kill -0 "$1" 2>/dev/null; do
		n=$((n + 1))
		timeout 20 "$B/harvestctl" submit "$W/in.raw" --task fir32 --dtype int16 --route board \
			--max-error 39 -o "$W/out.bin" --json >>"$W/jobs.out" 2>&1
	done
}

end_of_world() {
	kill "$(cat "$W/harvestd.pid")"
	wait "$(cat "$W/harvestd.pid")" 2>/dev/null
}

# By the host's clock a busy machine lets a board do less: what both did is compared.
cut_to_both() { # NAME
	local n
	n=$(grep -c '^primary' "$W/with.csv")
	check "$1: enough inferences to compare ($n)" test "$n" -ge 10
	awk -F, -v n="$n" '$1 != "primary" || done++ < n' "$W/alone.csv" >"$W/cut.csv"
	mv "$W/cut.csv" "$W/alone.csv"
}

# A board alone is the shorter one: what it did, the other has to have done.
rung() { # NAME COMPARER-OPTION...
	local name=$1 pid
	shift
	check "$name: a board alone" "$name" "$W/alone.csv" "$seconds" ""
	rm -f "$W/jobs.out"
	[ ! -e "$W/harvestd.pid" ] || end_of_world
	world_start
	"$R" sample fir32 96 5 "$W/in.raw"
	"$name" "$W/with.csv" $((seconds + 2)) "$W/boards.sock" &
	pid=$!
	wait_for 40 board_is ready
	jobs $pid
	check "$name: jobs were done there" grep -q '"state":"completed","parts":\[{"where":"board"' "$W/jobs.out"
	check "$name: harvested runs are in the evidence" grep -q '^harvest' "$W/with.csv"
	[ "$name" != mps2 ] || cut_to_both "$name"
	check "$name: no inference of the primary differs" \
		"$B/bench/non-interference" --baseline "$W/alone.csv" --evidence "$W/with.csv" "$@"
	sed -n "s/^/$name: /; /files/p" "$W/check.out"
}

played=0
for r; do
	why=$(missing "$r")
	if [ -n "$why" ]; then
		echo "skipped: rung $r: $why"
		continue
	fi
	played=$((played + 1))
	case $r in
	# two hundredths of an inference of 18.5 ms: a busy line of 1 Mbaud takes one for its interrupts
	unicorn) rung unicorn --interrupts-us 370 ;;
	mps2) rung mps2 --bound-us 1000000 ;; # a second: the host's clock means nothing
	esac
done
[ $played -gt 0 ] || exit 77
finish
