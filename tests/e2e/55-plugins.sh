#!/bin/bash
# Tasks from shared objects: served by the daemon; one that crashes, hangs or answers nonsense
# fails its own job with the reason, and nothing else.
. "$(dirname "$0")/lib.sh"
C=$B/harvestctl
R=$B/tests/lib/records
cd "$W"
if [ ! -e "$B/.libs/libthermistor.so" ]; then
	echo "skipped: the test plug-ins are not built (configure found no Check)"
	exit 77
fi
mkdir plugins
cp "$B/.libs/libthermistor.so" plugins/thermistor.so
cp "$B/.libs/libevilplugin.so" plugins/square.so
cp "$B/.libs/libthermistor.so" plugins/twice.so
echo 'no shared object' >plugins/text.so
cp "$B/.libs/libevilplugin.so" plugins/open-to-all.so
chmod go-w plugins/*.so
chmod o+w plugins/open-to-all.so
HARVEST_PLUGIN_HOST=$B/harvest-plugin HARVEST_TEST_PLUGIN=traps world_start --plugins "$W/plugins"

expect 0 'thermistor' ctl tasks
expect 0 'square' ctl tasks
check "what is no plug-in is refused with a reason" grep -q 'plugins/text.so.*not served' harvestd.err
check "a name is served once" grep -q "already a task\|there is a task 'thermistor' already" harvestd.err
check "a file that others can write is refused" \
	grep -q 'open-to-all.so can be changed by others' harvestd.err

# 2048 of 4096 is 25 degrees; little-endian int16.
printf '\x00\x08\x00\x08' >in.raw
mv plugins/thermistor.so plugins/kept
cp plugins/square.so plugins/thermistor.so
expect 7 'another task than when the daemon started' \
	ctl submit in.raw --task thermistor --dtype int16
mv plugins/kept plugins/thermistor.so
expect 0 '2 on the CPU' ctl submit in.raw --task thermistor --dtype int16 -o out.csv
check "the template answers 25 degrees" test "$(head -n 1 out.csv)" = 2500

# float32: 0.5, 3 (crash), 4 (hang), 5 (infinity).
printf '\x00\x00\x00\x3f\x00\x00\x00\x3f' >good.raw
printf '\x00\x00\x00\x3f\x00\x00\x40\x40' >crash.raw
printf '\x00\x00\x80\x40' >hang.raw
printf '\x00\x00\xa0\x40' >infinite.raw
"$R" sample fft64 64 9 fft.raw
expect 0 '2 on the CPU' ctl submit good.raw --task square --dtype float32 -o good.csv
check "the plug-in answers" test "$(head -n 1 good.csv)" = 0.25
expect 1 'crashed with SIG' ctl submit crash.raw --task square --dtype float32
expect 0 '64 on the CPU' ctl submit fft.raw --task fft64 --dtype int16
expect 0 '2 on the CPU' ctl submit good.raw --task square --dtype float32
"$C" submit hang.raw --task square --dtype float32 >hang.out 2>&1 &
hang=$!
expect 0 '64 on the CPU' ctl submit fft.raw --task fft64 --dtype int16
expect 0 '2 on the CPU' ctl submit in.raw --task thermistor --dtype int16
check "others do not wait for what hangs" kill -0 $hang
wait $hang
check "a hang fails its job" test $? -ne 0
check "and says so" grep -q 'more than 2000 ms passed' hang.out
expect 1 'finite' ctl submit infinite.raw --task square --dtype float32
expect 0 '2 on the CPU' ctl submit in.raw --task thermistor --dtype int16
expect 0 'failed' ctl status
# However the daemon ends, its workers end with it.
"$C" submit hang.raw --task square --dtype float32 >hang.out 2>&1 &
wait_for 10 pgrep -f "$W/plugins/"
kill -9 "$(cat harvestd.pid)"
wait "$(cat harvestd.pid)" 2>/dev/null
no_workers() { ! pgrep -f "$W/plugins/"; }
wait_for 10 no_workers
ok
world_start
finish
