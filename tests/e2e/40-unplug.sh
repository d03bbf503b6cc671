#!/bin/bash
# A board killed at any moment of a large job: the job completes, every record is right, and
# the retries are told.
. "$(dirname "$0")/lib.sh"
R=$B/tests/lib/records
N=10000

world_start
"$R" sample fft64 $N 5 "$W/in.raw"

completes_right() { # OUT
	local snr
	snr=$("$R" worst fft64 "$W/in.raw" "$1")
	echo "worst record: $snr dB"
	awk -v a="$snr" 'BEGIN { exit !(a > 30) }'
}

for after in 0.05 0.3 0.7 1.5; do
	board_start doomed --link-bps 8000000
	wait_for 30 board_is ready
	ctl submit "$W/in.raw" --task fft64 --dtype int16 --policy offload --max-error 44 -o "$W/out.bin" --json \
		>"$W/job.json" 2>"$W/job.err" &
	job=$!
	sleep "$after"
	board_stop doomed KILL
	if wait $job; then ok; else bad "job failed: $(cat "$W/job.err")"; fi
	check "all records are right, board killed after $after s" completes_right "$W/out.bin"
	check "the result tells its parts" grep -q '"parts":\[{' "$W/job.json"
	check "counters add up after the kill" status_adds_up
done
check "records of the dead board went to the CPU" grep -q '"where":"cpu"' "$W/job.json"
check "the board had done some before" grep -q '"where":"board"' "$W/job.json"
check "and some were retried" grep -qE '"records_retried":[1-9]' "$W/job.json"

# With the board's route demanded and no board left, the job fails with a reason.
expect 4 board ctl submit "$W/in.raw" --task fft64 --dtype int16 --route board
finish
