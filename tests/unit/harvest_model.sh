#!/bin/bash
# harvest-model as scripts see it: exit codes, sentences, JSON, files, and the same bytes from
# every build.
tool=harvest-model
. "$(dirname "$0")/tool.sh"

# npy DESCR SHAPE HEX: an array file on stdout
npy() {
	local head="{'descr': '$1', 'fortran_order': False, 'shape': $2, }"
	printf '\x93NUMPY\x01\x00'
	printf "\\x$(printf %x ${#head})\\x00%s" "$head"
	# shellcheck disable=SC2059
	printf "$(printf '%s' "$3" | sed 's/../\\x&/g')"
}

exits 0 --help
check "--help names every verb" grep -q '^  build ' "$W/out"
exits 0 --version
check "--version names the program" grep -q '^harvest-model [0-9]' "$W/out"
exits 0 --version --json
check "--version is JSON when asked" grep -q '^{"program":"harvest-model","version":"[0-9]' "$W/out"
exits 2
exits 2 fly
exits 2 dump
exits 2 dump a b
exits 2 dump --colour x.hvm
exits 2 build --level
exits 2 build --task fft64 --level 3
exits 2 build --task fft64 --level 5 -o "$W/x.hvm"
exits 2 build --task fft64 --level 3 --level 3 -o "$W/x.hvm"
exits 2 build --task nosuch --level 3 -o "$W/x.hvm"
exits 2 build --task fft64 --matrix "$W/x.npy" --name x -o "$W/x.hvm"
exits 2 build --matrix "$W/x.npy" -o "$W/x.hvm"
exits 2 build --task fft64 --samples 12 -o "$W/x.hvm"
exits 8 build --matrix "$W/nosuch.npy" --name x -o "$W/x.hvm"
exits 8 dump "$W/nosuch.hvm"
check "a missing file is named" grep -q "$W/nosuch.hvm" "$W/err"
echo "not a package" >"$W/text.hvm"
for verb in dump cost bound check; do exits 8 $verb "$W/text.hvm"; done
exits 8 build --matrix "$W/text.hvm" --name x -o "$W/x.hvm"
exits 1 build --task dct32 -o "$W/no/such/folder.hvm"
check "nothing was written by failures" test ! -e "$W/x.hvm"

# Two builds, byte by byte, and against the one that make made.
exits 0 build --task dct32 --level 3 -o "$W/a.hvm"
exits 0 build --task dct32 --level 3 -o "$W/b.hvm" --json
check "JSON of build" grep -q '"name":"dct32-l3".*"certified":[0-9]' "$W/out"
check "two builds give the same bytes" cmp "$W/a.hvm" "$W/b.hvm"
check "make's package has the same bytes" cmp "$W/a.hvm" "$B/models/approx/dct32/dct32-l3.hvm"

# A network for a firmware: the same bytes every time, and only of a network.
yaml=${top_srcdir:-.}/models/primary/kws20_v3.yaml
exits 2 build --yaml "$yaml" --name kws -o "$W/k.hvm"
exits 2 build --yaml "$yaml" --seed twenty --name kws -o "$W/k.hvm"
exits 2 build --task dct32 --seed 1 -o "$W/k.hvm"
exits 0 build --yaml "$yaml" --seed 20 --name kws -o "$W/k.hvm"
exits 2 image "$W/k.hvm"
exits 2 image "$W/a.hvm" -o "$W/k.img"
check "an approximation is named as such" grep -q 'dct32: only a network' "$W/err"
exits 8 image "$W/nosuch.hvm" -o "$W/k.img"
check "nothing was written by failures" test ! -e "$W/k.img"
exits 0 image "$W/k.hvm" -o "$W/k.img" --json
check "JSON of image" grep -q '"cycles":71782.*"kernel_first":376,"kernel_words":392' "$W/out"
exits 0 image "$W/k.hvm" -o "$W/k2.img"
check "two images have the same bytes" cmp "$W/k.img" "$W/k2.img"

# All installed packages prove themselves.
exits 0 check "$B"/models/approx/*/*.hvm
all=$(ls "$B"/models/approx/*/*.hvm | wc -l)
check "all $all packages pass" grep -q "^$all passed, 0 failed\$" "$W/out"
echo "# about these files" >"$W/README.md"
exits 0 check "$W/a.hvm" "$W/README.md"
check "a text beside the files is passed over" grep -q '^1 passed, 0 failed, 1 skipped' "$W/out"
exits 8 check "$W/README.md"
exits 0 check --json "$W/a.hvm"
check "JSON of check" grep -q '"passed":1,"failed":0,"skipped":0' "$W/out"
for verb in dump cost bound; do
	exits 0 $verb "$W/a.hvm"
	exits 0 $verb --json "$W/a.hvm"
	check "JSON of $verb" grep -q '^{"name":"dct32-l3",.*}$' "$W/out"
done
exits 0 cost "$W/a.hvm"
check "every line of cost says modelled" test -z "$(tail -n +2 "$W/out" | grep -v modelled)"
"$T" cost --json --link-bps 115200 "$W/a.hvm" >"$W/slow"
check "the link's rate counts" grep -q '"link_bps":115200,.*"record_link_us":11111.1' "$W/slow"

printf '# board 7\nbus_write_ns = 1000\nbus_read_ns=1000\n' >"$W/cal"
exits 0 cost "$W/a.hvm" --calibration "$W/cal"
check "a calibrated line says so" grep -q '^  bus .* 144.0 us (calibrated)$' "$W/out"
check "the others stay modelled" grep -q '^  link .*(modelled)$' "$W/out"
exits 0 cost --json "$W/a.hvm" --calibration "$W/cal"
check "JSON names each constant's source" \
	grep -q '"key":"bus_read_ns","value":1000,"measured":true,"source":"calibration"' "$W/out"
printf 'bus_write_ns = 1000\nbus_write = 3\n' >"$W/bad.cal"
exits 8 cost "$W/a.hvm" --calibration "$W/bad.cal"
check "the line is named" grep -q "bad.cal: line 2: unknown key 'bus_write'" "$W/err"
exits 8 cost "$W/a.hvm" --calibration "$W/none.cal"

exits 0 place "$B/models/approx/fft256/fft256-l4.hvm" --beside "$W/a.hvm" --beside "$W/a.hvm"
check "two residents, a map and a certificate" awk '
	/^dct32-l3 / { n++ } /^    kernels .*processors 0 to / { map++ } /^certificate .* 2 residents/ { ok = 1 }
	END { exit !(n == 2 && map >= 3 && ok) }' "$W/out"
exits 4 place "$W/a.hvm" --beside "$W/a.hvm" --keep-data
exits 0 place "$B/models/approx/fft256/fft256-l4.hvm" --beside "$W/a.hvm"
check "the guest starts behind the resident" awk '
	/^dct32-l3 / { end = $6 } /^fft256-l4 / { first = $4 } END { exit !(first > end) }' "$W/out"
{ npy '|i1' '(500, 500)' ''; head -c 250000 /dev/zero | tr '\0' '\1'; } >"$W/large.npy"
exits 0 build --matrix "$W/large.npy" --name large --level 4 --samples 128 -o "$W/large.hvm"
exits 4 place "$W/large.hvm"
exits 0 place --json "$W/a.hvm"
check "JSON of place" grep -q '"kernel_words_left":' "$W/out"

# A damaged package is a bad file; another envelope another version; a short one too.
{ head -c 100 "$W/a.hvm"; printf 'X'; tail -c +102 "$W/a.hvm"; } >"$W/damaged.hvm"
exits 8 check "$W/damaged.hvm"
{ printf 'HVM2'; tail -c +5 "$W/a.hvm"; } >"$W/newer.hvm"
exits 7 dump "$W/newer.hvm"
head -c 100 "$W/a.hvm" >"$W/short.hvm"
exits 8 dump "$W/short.hvm"
exits 8 check "$W/a.hvm" "$W/damaged.hvm"
check "one good, one bad" grep -q '^1 passed, 1 failed$' "$W/out"

# Matrix [[1, 2], [0, -1]] as float64, then records (3, 4) and (-5, 100).
npy '<f8' '(2, 2)' 000000000000f03f00000000000000400000000000000000000000000000f0bf >"$W/m.npy"
exits 0 build --matrix "$W/m.npy" --name small --level 4 -o "$W/m.hvm"
npy '<i2' '(2, 2)' 03000400fbff6400 >"$W/in.npy"
exits 0 run "$W/m.hvm" --in "$W/in.npy" -o "$W/out.npy"
npy '<i2' '(2, 2)' 03000400fbff6400 | tail -c 8 >"$W/in.raw"
exits 0 run "$W/m.hvm" --in "$W/in.raw" -o "$W/out.raw" --json
check "JSON of run" grep -q '"records":2' "$W/out"
check "answers 11, -4, 195, -100" test \
	"$(od -An -tx1 "$W/out.raw" | tr -d ' \n')" = 0b000000fcffffffc30000009cffffff
check ".npy holds the same answers" cmp "$W/out.raw" <(tail -c 16 "$W/out.npy")
check "raw to standard output" cmp "$W/out.raw" <("$T" run "$W/m.hvm" --in "$W/in.raw" -o -)
exits 2 run "$W/m.hvm" --in "$W/in.npy"
exits 8 run "$W/m.hvm" --in "$W/m.npy" -o "$W/x"
: >"$W/empty"
exits 8 run "$W/m.hvm" --in "$W/empty" -o "$W/x"
head -c 7 "$W/in.raw" >"$W/odd"
exits 8 run "$W/m.hvm" --in "$W/odd" -o "$W/x"
npy '<f8' '(2, 2)' 000000000000f87f00000000000000400000000000000000000000000000f0bf >"$W/nan.npy"
exits 8 build --matrix "$W/nan.npy" --name small -o "$W/x"
check "the NaN is located" grep -q '(0, 0)' "$W/err"
exits 2 build --matrix "$W/m.npy" --name fft64 -o "$W/x"
check "nothing was written" test ! -e "$W/x"
check "a full device is an error" sh -c "! '$T' dump '$W/a.hvm' >/dev/full 2>/dev/null"

# A network from its description and arrays: int8 tensors in, int32 out, nothing to certify.
D=${srcdir:-.}/tests/data/import
grep -v bias_quadrant "$D/net.yaml" >"$W/net.yaml"
exits 0 build --yaml "$W/net.yaml" --weights "$D" --name small-net -o "$W/n.hvm"
exits 0 build --json --yaml "$W/net.yaml" --weights "$D" --name small-net -o "$W/n.hvm"
check "JSON of a network" grep -q '"kind":"network"' "$W/out"
exits 0 run "$W/n.hvm" --in "$D/input.npy" -o "$W/n.npy"
check "the stored answers" cmp <(tail -c 16 "$D/output.npy") <(tail -c 16 "$W/n.npy")
exits 0 check "$W/n.hvm"
exits 0 dump "$W/n.hvm"
check "dump knows its operations" grep -q 'layer 1 *passthrough' "$W/out"
exits 0 dump --json "$W/n.hvm"
exits 0 cost "$W/n.hvm"
exits 0 place "$W/a.hvm" --beside "$W/n.hvm"
check "place of both" grep -q '^small-net  *kernel words 0 to 9 ' "$W/out"
exits 2 bound "$W/n.hvm"
exits 8 run "$W/n.hvm" --in "$W/m.npy" -o "$W/x"
exits 2 build --yaml "$W/net.yaml" --name small-net -o "$W/x"
exits 2 build --yaml "$W/net.yaml" --weights "$D" -o "$W/x"
exits 2 build --yaml "$W/net.yaml" --weights "$D" --name 'No Name' -o "$W/x"
exits 2 build --task fft64 --fifo -o "$W/x"
exits 8 build --yaml "$W/net.yaml" --weights "$W" --name small-net -o "$W/x"
check "a missing array is named" grep -q 'net.yaml:[0-9]*: layer 0: in_dim is missing' "$W/err"
sed 's/pad: 1/pad: 7/' "$W/net.yaml" >"$W/pad.yaml"
exits 8 build --yaml "$W/pad.yaml" --weights "$D" --name small-net -o "$W/x"
check "the limit is named" grep -q 'pad.yaml:8: layer 0: pad_h is 7, must be 0..2' "$W/err"
exits 8 build --yaml "$W/none.yaml" --weights "$D" --name small-net -o "$W/x"
exits 8 build --kat "$W/net.yaml" -o "$W/x"

finish
