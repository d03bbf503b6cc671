#!/bin/bash
# Every built-in task on the CPU, from packed job files: the daemon's answer is the definition's.
. "$(dirname "$0")/lib.sh"
R=$B/tests/lib/records
cd "$W"
world_start

types='blackscholes:float32 dct32:int16 dct8x8:int16 features64:int16 fft128:int16 fft256:int16 fft64:int16
fir32:int16 forwardk2j:int16 heading:int16 iir_c02:int16 iir_c05:int16 iir_c20:int16
inversek2j:int16 jmeint:int16 jmeint_balanced:int16 jpeg50:uint8 jpeg75:uint8 kmeans:uint8
matvec64:int16 matvec64_rank8:int16 median9:int16 rms64:int16 sobel:uint8 specmag256:int16
speed:int16'
check "the list is complete" test "$(ctl tasks | grep -c '^[a-z][a-z0-9_]* .*\[')" -eq "$(echo $types | wc -w)"
close_enough() { awk -v s="$("$R" snr "$1" "$2" "$3")" 'BEGIN { exit !(s == "inf" || s > 35) }'; }
for t in $types; do
	task=${t%:*} dtype=${t#*:}
	"$R" sample "$task" 20 3 in.raw
	expect 0 '20 on the CPU' ctl submit in.raw --task "$task" --dtype "$dtype" -o out.bin
	check "$task answers its definition" close_enough "$task" in.raw out.bin
	expect 0 '20 on the CPU' ctl submit in.raw --task "$task" --dtype "$dtype" -o out.npy
done

# Whole records from files: points, pixels, floating point.
printf '100,80,0.05,0.3,0.5,0\n100,110,0.05,0.3,0.5,1\n' >options.csv
expect 0 '2 records for blackscholes' ctl pack --task blackscholes --in options.csv -o options.bin
expect 0 '2 on the CPU' ctl submit options.bin -o prices.csv
check "a call in the money costs more than 21.9 and less than 24" \
	awk 'NR == 1 { exit !($1 > 21.9 && $1 < 24) }' prices.csv
printf '0,0,0,255,255,255\n1,2,3,1,2,3\n' >colours.csv
expect 0 '2 records for kmeans' ctl pack --task kmeans --in colours.csv -o colours.bin
expect 0 '2 on the CPU' ctl submit colours.bin -o distances.csv
check "distances are in 1/64" test "$(tr '\n' ' ' <distances.csv)" = '28267 0 '
printf '0,0,0,255,256,255\n' >beyond.csv
expect 8 '256' ctl pack --task kmeans --in beyond.csv -o no.bin
expect 2 'hop' ctl pack --task kmeans --in colours.csv --hop 3 -o no.bin
printf '100,80,0.05,nan,0.5,0\n' >nan.csv
expect 8 '.' ctl submit nan.csv --task blackscholes
"$R" sample sobel 2 5 tiles.raw
expect 0 '2 records for sobel' ctl pack --task sobel --in tiles.raw --dtype uint8 -o tiles.bin
expect 0 '2 on the CPU' ctl submit tiles.bin -o edges.npy
check "tiles come back as pictures" grep -aq "'|u1'.*(2, 64, 64,*)" edges.npy
finish
