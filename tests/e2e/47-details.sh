#!/bin/bash
# What boards tell and do beyond jobs of carried samples: jobs on samples they have, the rate of
# the line and its fall back, their clock, their black box.
. "$(dirname "$0")/lib.sh"

world_start
head -c 1600000 /dev/urandom >"$W/mic.raw" # 50 s of one channel at 16 kHz: no wrap in this test

# samples FIRST RECORDS HOP: the records of fft64 (128 values) that begin there
samples() {
	local i
	for ((i = 0; i < $2; i++)); do
		tail -c +$((2 * ($1 + i * $3) + 1)) "$W/mic.raw" | head -c 256
	done
}

# of_buffer NAME RECORDS HOP options...: a job on the board, and the same samples as a file
of_buffer() {
	local records=$1 hop=$2 first
	shift 2
	timeout 60 "$B/harvestctl" submit --buffer mic --task fft64 --records "$records" --hop "$hop" \
		--json -o "$W/a.npy" "$@" >"$W/job.json" || return 1
	first=$(json_number first_sample <"$W/job.json")
	[ -n "$first" ] || return 1
	samples "$first" "$records" "$hop" >"$W/same.raw"
	timeout 60 "$B/harvestctl" submit "$W/same.raw" --task fft64 --dtype int16 --route board:"$ear" \
		-o "$W/b.npy" "$@" >/dev/null || return 1
	cmp "$W/a.npy" "$W/b.npy"
}

board_id_of() { ctl boards list --json | tr -d '\n' | sed 's/{"id"/\n{"id"/g' |
	sed -nE "s/^\{\"id\":\"([^\"]*)\",\"serial\":\"$1\".*/\1/p"; }
shows() { ctl boards show "$1" --json | grep -qE "$2"; }
ready_at() { shows "$1" '"state":"ready"' && shows "$1" "\"line\":\{\"bps\":$2,"; }

board_start ear --buffer mic="$W/mic.raw",rate_hz=16000
board_start deaf --time fast
wait_for 20 sh -c "[ \"\$('$B/harvestctl' boards list --json | grep -o '\"state\":\"ready\"' | wc -l)\" = 2 ]"
ear=$(board_id_of ear) deaf=$(board_id_of deaf)
check "the line has the fastest rate of the board" ready_at "$ear" 1000000
check "the board tells its buffer" shows "$ear" '"name":"mic","dtype":"int16","channels":1,"samples":32768,"rate_hz":16000'
check "the other board has none" shows "$deaf" '"buffers":\[\]'
check "a board whose time jumps keeps its rate" shows "$deaf" '"line":\{"bps":1000000,"meet_bps":0,'

# The samples need a second to be there.
wait_for 20 ctl submit --buffer mic --task fft64 --records 2 --dry-run
wait_for 30 ctl submit --buffer mic --task fft64 --records 100
check "a job on a buffer has the bits of the same samples from a file" of_buffer 8 128
check "overlapping records, too" of_buffer 20 33
check "and more records than one transfer holds" of_buffer 150 64
check "a model of more precision, too" of_buffer 4 128 --max-error 90
check "the result names its board" grep -q "\"board\":\"$ear\"" "$W/job.json"
check "explain says why others cannot" sh -c "'$B/harvestctl' explain \$('$B/harvestctl' jobs --limit 2 --json |
	grep -oE '\"j[0-9]+\.[0-9a-f]+\"' | tail -n 1 | tr -d '\"') | grep -q 'board $deaf has no buffer \"mic\"'"
first=$(json_number first_sample <"$W/job.json")
check "a position counts samples of one board" sh -c "'$B/harvestctl' submit --buffer mic --task fft64 --records 2 \
	--route board:$ear --position $first --json | grep -q '\"first_sample\":$first'"

expect 4 'has no buffer "nose"' ctl submit --buffer nose --task fft64 --records 2
expect 4 'has no buffer "mic"' ctl submit --buffer mic --task fft64 --records 2 --route board:"$deaf"
expect 2 'cannot run on the CPU' ctl submit --buffer mic --task fft64 --records 2 --route cpu
expect 4 'fewer than the job reads' ctl submit --buffer mic --task fft64 --records 5000
expect 4 'fewer than the job reads' ctl submit --buffer mic --task fft64 --records 2 --hop 4294967295
expect 1 'not there yet' ctl submit --buffer mic --task fft64 --records 2 --route board:"$ear" --position 999999999999
expect 2 'name it with' ctl submit --buffer mic --task fft64 --records 2 --position 1
expect 2 'needs --task and --records' ctl submit --buffer mic --task fft64
expect 2 'either a FILE or --buffer' ctl submit "$W/mic.raw" --buffer mic --task fft64 --records 1
expect 4 '.' ctl submit --buffer mic --task blackscholes --records 1

# A record there and its result back are 128 bytes of 10 us each, also after a rest.
head -c 64 "$W/mic.raw" >"$W/one.raw"
takes_its_time() {
	sleep 0.3
	ctl submit "$W/one.raw" --task dct32 --dtype int16 --route board:"$ear" --json >"$W/job.json" &&
		awk -v t="$(json_number transfer <"$W/job.json")" 'BEGIN { exit !(t >= 1280) }'
}
wait_for 20 ctl submit "$W/one.raw" --task dct32 --dtype int16 --route board:"$ear"
check "a board that rested answers no faster than its line" takes_its_time
check "nor the next time" takes_its_time

# Clock and black box.
clock_known() { # to better than 20 ms, on a machine that does other things as well
	ctl boards show "$ear" --json | json_number error_us | awk '{ exit !($1 > 0 && $1 < 20000) }'
}
wait_for 20 clock_known
check "the black box begins with the boot" shows "$ear" '"black_box":\[\{"seq":0,"boot":0,"at_us":[0-9]+,"kind":"boot"'
check "a person can read it" sh -c "'$B/harvestctl' boards show $ear | grep -q 'black box boot 0'"
board_stop deaf

# A board that restarts keeps it.
board_start phoenix --fault reset@1500
wait_for 30 sh -c "'$B/harvestctl' boards list --json | tr -d '\n' | grep -q phoenix"
phoenix=$(board_id_of phoenix)
wait_for 30 shows "$phoenix" '"boot":1,"at_us":[0-9]+,"kind":"boot","arg":[0-9]+,"value":0,"text":"boot: '
board_stop phoenix

# A bridge that cannot follow: 1000000 and 921600 fail, 460800 carries.
board_start slow --fault garble-above:500000
wait_for 30 sh -c "'$B/harvestctl' boards list --json | tr -d '\n' | grep -q '\"serial\":\"slow\"'"
slow=$(board_id_of slow)
wait_for 30 ready_at "$slow" 460800
check "two rates were given up" shows "$slow" '"fallbacks":2'
check "no fault came of it" shows "$slow" '"faults":0'
check "the board remembers, too" shows "$slow" '"kind":"line rate fell back","arg":0,"value":1000000'
check "it works at this rate" ctl submit "$W/same.raw" --task fft64 --dtype int16 --route board:"$slow"
check "and stays there" ready_at "$slow" 460800
board_stop slow

# The samples go with their board.
board_stop ear
wait_for 20 shows "$ear" '"state":"absent"'
board_start ear --buffer mic="$W/mic.raw",rate_hz=16000 # plugged in again: the same board
wait_for 20 ready_at "$ear" 1000000
board_stop ear
wait_for 20 shows "$ear" '"state":"absent"'
expect 4 'not plugged in' ctl submit --buffer mic --task fft64 --records 2 --route board:"$ear"
finish
