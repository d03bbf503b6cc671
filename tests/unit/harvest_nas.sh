#!/bin/bash
# harvest-nas as scripts see it: exit codes, sentences, JSON, files, and the same bytes from
# every search.
tool=harvest-nas
. "$(dirname "$0")/tool.sh"

exits 0 --help
exits 0 --version
exits 2
exits 2 find
exits 2 search
exits 2 search --task no_such_task
exits 2 search --task median9 --max-error none
exits 2 search --task median9 --budget-s 0
exits 2 search --task median9 --target max78002
exits 2 search --task median9 --task dct32
exits 2 search --task median9 extra
exits 2 certify
exits 1 certify "$W/absent.hvm"
echo "no package" >"$W/bad.hvm"
exits 8 certify "$W/bad.hvm"
exits 8 list "$W/bad.hvm"

# a structural task: found, written, certified again, listed; twice the same bytes
exits 0 search --task median9 --samples 1024 -o "$W/a.hvm" --report "$W/a.html" --json
check "search --json has the package" grep -q "\"package\":\"$W/a.hvm\"" "$W/out"
check "search --json has the mark" grep -q '"mark":"goal"' "$W/out"
check "the report is one page" grep -q '</html>' "$W/a.html"
check "the report has drawings" grep -q '<svg' "$W/a.html"
check "the report refers to nothing" sh -c "! grep -q 'src=\\|href=' '$W/a.html'"
exits 0 search --task median9 --samples 1024 --threads 1 -o "$W/b.hvm"
check "the same bytes from every search" cmp -s "$W/a.hvm" "$W/b.hvm"
exits 0 certify "$W/a.hvm" --samples 2048 --json
check "the certificate holds" grep -q '"holds":true' "$W/out"
exits 2 certify "$W/a.hvm" --task rms64
check "another task is no judge" grep -q 'approximates task median9, not rms64' "$W/err"
exits 0 list "$W/a.hvm" --json
check "list has the task" grep -q '"task":"median9"' "$W/out"

# nothing meets it: exit 4, described, nothing written, what was there stays
cp "$W/a.hvm" "$W/c.hvm"
exits 4 search --task median9 --samples 1024 --max-error 0.0001 -o "$W/c.hvm"
check "the best one is described" grep -q 'best one found has 0.003' "$W/err"
check "a file that was there stays" cmp -s "$W/a.hvm" "$W/c.hvm"
exits 4 search --task median9 --samples 1024 --max-error 0.0001 -o "$W/d.hvm"
check "no package is written" test ! -e "$W/d.hvm"
exits 1 search --task median9 --samples 1024 -o "$W/no/such/dir.hvm"
check "no leftovers" test -z "$(find "$W" -name '*.hvm*' ! -name '[abc].hvm' ! -name bad.hvm)"

# what cannot be written is known before anything is searched
exits 1 search --task heading -o "$W/no/such/dir.hvm"
check "nothing was searched" grep -q 'nothing was searched' "$W/err"
exits 1 search --task heading --report "$W" -o "$W/e.hvm"
exits 1 search --task heading -o ''
exits 2 search --task heading -o "$W/e" --report "$W/e"
exits 1 search --task median9 --samples 1024 -o /dev/full
exits 2 search --task heading --max-error 0
exits 2 search --task heading --max-error -1
exits 2 search --task heading --max-error nan
exits 2 search --task heading --max-error 1e300
exits 2 search --task heading --max-latency-us 0.0001
exits 2 search --task heading --max-weights-bytes 0
exits 2 search --task heading --budget-s 0.1
exits 2 search --task heading --samples 1
exits 2 search --task heading --threads 1000
exits 2 search --task heading --seed -1
exits 2 search --task heading --seed 18446744073709551616
check "no leftovers" test -z "$(find "$W" -name 'e*' ! -name err)"

# a search that was killed goes on from its journal to the same bytes
# begun SIGNAL: a search with a journal, ended by the signal once some results are kept
begun() {
	"$T" search --task heading --samples 1024 --resume "$W/j" -o "$W/r.hvm" >"$W/out" 2>"$W/err" &
	local pid=$! i=0
	while [ $i -lt 500 ] && [ "$(stat -c %s "$W/j" 2>/dev/null || echo 0)" -lt "$2" ]; do
		i=$((i + 1))
		sleep 0.02
	done
	kill -"$1" $pid
	wait $pid 2>/dev/null
}
exits 0 search --task heading --samples 1024 -o "$W/whole.hvm"
begun TERM 500
check "SIGTERM ends it with 143, not $?" test $? -eq 143
check "it says so" grep -q 'interrupted; nothing was written; the same command goes on from' "$W/err"
begun KILL 1000
check "nothing is written by halves" test -z "$(find "$W" -name 'r.hvm*')"
cp "$W/j" "$W/j.early"
exits 0 search --task heading --samples 1024 --resume "$W/j" -o "$W/r.hvm"
check "the same bytes after an interruption" cmp -s "$W/whole.hvm" "$W/r.hvm"
cp "$W/j" "$W/j.full"
exits 0 search --task heading --samples 1024 --resume "$W/j" -o "$W/r.hvm"
check "the same bytes from results alone" cmp -s "$W/whole.hvm" "$W/r.hvm"
check "nothing was done twice" cmp -s "$W/j" "$W/j.full"
head -c -7 "$W/j.full" >"$W/j"
exits 0 search --task heading --samples 1024 --resume "$W/j" -o "$W/r.hvm"
check "an entry by halves is made again" cmp -s "$W/j" "$W/j.full"
printf 'X' | dd of="$W/j" bs=1 seek=200 conv=notrunc status=none
"$T" search --task heading --samples 1024 --resume "$W/j" -o "$W/r.hvm" >"$W/out" 2>"$W/err"
check "damage is told" grep -q 'was damaged' "$W/err"
check "and does no harm" cmp -s "$W/whole.hvm" "$W/r.hvm"
exits 8 search --task speed --resume "$W/j" -o "$W/s.hvm"
check "the journal of another task is refused" grep -q 'another task' "$W/err"
exits 8 search --task heading --resume "$W/bad.hvm"
check "what is no journal stays as it is" test "$(cat "$W/bad.hvm")" = "no package"
exits 1 search --task heading --resume "$W"
rm -f "$W/r.hvm" "$W/j"
begun INT 100
check "SIGINT ends it with 130, not $?" test $? -eq 130

# a linear task is derived
exits 0 search --task dct32 --max-error 60 -o "$W/l.hvm" --json
check "derived from its matrix" grep -q '"engine":"matrix"' "$W/out"

finish
