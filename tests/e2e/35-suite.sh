#!/bin/bash
# Every searched package serves: fresh records, which no search has drawn, go over a board with
# the certificate as the budget. The answers are the package's own, bit for bit, and what they
# miss of the exact kernel does not contradict the certificate. What lies outside a domain is
# answered exactly by the CPU, and so is what a dead board leaves.
# HARVEST_LONG=1: 100000 records each, and the figure itself is within the certificate.
. "$(dirname "$0")/lib.sh"
R=$B/tests/lib/records
M=$B/harvest-model
# a task's records in all, and at most this many bytes of them in one job
records=2000 job_bytes=$((32 << 20))
[ -z "${HARVEST_LONG:-}" ] || records=100000
seed=${HARVEST_SEED:-20250}

world_start --models "$S/models/approx"
board_start suite --time fast --link-bps 50000000
wait_for 30 board_is ready

field() { # TASK KEY: a whole number of the task's entry
	ctl tasks --json | tr '{' '\n' | grep "^\"task\":\"$1\"," | sed -nE "s/.*\"$2\":\"?([a-z0-9]+).*/\1/p"
}

# submit TASK IN OUT CERTIFIED: over the board alone
submit() {
	ctl submit "$2" --task "$1" --dtype "$(field "$1" in)" --route board --max-error "$4" -o "$3" \
		--json >"$W/r.json" 2>"$W/r.err" || {
		cat "$W/r.err"
		return 1
	}
}

on_board_alone() { # MODEL
	grep -q "\"where\":\"board\",\"board\":\"[^\"]*\",\"model\":\"$1\"" "$W/r.json" &&
		! grep -q '"where":"cpu"' "$W/r.json"
}

origin() { ctl models show "$1" --json | sed -nE 's/.*"origin":"([^"]*)".*/\1/p'; }

serve() { # MODEL
	local model=$1 task=${1%-*} cert all=$records part=1
	local per=$((job_bytes / $(field "$task" in_bytes)))
	cert=$(ctl models show "$model" --json | json_number certified)
	rm -f "$W/all.in" "$W/all.out"
	[ "$per" -lt "$all" ] || per=$all
	while [ "$all" -gt 0 ]; do
		[ "$per" -lt "$all" ] || per=$all
		"$R" sample "$task" "$per" $((seed + part)) "$W/in.raw"
		if ! submit "$task" "$W/in.raw" "$W/out.bin" "$cert"; then
			bad "$model does not serve: $(cat "$W/r.err")"
			return
		fi
		check "part $part of $model runs on the board alone" on_board_alone "$model"
		cat "$W/in.raw" >>"$W/all.in"
		cat "$W/out.bin" >>"$W/all.out"
		all=$((all - per)) part=$((part + 1))
	done
	"$M" run "$(origin "$model")" --in "$W/all.in" -o "$W/own.out" >/dev/null
	check "$model answers what the package answers" cmp "$W/all.out" "$W/own.out"
	check "$model is within its certificate of $cert" \
		"$R" "$([ -n "${HARVEST_LONG:-}" ] && echo within || echo judge)" "$task" "$W/all.in" "$W/all.out" "$cert"
	echo "$model: certified $cert, measured $("$R" metric "$task" "$W/all.in" "$W/all.out")"
}

models() { ctl models list --json | grep -o '"model":"[^"]*"' | cut -d'"' -f4 | grep -- "-$1\$"; }

# What the catalogue says of one that was searched for.
expect 0 'searched, with host programs' ctl models show inversek2j-goal
expect 0 '"metric":"mean_rel","certified":0\.00' ctl models show inversek2j-goal --json
check "the task lists its packages" sh -c "'$B/harvestctl' tasks --json | tr '{' '\n' |
	grep '^\"task\":\"kmeans\"' | grep -q 'kmeans-goal.*kmeans-pass\|kmeans-pass.*kmeans-goal'"

# A budget that no package meets: which one, and by how much.
"$R" sample inversek2j 256 "$seed" "$W/in.raw"
expect 4 'no board meets the error budget of 1e-05 mean_rel: .*inversek2j-goal, certified 0\.00' \
	ctl submit "$W/in.raw" --task inversek2j --dtype int16 --route board --max-error 1e-5

# One record outside the domain: a hand behind the shoulder. The CPU answers, and the reason is kept.
{ cat "$W/in.raw" && printf '\000\200\000\200'; } >"$W/out-of-domain.raw"
expect 4 'outside the domain' ctl submit "$W/out-of-domain.raw" --task inversek2j --dtype int16 \
	--route board --max-error 0.01
job=$(ctl submit "$W/out-of-domain.raw" --task inversek2j --dtype int16 --policy offload \
	--max-error 0.01 -o "$W/out.bin" --json | sed -E 's/.*"job":"([^"]*)".*/\1/')
check "all of it is exact" "$R" within inversek2j "$W/out-of-domain.raw" "$W/out.bin" 1e-4
expect 0 'domain' ctl explain "$job"

# A board that dies in the middle of a job: every record is answered, the lost ones exactly.
board_start dying --time real --link-bps 115200
wait_for 30 sh -c "'$B/harvestctl' boards list --json | grep -q '\"id\":\"[^\"]*\",\"serial\":\"dying\",[^}]*\"state\":\"ready\"'"
board_stop suite
id=$(ctl boards list --json | sed -nE 's/.*"id":"([^"]*)","serial":"dying".*/\1/p')
"$R" sample kmeans 30000 "$seed" "$W/in.raw"
(sleep 0.5 && board_stop dying KILL) &
ctl submit "$W/in.raw" --task kmeans --dtype uint8 --policy offload --deadline-ms 20000 \
	--max-error 0.006 -o "$W/out.bin" --json >"$W/r.json" 2>"$W/r.err"
check "the job of a board that died is done: $(cat "$W/r.err")" grep -q '"ok":true' "$W/r.json"
check "the CPU took over: $(cat "$W/r.json")" grep -q '"where":"cpu"' "$W/r.json"
check "and nothing is lost" "$R" within kmeans "$W/in.raw" "$W/out.bin" 0.006
sleep 0.1
board_start suite --time fast --link-bps 50000000
wait_for 30 board_is ready

id=$(ctl boards list --json | sed -nE 's/.*"id":"([^"]*)","serial":"suite".*/\1/p')

# Those of the goal first: only they meet their own certificate. Then the others are alone.
for model in $(models goal); do
	serve "$model"
	expect 0 "removed $model" ctl models remove "$model"
done
for model in $(models pass); do
	serve "$model"
done
finish
