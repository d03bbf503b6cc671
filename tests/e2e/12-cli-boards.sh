#!/bin/bash
# The command line beside a board: what it prints of boards, models, parts and candidates;
# jobs that are waited for too shortly, cancelled, or too late.
. "$(dirname "$0")/lib.sh"
R=$B/tests/lib/records
C=$B/harvestctl
cd "$W"
world_start
board_start virt0 --link-bps 1000000 --primary periodic:period_us=33333,busy_us=10000
wait_for 30 board_is ready
"$R" sample fft64 64 9 in.raw
"$R" sample fft64 3000 9 much.raw # seconds over this link
submit="$C submit --task fft64 --dtype int16"

has() { # FILE PATTERN...
	local file=$1 p
	shift
	for p in "$@"; do check "$file has $p" grep -qE "$p" "$file"; done
}

$submit in.raw --route board --max-error 60 --verify --json >doc.json
has doc.json '"parts":\[{"where":"board","board":"virt0","model":"fft64-l[34]","records":64,"records_retried":[0-9]+}\]' \
	'"error":{"metric":"snr_db","certified":[0-9.]+,"budget":60,"measured":[0-9.]+}' \
	'"energy_uj":{"board_modelled":[0-9.]+,"cpu_modelled":0}' '"transfer":[1-9]'
check "measured is at least certified" awk -v c="$(json_number certified <doc.json)" \
	-v m="$(json_number measured <doc.json)" 'BEGIN { exit !(c >= 60 && m >= c) }'
expect 0 '64 on virt0 \(fft64-l[34]\); certified [0-9.]+ dB \(budget 60.0 dB\)' \
	$submit in.raw --route board:virt0 --max-error 60
expect 1 "no board 'virt9'" $submit in.raw --route board:virt9

id=$($submit in.raw --route board --max-error 60 --detach)
check "wait for a job on the board" "$C" wait "$id" -o waited.npy
"$C" explain "$id" --json >explain.json
has explain.json '"chosen":"board:virt0' '"why":".' \
	'{"where":"cpu","model":"","eligible":false,"why_not":"[^"]+"' \
	'"queue_us":[0-9]+,"link_us":[1-9][0-9]*,"load_us":[0-9]+,"wait_us":[0-9]+,"compute_us":[0-9]+,"finish_us":[0-9]+,"energy_uj":[0-9.]+,"certified_error":[0-9.]+'
expect 0 'does not meet the budget' "$C" explain "$id"

"$C" boards list --json >boards.json
has boards.json '"id":"virt0","serial":"virt0","link":"virtual","state":"ready","firmware":"' \
	'"primary":{"model":"[^"]*","busy_share":0\.[0-9]+,"period_us":[0-9]+,"jitter_us":[0-9]+,"inferences":[1-9][0-9]*,"wait_max_us":[0-9.]+' \
	'"harvest":{"records":[1-9][0-9]*,"busy_share":[0-9.e-]+,"idle_used_share":[0-9.e-]+,"aborted":[0-9]+,"refused":[0-9]+}' \
	'"resident":\[.*"fft64-l' '"audit":{"checked":[0-9]+,"worst":'
expect 0 '^virt0 +virtual +ready' "$C" boards
expect 0 'its wait +at most .* bound [1-9]' "$C" boards show virt0
expect 0 'virt0 +virtual +ready' "$C" status
expect 0 'fft64-l3 +fft64 +3 +[0-9.]+ dB' "$C" models
expect 0 'verified +ok' "$C" models verify fft64-l3
expect 0 '"model":"fft64-l3".*"verdict":"ok"' "$C" models verify fft64-l3 --json

# Too short a wait leaves the job alone; a cancel ends it once.
id=$($submit much.raw --route board --detach)
expect 6 'not ended' "$C" wait "$id" --timeout 0.2
check "it goes on" sh -c "'$C' jobs --json | grep -qE '\"job\":\"$id\".*\"state\":\"(running|waiting)\"'"
expect 0 "$id: cancelled" "$C" cancel "$id"
expect 1 'cancelled' "$C" wait "$id"
expect 0 'too late' "$C" cancel "$id"
# A client that gives up takes its job along.
expect 6 'not ended within 0.2 s and is cancelled' $submit much.raw --route board --timeout 0.2
gone() { "$C" status --json | grep -q '"waiting":0,"running":0'; }
wait_for 10 gone
expect 4 'deadline' $submit much.raw --route board --deadline-ms 50
expect 4 'certified' $submit in.raw --route board --max-error 300

# Draining: no more work, and everything else goes on.
expect 0 'draining' "$C" boards drain virt0
expect 4 'drain' $submit in.raw --route board
expect 0 '64 on the CPU' $submit in.raw --policy offload
expect 0 'virt0 +(ready|proving)' "$C" boards resume virt0
wait_for 20 board_is ready
expect 0 '64 on virt0' $submit in.raw --route board
expect 0 'virt0' "$C" boards test virt0
wait_for 20 board_is ready
expect 0 'virt0' "$C" boards reset virt0
wait_for 30 board_is ready
expect 0 '64 on virt0' $submit in.raw --route board

# Packages come and go.
expect 0 'removed fft64-l3' "$C" models remove fft64-l3
expect 1 "no model 'fft64-l3'" "$C" models show fft64-l3
expect 0 'verified +ok' "$C" models install "$B/models/approx/fft64/fft64-l3.hvm"
# Reading and writing it took the loop's time, and the daemon says so.
expect 0 '"lag_max_us":[1-9][0-9][0-9]' "$C" status --json
head -c 4000 "$B/models/approx/fft64/fft64-l3.hvm" >cut.hvm
expect 8 'package announces [0-9]+ bytes' "$C" models install cut.hvm
expect 0 'fft64-l3' "$C" models show fft64-l3
finish
