#!/bin/bash
# Bad input of every kind gives one clear sentence and its exit code, and the daemon goes on
# serving everybody else.
. "$(dirname "$0")/lib.sh"
R=$B/tests/lib/records
C=$B/harvestctl

cd "$W"
# Without any daemon.
expect 0 '^harvestctl [0-9]' "$C" --version
expect 0 '^{"program":"harvestctl","version":"[0-9]' "$C" --version --json
"$R" sample fft64 8 3 good.raw
"$C" pack --task fft64 --in good.raw --dtype int16 -o mono.bin >/dev/null
expect 5 "no daemon at $HARVEST_SOCKET.*start it" "$C" status
expect 5 'no daemon' "$C" submit mono.bin
expect 5 'no daemon at /tmp/x.sock' "$C" --socket /tmp/x.sock tasks
expect 2 'path.*longer' "$C" status --socket "$(printf 'x%.0s' $(seq 200))"

world_start
serves() { "$C" submit good.raw --task fft64 --dtype int16 --json | grep -q '"ok":true'; }
# refused CODE PATTERN COMMAND...: as expect, then the daemon still serves.
refused() {
	expect "$@"
	check "served after: ${*:3}" serves
	check "one sentence from: ${*:3}" test "$(wc -l <"$W/expect.out")" -le 1
}

# Names and options.
refused 2 "unknown task 'fft65', the nearest is 'fft64'" "$C" submit good.raw --task fft65 --dtype int16
refused 2 "unknown task" "$C" submit good.raw --task "$(printf 'y%.0s' $(seq 300))" --dtype int16
refused 2 "did you mean 'submit'" "$C" sumbit good.raw
refused 2 'unknown option.*--frobnicate' "$C" submit good.raw --frobnicate
refused 2 'needs a value' "$C" submit good.raw --task
refused 2 'nothing to work on' "$C" submit
refused 2 'which task' "$C" submit good.raw --dtype int16
refused 2 'not a route' "$C" submit good.raw --task fft64 --dtype int16 --route moon
refused 2 'must end in' "$C" submit good.raw --task fft64 --dtype int16 -o result.wav
refused 2 "unknown action 'explode'" "$C" boards explode
refused 2 'both want stdout' "$C" submit good.raw --task fft64 --dtype int16 --json -o -

# Shapes and types.
head -c 300 good.raw >odd.raw
refused 8 'no whole number of records' "$C" submit odd.raw --task fft64 --dtype int16
refused 8 'float64.*int16|no whole number|in \[-1' "$C" submit good.raw --task fft64 --dtype float64
refused 8 'samples of type int32.*takes int16' "$C" submit good.raw --task fft64 --dtype int32
refused 8 'say what its raw samples are' "$C" submit good.raw --task fft64
"$C" submit good.raw --task fft64 --dtype int16 -o out.npy >/dev/null
refused 8 'samples of type int32' "$C" submit out.npy --task fft64
npy() { # FILE DESCR SHAPE DATA-FILE
	local head="{'descr': '$2', 'fortran_order': False, 'shape': $3, }"
	{
		printf '\x93NUMPY\x01\x00'
		printf "\\x$(printf %02x ${#head})\\x00"
		printf '%s' "$head"
		cat "$4"
	} >"$1"
}
npy wrong.npy '<i2' '(4, 256)' good.raw
refused 8 'shape \[4,256\].*int16\[64,2\]' "$C" submit wrong.npy --task fft64
npy short.npy '<i2' '(9, 64, 2)' good.raw
refused 8 'truncated' "$C" submit short.npy --task fft64
npy big.npy '>i2' '(8, 64, 2)' good.raw
refused 8 "'>i2'.*little-endian" "$C" submit big.npy --task fft64

# Numbers that are none.
{ yes 0.25 | head -n 100; echo nan; yes 0.25 | head -n 27; } >nan.csv
refused 8 'sample 100 .*nan.*finite' "$C" submit nan.csv --task fft64
{ yes 0.25 | head -n 127; echo 1.5; } >loud.csv
refused 8 'sample 127 .*1\.5.*\[-1, 1\)' "$C" submit loud.csv --task fft64
printf '1,2\n3\n' >ragged.csv
refused 8 'line 2' "$C" submit ragged.csv --task fft64
{ head -c 20 /dev/zero; printf '\x00\x00\xc0\x7f'; head -c 104 /dev/zero; } >nan.raw # float32
refused 8 'sample 5 .*nan.*finite' "$C" submit nan.raw --task dct32 --dtype float32

# Files that are not what they say.
: >empty.bin
refused 8 'empty.bin: it is empty' "$C" submit empty.bin --task fft64
refused 8 'no such file' "$C" submit /no/such/file --task fft64
refused 8 'regular file' "$C" submit / --task fft64
for n in 6 20 60 1000; do
	head -c $n mono.bin >cut.bin
	refused 8 'job file is truncated' "$C" submit cut.bin
done
cat mono.bin good.raw >long.bin
refused 8 'job file is too long' "$C" submit long.bin
{ head -c 4 mono.bin; printf '\xff\xff\xff\x7f'; tail -c +9 mono.bin; } >header.bin
refused 8 'truncated inside its header' "$C" submit header.bin
{ head -c 8 mono.bin; printf '\xff\xff\xff\xff'; tail -c +13 mono.bin; } >damaged.bin
refused 8 'damaged header' "$C" submit damaged.bin
sed 's/fft64/fft65/' mono.bin >task.bin
refused 8 "unknown task 'fft65'" "$C" submit task.bin
printf 'RIFF\x10\x00\x00\x00WAVEjunk' >bad.wav
refused 8 'recording cannot be read' "$C" submit bad.wav --task fft64
truncate -s 80M large.raw
refused 8 'at most 64 MiB' "$C" submit large.raw --task fft64 --dtype int16
truncate -s 300M larger.raw
refused 8 'longer than 256 MiB' "$C" submit larger.raw --task fft64 --dtype int16
rm -f large.raw larger.raw
refused 8 'too short' "$C" pack --task fft256 --in nan.csv -o x.bin
refused 2 "unknown task 'fft'" "$C" pack --task fft --in good.raw --dtype int16 -o x.bin
refused 8 'job file already' "$C" pack --task fft64 --in mono.bin -o x.bin
refused 1 'cannot write /no/such/folder' "$C" pack --task fft64 --in good.raw --dtype int16 -o /no/such/folder/x.bin

# Results that cannot be delivered: a full disk, a standard output that was closed.
refused 1 'cannot write /dev/full: No space' "$C" pack --task fft64 --in good.raw --dtype int16 -o /dev/full
refused 1 'cannot write -: ' bash -c "exec \"\$0\" \"\$@\" >&-" "$C" submit good.raw --task fft64 --dtype int16 -o -

# Wishes nobody can grant.
refused 4 'deadline.*in the past' "$C" submit good.raw --task fft64 --dtype int16 --deadline-ms 0
refused 4 'deadline.*in the past' "$C" submit good.raw --task fft64 --dtype int16 --deadline-ms -5
refused 4 'board' "$C" submit good.raw --task fft64 --dtype int16 --route board
refused 4 'board' "$C" submit good.raw --task fft64 --dtype int16 --route board --max-error 500
refused 1 'job' "$C" wait nosuch
refused 1 'job' "$C" explain j999.00000000
refused 1 'board' "$C" boards show nosuch
refused 1 'model' "$C" models remove nosuch
refused 8 'good.raw: .*package' "$C" models install good.raw

# A second daemon on the same socket gives up and leaves the first alone.
expect 1 "$HARVEST_SOCKET|already" timeout 20 "$B/harvestd" --socket "$HARVEST_SOCKET" \
	--models "$B/models/approx" --state "$W/second"
check "served after a second daemon" serves

# No permission. Needs somebody else's rights, and files that they may read.
chmod 755 "$W"
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null 2>&1 &&
	setpriv --reuid=65534 --regid=65534 --clear-groups "$C" --version >/dev/null 2>&1; then
	refused 3 "no permission.*$HARVEST_SOCKET.*group" \
		setpriv --reuid=65534 --regid=65534 --clear-groups "$C" status
else
	echo "skipped: socket without permission (needs root, setpriv and a readable build)"
fi

# Clients without manners.
for how in oversize garbage unheard broken; do
	expect 0 'reason: .' "$B/tests/lib/rude" "$HARVEST_SOCKET" $how
	check "served after a client that is rude: $how" serves
done
for _ in 1 2 3; do
	check "a client dies in the middle of a submit" "$B/tests/lib/rude" "$HARVEST_SOCKET" die
	check "served after it" serves
done
"$B/tests/lib/rude" "$HARVEST_SOCKET" deaf >"$W/deaf.out" 2>"$W/deaf.err" &
deaf=$!
wait_for 20 grep -q stuck "$W/deaf.out"
check "served beside a client that never reads" serves
kill $deaf
wait $deaf 2>/dev/null
check "served after it" serves

# A client killed while it waits takes its job along and nothing else.
"$R" sample fft256 20000 4 much.raw
"$C" submit much.raw --task fft256 --dtype int16 >/dev/null 2>&1 &
victim=$!
kill -KILL $victim
wait $victim 2>/dev/null
check "served after a killed client" serves
no_job_left() { "$C" status --json | grep -q '"waiting":0,"running":0'; }
wait_for 20 no_job_left
finish
