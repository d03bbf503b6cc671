#!/bin/bash
# The primary model with and without saturating harvest load: same output bits, and no
# activation waits longer than the documented bound. Modelled seconds: 4, or 60 with
# HARVEST_LONG=1; the same at any speed of this machine.
. "$(dirname "$0")/lib.sh"
R=$B/tests/lib/records
seconds=4
[ -z "${HARVEST_LONG:-}" ] || seconds=60
primary=periodic:period_us=33333,busy_us=18480

world_start
"$R" sample fft64 4000 7 "$W/in.raw"

# Two boards with the same seed: one is given work, the other is left alone.
board_start busy --primary $primary --link-bps 4000000 --seed 3 --log "$W/busy.csv"
wait_for 30 board_is ready

end=$((SECONDS + seconds))
jobs=0
while [ $SECONDS -lt $end ]; do
	timeout 60 "$B/harvestctl" submit "$W/in.raw" --task fft64 --dtype int16 --policy offload \
		--deadline-ms 1500 >/dev/null 2>"$W/job.err" && jobs=$((jobs + 1))
done
bound=$(ctl boards list --json | json_number wait_bound_us)
board_stop busy TERM
wait_for 10 grep -q '^primary' "$W/busy.csv"
sleep 0.3

# A second daemon world would do as well; the undisturbed board simply gets no jobs.
board_start alone --primary $primary --seed 3 --log "$W/alone.csv"
sleep "$seconds"
board_stop alone TERM
wait_for 10 grep -q '^primary' "$W/alone.csv"
sleep 0.3

echo "jobs $jobs, harvested runs $(grep -c '^harvest' "$W/busy.csv"), bound $bound us"
check "jobs ran while the primary did" test "$(grep -c '^harvest' "$W/busy.csv")" -gt 0
worst=$(awk -F, '$1 == "primary" { w = $2 - $4; if (w > m) m = w } END { print m / 1000 }' "$W/busy.csv")
echo "worst added wait of the primary: $worst us"
check "worst wait $worst us is within the bound $bound us" \
	awk -v w="$worst" -v b="$bound" 'BEGIN { exit !(b > 0 && w <= b) }'

hashes() { awk -F, '$1 == "primary" { print $5 }' "$1" | head -n "$2"; }
n=$(grep -c '^primary' "$W/busy.csv")
m=$(grep -c '^primary' "$W/alone.csv")
[ "$m" -lt "$n" ] && n=$m
check "enough inferences to compare ($n)" test "$n" -gt $((seconds * 20))
check "the first $n outputs of the primary are the same with and without jobs" \
	cmp <(hashes "$W/busy.csv" "$n") <(hashes "$W/alone.csv" "$n")
finish
