#!/bin/bash
# Every level of the precision dial over a board, on the tasks' own mixed input: the marks are
# met, and so is each certificate. A task's dial is chosen by --max-error alone.
. "$(dirname "$0")/lib.sh"
R=$B/tests/lib/records

world_start
board_start dial --time fast --link-bps 50000000 --primary periodic:period_us=33333,busy_us=18480
wait_for 30 board_is ready

at_least() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 >= b + 0) }'; }

# TASK MARK-dB RECORDS: a budget that only a package of at least this mark can meet
mark() {
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

seed=${HARVEST_SEED:-77}
for db in 44 65 90; do
	mark fft64 $db 384 "$seed"
	mark fft256 $db 96 "$seed"
done
for task in fir32 dct32 matvec64; do
	mark $task 39 384 "$seed"
	mark $task 65 384 "$seed"
done
finish
