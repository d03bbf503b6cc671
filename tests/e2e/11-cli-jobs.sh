#!/bin/bash
# The command line's everyday work on the CPU: pack, submit in and out of every format, detach
# and wait, explain, cancel; the examples of the library.
. "$(dirname "$0")/lib.sh"
R=$B/tests/lib/records
C=$B/harvestctl
cd "$W"
world_start

# Right answers, whatever the format.
"$R" sample fft64 32 9 in.raw
good() { # OUT-FILE
	awk -v s="$("$R" snr fft64 in.raw "$1")" 'BEGIN { exit !(s > 90) }'
}
check "raw to raw" "$C" submit in.raw --task fft64 --dtype int16 -o out.bin
check "the answer is right" good out.bin
check "raw to npy" "$C" submit in.raw --task fft64 --dtype int16 -o out.npy
tail -c $((32 * 512)) out.npy >out2.bin
check "npy holds the same" cmp out.bin out2.bin
check "npy tells its shape" grep -aq "'<i4'.*(32, 64, 2,)" out.npy
check "stdin to stdout" sh -c "'$C' submit - --task fft64 --dtype int16 -o - <in.raw >out3.bin 2>summary"
check "stdout holds the samples alone" cmp out.bin out3.bin
check "the summary went to stderr" grep -q '32 on the CPU' summary
check "to csv" "$C" submit in.raw --task fft64 --dtype int16 -o out.csv
check "csv has a record a line" test "$(wc -l <out.csv)" -eq 32
check "csv has an element a column" test "$(head -n 1 out.csv | tr ',' '\n' | wc -l)" -eq 128

# A csv of whole numbers is the same input as its raw samples.
"$R" sample dct32 16 9 dct.raw
od -An -v -td2 -w64 dct.raw | sed 's/^ *//; s/  */,/g' >dct.csv
"$C" submit dct.raw --task dct32 --dtype int16 -o dct1.bin >/dev/null
"$C" submit dct.csv --task dct32 -o dct2.bin >/dev/null
check "text and raw input give the same" cmp dct1.bin dct2.bin

# A recording: 300 stereo frames of 16-bit PCM.
le32() { printf "\\x$(printf %02x $(($1 & 255)))\\x$(printf %02x $(($1 >> 8 & 255)))\\x$(printf %02x $(($1 >> 16 & 255)))\\x00"; }
{
	printf 'RIFF'; le32 $((36 + 1200)); printf 'WAVEfmt '; le32 16
	printf '\x01\x00\x02\x00'; le32 8000; le32 32000; printf '\x04\x00\x10\x00'
	printf 'data'; le32 1200; head -c 1200 in.raw
} >stereo.wav
expect 0 '5 records for fft64 from 300 samples, hop 64, the last one padded with 20 zeros' \
	"$C" pack --task fft64 --in stereo.wav -o stereo.bin
check "complex records take left and right" "$C" submit stereo.bin -o stereo.out.bin
head -c 1200 in.raw >stereo.raw; head -c 80 /dev/zero >>stereo.raw
"$C" submit stereo.raw --task fft64 --dtype int16 -o stereo.want.bin >/dev/null
check "the tail is padded with zeros" cmp stereo.want.bin stereo.out.bin
expect 0 '"records":5,"samples":300,"hop":64,"padded":51' "$C" pack --task fir32 --in stereo.wav -o fir.bin --json
expect 0 'records for fir32.*hop 95' "$C" pack --task fir32 --in stereo.wav --hop 95 -o fir95.bin
check "overlapping records submit" "$C" submit fir.bin

# JSON.
"$C" submit in.raw --task fft64 --dtype int16 --verify --max-error 60 --json >doc.json
for field in '"job":"j' '"task":"fft64"' '"records":32' '"ok":true' \
	'"parts":\[{"where":"cpu","records":32}\]' \
	'"error":{"metric":"snr_db","certified":null,"budget":60,"measured":[0-9.]+}' \
	'"time_us":{"admit":[0-9]+,"queue":[0-9]+,"transfer":0,"compute":[0-9]+,"deliver":[0-9]+,"total":[0-9]+}' \
	'"energy_uj":{"board_modelled":0,"cpu_modelled":' '"why":".'; do
	check "submit --json has $field" grep -qE "$field" doc.json
done
check "the times add up" awk -F'[:,}]' '{
	for (i = 1; i < NF; i++) { gsub(/["{]/, "", $i); v[$i] = $(i + 1) }
	exit v["admit"] + v["queue"] + v["transfer"] + v["compute"] + v["deliver"] != v["total"] }' \
	<(sed 's/.*"time_us"://' doc.json)
for verb in status tasks jobs models boards; do
	if command -v python3 >/dev/null 2>&1; then
		check "$verb --json is JSON" sh -c "'$C' $verb --json | python3 -m json.tool"
	else
		echo "skipped: is $verb --json JSON? (no python3)"
	fi
done
for field in '"version":"' '"uptime_s":' '"jobs":{"accepted":[0-9]+,"completed":' '"expired":' \
	'"cpu":{"workers":[0-9]+,"busy_share":' '"loop":{"lag_max_us":' '"boards":\[\]'; do
	check "status --json has $field" sh -c "'$C' status --json | grep -qE '$field'"
done

# Detached.
id=$("$C" submit in.raw --task fft64 --dtype int16 --detach)
check "detach prints an id" grep -qE '^j[0-9]+\.[0-9a-f]+$' <<<"$id"
check "wait fetches the result" "$C" wait "$id" -o waited.bin
check "it is the same" cmp out.bin waited.bin
expect 0 'too late' "$C" cancel "$id"
id2=$("$C" submit in.raw --task fft64 --dtype int16 --json | sed 's/.*"job":"\([^"]*\)".*/\1/')
expect 0 '32 on the CPU' "$C" wait "$id2"
expect 1 'no results to fetch: they are kept for detached jobs' "$C" wait "$id2" -o none.npy
expect 0 'cpu .*chosen' "$C" explain "$id"
expect 0 '"candidates":\[\{"where":"cpu","model":"","eligible":true' "$C" explain "$id" --json
check "jobs lists it" sh -c "'$C' jobs | grep -q '$id.*completed'"
expect 0 'would run: 32 on the CPU' "$C" submit in.raw --task fft64 --dtype int16 --dry-run

# The library's examples, against the shared library.
expect 0 'fft64: 256 bytes in, 512 bytes out' "$B/client/examples/sync"
expect 1 'unknown task|no task' "$B/client/examples/sync" nosuchtask
expect 0 '500 jobs, 16 in flight: 0 failed' "$B/client/examples/poll" 500 16
HARVEST_SOCKET=$W/nobody expect 1 "no daemon at $W/nobody" "$B/client/examples/sync"
finish
