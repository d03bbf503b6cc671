#!/bin/bash
# Linear plug-ins that do not say so: recognised within two seconds, and served by a board within
# the certificates that their own answers gave.
. "$(dirname "$0")/lib.sh"
cd "$W"
for t in filter40 calibrate; do
	if [ ! -e "$B/.libs/lib$t.so" ]; then
		echo "skipped: the test plug-ins are not built (configure found no Check)"
		exit 77
	fi
done
mkdir plugins
for t in filter40 calibrate; do cp "$B/.libs/lib$t.so" plugins/$t.so; done
chmod go-w plugins/*.so
export HARVEST_PLUGIN_HOST=$B/harvest-plugin

field() { tr ',{' '\n\n' <"$1" | json_number "$2" | head -n 1; }
# a loaded machine may take longer than the two seconds of an idle one
fast() { awk -v s="$(field "$1" search_s)" 'BEGIN { exit !(s > 0 && s < 10) }'; }

for t in filter40 calibrate; do
	"$B/harvest-nas" search --task plugins/$t.so --samples 2048 -o $t.hvm --json >$t.json
	check "$t is found" test $? = 0
	check "$t is found fast" fast $t.json
	check "$t is a matrix" grep -q '"engine":"matrix"' $t.json
	check "$t reaches its goal" grep -q '"mark":"goal"' $t.json
done
expect 0 'statistical, matrix estimated' "$B/harvest-model" bound filter40.hvm
expect 0 'no bound beyond the samples' "$B/harvest-model" bound filter40.hvm
"$B/harvest-nas" pareto --task plugins/filter40.so >pareto.txt
check "a convolution of few weights" grep -qE '^4[0-9.]+ +115 +[0-9]+ +225 ' pareto.txt
check "results of 8 bits" grep -q 'level 0: 8-bit input, 8-bit output' pareto.txt

world_start # the packages bring the functions
board_start lin --time fast --link-bps 50000000
wait_for 30 board_is ready
for t in filter40 calibrate; do expect 0 "verified +ok|$t-" ctl models install $t.hvm; done

# 400 records of loud noise, the same from every awk
awk 'BEGIN { srand(7); for (i = 0; i < 400; i++) { for (k = 0; k < 103; k++)
	printf "%s%d", k ? "," : "", int((2 * rand() - 1) * 32000); print "" } }' >filter40.csv
awk 'BEGIN { srand(8); for (i = 0; i < 400; i++) printf "%.4f,%.4f,%.4f\n",
	(2 * rand() - 1) * 49, (2 * rand() - 1) * 49, (2 * rand() - 1) * 49 }' >calibrate.csv

snr_meets() { # CERTIFICATE RECORDS
	paste -d, exact.csv board.csv | awk -F, -v c="$1" -v n="$2" '
		{ for (i = 1; i <= NF / 2; i++) { d = $i - $(i + NF / 2); e += d * d; r += $i * $i } }
		END { db = 10 * log(r / e) / log(10); print db; exit !(NR == n && e > 0 && db >= c) }'
}
served() { # TASK REPORT RECORDS [SCATTER]
	local cert
	# certificates around a host program bound the mean of the stream, a short job scatters
	cert=$(field "$2" certified | awk -v s="${4:-0}" '{ print $1 - s }')
	head -n "$3" "$1.csv" >in.csv
	expect 0 "$3 on the CPU; certified exact" ctl submit in.csv --task $1 --route cpu -o exact.csv
	expect 0 "$3 on virt0 \($1-" ctl submit in.csv --task $1 --route board -o board.csv
	check "the board answers $1 within $cert dB" snr_meets "$cert" "$3"
}
for t in filter40 calibrate; do served $t $t.json 400; done

# The same tasks in other forms: few weights, and results of one byte.
for t in filter40 calibrate; do
	ctl models remove "$(ctl models list --json | tr '{' '\n' |
		sed -nE "s/.*\"model\":\"($t-[^\"]*)\".*/\1/p")" >/dev/null
done
"$B/harvest-nas" search --task plugins/filter40.so --max-weights-bytes 500 --max-error 60 \
	--samples 2048 -o conv.hvm --json >conv.json
check "few weights are a convolution" grep -q '"engine":"convolution"' conv.json
"$B/harvest-nas" search --task plugins/calibrate.so --max-error 30 --samples 2048 -o bytes.hvm \
	--json >bytes.json
check "30 dB are results of a byte" grep -q '"words":1,' bytes.json
for p in conv bytes; do expect 0 'verified +ok' ctl models install $p.hvm; done
served filter40 conv.json 40 1
served calibrate bytes.json 400
finish
