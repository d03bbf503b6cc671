#!/bin/bash
# Boards as the operator sees them: attach, twins, drain, resume, test, reset, liars, the silent
# and the gone.
. "$(dirname "$0")/lib.sh"
R=$B/tests/lib/records

world_start
"$R" sample fft64 64 7 "$W/in.raw"

submit() { # OUT options...
	local out=$1
	shift
	timeout 60 "$B/harvestctl" submit "$W/in.raw" --task fft64 --dtype int16 -o "$out" --json "$@" \
		>"$W/job.json" 2>&1
}

# One board out of the list, as its JSON object on one line.
board() { ctl boards list --json | tr -d '\n' | sed 's/{"id"/\n{"id"/g' | grep "\"serial\":\"$1\""; }
board_of_is() { board "$1" | grep -q "\"state\":\"$2\""; }
board_of_says() { board "$1" | grep -qE "\"reason\":\"[^\"]*$2"; }

board_start alpha --time fast --link-bps 20000000
wait_for 20 board_of_is alpha ready
check "the board runs a job" submit "$W/out.bin" --route board --max-error 60
check "its answer is right" sh -c "'$R' worst fft64 '$W/in.raw' '$W/out.bin' | awk '{ exit !(\$1 > 20) }'"
check "the model is shown as resident" sh -c "'$B/harvestctl' boards show virt0 --json | grep -q fft64"

# Two boards with one serial: the second is refused, the first goes on.
cp "$W/alpha.pid" "$W/first.pid"
board_start alpha --time fast
wait_for 20 grep -q "a second board with serial alpha is refused" "$W/harvestd.err"
check "only one board is listed" sh -c "[ \$('$B/harvestctl' boards list --json | grep -o '\"id\"' | wc -l) = 1 ]"
check "the first one is still ready" board_of_is alpha ready
board_stop alpha KILL
mv "$W/first.pid" "$W/alpha.pid"

# The operator's verbs.
expect 0 . ctl boards drain virt0
wait_for 10 board_of_is alpha draining
expect 4 'drained' timeout 20 "$B/harvestctl" submit "$W/in.raw" --task fft64 --dtype int16 --route board
expect 0 . ctl boards resume virt0
wait_for 10 board_of_is alpha ready
expect 1 'not drained' ctl boards resume virt0
expect 0 . ctl boards test virt0
wait_for 10 board_of_is alpha ready
expect 0 . ctl boards reset virt0
wait_for 10 board_of_is alpha ready
check "it works after a reset" submit "$W/out.bin" --route board

# Replugged in no time: the same id, and work again.
board_stop alpha KILL
board_start alpha --time fast --link-bps 20000000
wait_for 20 board_of_is alpha ready
check "the replugged board has its old id" sh -c "'$B/harvestctl' boards list --json | grep -q virt0"
check "it works after a replug" submit "$W/out.bin" --route board
board_stop alpha KILL
wait_for 10 board_of_is alpha absent
check "a board that left says why" board_of_says alpha unplugged

# A liar is set aside with the reason, at the latest by its second wrong answer.
board_start liar --time fast --link-bps 20000000 --fault wrong-answer:1
wait_for 20 board_of_is liar quarantine
check "the liar's reason names its lie" board_of_says liar "(wrong answer|came back wrong)"
expect 4 . timeout 20 "$B/harvestctl" submit "$W/in.raw" --task fft64 --dtype int16 --route board:virt1
board_stop liar KILL

# Silence.
board_start mute --time real --fault stall@300
wait_for 30 sh -c "'$B/harvestctl' boards list --json | tr -d '\n' | grep -qE '\"serial\":\"mute\".*\"state\":\"(quarantine)\"' || grep -q 'does not answer the hello as a board does' '$W/harvestd.err'"
check "jobs go on while a board is mute" submit "$W/out.bin"
finish
