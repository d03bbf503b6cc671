#!/bin/bash
# The agent as Arm code: the image of `make firmware` on an emulated MPS2 board, its serial line
# plugged into harvestd. Attach, known-answer test, jobs with measured error, reset, detach.
if ! command -v qemu-system-arm >/dev/null || [ ! -e "${top_builddir:-.}/firmware/agent-mps2.elf" ]; then
	echo "skipped: needs qemu-system-arm, and gcc-arm-none-eabi for 'make firmware' before"
	exit 77
fi
. "$(dirname "$0")/../e2e/lib.sh"
image=$B/firmware/agent-mps2.elf
R=$B/tests/lib/records

# The monitor takes commands from a pipe that this shell keeps open.
mkfifo "$W/monitor"
exec 3<>"$W/monitor"
emulator_start() {
	qemu-system-arm -M mps2-an386 -display none -kernel "$image" -monitor stdio \
		-chardev "socket,id=u0,path=$W/boards.sock,server=off" -serial chardev:u0 \
		<"$W/monitor" >"$W/mps2.out" 2>"$W/mps2.err" &
	echo $! >"$W/mps2.pid"
	disown
}

at_least() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 >= b + 0) }'; }

# TASK MARK-dB RECORDS SEED
job() {
	local task=$1 db=$2 n=$3 seed=$4 snr cert
	"$R" sample "$task" "$n" "$seed" "$W/in.raw"
	if ! ctl submit "$W/in.raw" --task "$task" --dtype int16 --route board --max-error "$db" \
		-o "$W/out.bin" --json >"$W/r.json" 2>"$W/r.err"; then
		bad "$task at $db dB over the board: $(cat "$W/r.err")"
		return
	fi
	snr=$("$R" snr "$task" "$W/in.raw" "$W/out.bin")
	cert=$(json_number certified <"$W/r.json")
	echo "$task budget $db dB: certified $cert dB, measured $snr dB"
	check "$task certificate $cert meets $db" at_least "$cert" "$db"
	check "$task measured $snr meets certificate $cert" at_least "$snr" "$cert"
	check "$task ran on the board" grep -q '"where":"board"' "$W/r.json"
	check "$task did not run on the CPU" test -z "$(grep -o '"where":"cpu"' "$W/r.json")"
}

shows() { ctl boards show virt0 | grep -qE -- "$1"; }
nobody() { ! board_is ready; }

world_start
emulator_start
wait_for 30 board_is ready
check "the image says who it is" shows 'serial +mps2, firmware'
expect 0 . ctl boards test virt0
wait_for 30 board_is ready
seed=${HARVEST_SEED:-78}
job fir32 39 192 "$seed"
job dct32 39 192 "$seed"
check "nothing was lost on the line" shows ' 0 frames bad'

before=$(grep -c BOARD_READY "$W/harvestd.err")
echo system_reset >&3
came_back() { [ "$(grep -c BOARD_READY "$W/harvestd.err")" -gt "$before" ] && board_is ready; }
wait_for 30 came_back
job fir32 65 96 "$seed"

board_stop mps2
wait_for 20 nobody
finish
