#!/bin/bash
# harvest-nas as scripts see it: exit codes, sentences, JSON, files, and the same bytes from
# every search.
B=${top_builddir:-.}
N=$B/harvest-nas
W=$(mktemp -d) || exit 1
trap 'rm -rf "$W"' EXIT
passed=0 failed=0

ok() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "FAIL: $*"; }
# check TEXT COMMAND...
check() { local text=$1; shift; if "$@"; then ok; else bad "$text"; fi; }

# exits CODE ARGUMENT...: the code, and on failure one sentence on stderr
exits() {
	local want=$1 code=0
	shift
	"$N" "$@" >"$W/out" 2>"$W/err" || code=$?
	if [ $code -ne "$want" ]; then
		bad "harvest-nas $*: exit code $code instead of $want: $(cat "$W/err")"
	elif [ "$want" -eq 0 ]; then
		if [ -s "$W/err" ]; then bad "harvest-nas $*: says $(cat "$W/err")"; else ok; fi
	elif [ "$(wc -l <"$W/err")" -ne 1 ] || ! grep -q '^harvest-nas: ' "$W/err"; then
		bad "harvest-nas $*: not one sentence: $(cat "$W/err")"
	else
		ok
	fi
}

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

# a linear task is derived
exits 0 search --task dct32 --max-error 60 -o "$W/l.hvm" --json
check "derived from its matrix" grep -q '"engine":"matrix"' "$W/out"

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
