#!/bin/bash
# From a function to served jobs: a plug-in is searched for, its package installed, and a board
# answers within the certificate what the CPU answers exactly; also after a restart.
. "$(dirname "$0")/lib.sh"
C=$B/harvestctl
cd "$W"
if [ ! -e "$B/.libs/libthermistor.so" ]; then
	echo "skipped: the test plug-ins are not built (configure found no Check)"
	exit 77
fi
mkdir plugins
cp "$B/.libs/libthermistor.so" plugins/thermistor.so
chmod go-w plugins/*.so
export HARVEST_PLUGIN_HOST=$B/harvest-plugin
expect 0 'mark: goal' "$B/harvest-nas" search --task plugins/thermistor.so --budget-s 60 -o t.hvm

world_start --plugins "$W/plugins"
board_start plug --time fast --link-bps 50000000
wait_for 30 board_is ready
expect 0 'verified +ok|thermistor-' ctl models install t.hvm
cert=$(ctl models list --json | tr '{' '\n' | grep '"task":"thermistor"' | json_number certified)

# Every reading of the domain once, and what awk thinks of the answers.
for ((i = 200; i < 3800; i++)); do
	printf "\\x$(printf %02x $((i & 255)))\\x$(printf %02x $((i >> 8)))"
done >all.raw
same_within() { # CERTIFICATE
	paste -d, exact.csv board.csv | awk -F, -v c="$1" '
		{ d = $1 - $2; s += d * d; if (NR == 1 || $1 < lo) lo = $1; if (NR == 1 || $1 > hi) hi = $1 }
		END { e = sqrt(s / NR) / (hi - lo); print e; exit !(NR == 3600 && e > 0 && e <= c) }'
}
expect 0 '3600 on the CPU; certified exact' \
	ctl submit all.raw --task thermistor --dtype int16 --route cpu -o exact.csv
expect 0 '3600 on virt0 \(thermistor-' ctl submit all.raw --task thermistor --dtype int16 \
	--route board --max-error "$cert" -o board.csv
check "the board is within the certificate of $cert" same_within "$cert"
printf '\x28\x00' >outside.raw
expect 4 'outside the domain' ctl submit outside.raw --task thermistor --dtype int16 --route board
expect 0 '1 on the CPU' ctl submit outside.raw --task thermistor --dtype int16

# The package is there again after a restart, with its task.
kill "$(cat harvestd.pid)"
wait "$(cat harvestd.pid)"
world_start --plugins "$W/plugins"
expect 0 'thermistor-' ctl models list
board_start plug2 --time fast --link-bps 50000000
wait_for 30 board_is ready
expect 0 '(3600|1800) on virt' ctl submit all.raw --task thermistor --dtype int16 --route board -o board.csv
check "and answers as before" same_within "$cert"
finish
