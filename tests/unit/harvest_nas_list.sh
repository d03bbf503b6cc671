#!/bin/bash
# The suite as a table: harvest-nas list finds packages where they lie, believes only recipes of
# the same bytes, goes on after a broken file; the README has what the packages have.
S=${top_srcdir:-..}
tool=harvest-nas
. "$(dirname "$0")/tool.sh"
unset HARVEST_MODELS

# exits CODE ARGUMENT...: the code alone, there may be warnings
exits() {
	local want=$1 code=0
	shift
	"$T" "$@" >"$W/out" 2>"$W/err" || code=$?
	[ $code -eq "$want" ] || bad "harvest-nas $*: exit code $code instead of $want: $(cat "$W/err")"
	[ $code -ne "$want" ] || ok
}
lines() { [ "$(wc -l <"$1")" -eq "$2" ]; }
has() { grep -q -- "$1" "$W/out"; }
hash_of() { od -An -v -tx1 -j8 -N32 "$1" | tr -d ' \n'; }

# where packages are: a directory, one in it, and the order of both
mkdir -p "$W/m/median9" "$W/n"
check "a package to list" "$T" search --task median9 --samples 1024 --name median9-pass \
	-o "$W/m/median9/median9-pass.hvm" >"$W/out"
p=$W/m/median9/median9-pass
exits 0 list --models "$W/m"
check "the package has a line" has '^median9 *-pass '
check "without a recipe nothing is known of the search" has '^median9 *-pass .* 618 *- goal '
check "tasks without a package are there" has '^jmeint  *- .*stays on the CPU: .*no search'
check "the sixteen tasks are summed up" has '^of 16 tasks 0 reach pass'
check "no line is longer than 120" test -z "$(awk 'length($0) > 120' "$W/out")"
cp "$W/out" "$W/by-option"
HARVEST_MODELS=$W/n:$W/m exits 0 list
check "HARVEST_MODELS is the same" cmp -s "$W/out" "$W/by-option"
HARVEST_MODELS=$W/n exits 0 list --models "$W/m"
check "--models is stronger" cmp -s "$W/out" "$W/by-option"
exits 0 list "$p.hvm"
check "one line for a package named" lines "$W/out" 2

# recipes
printf '# x\nsearch_s=12.25\np99=0.0125\nengine=comparators\nhash=%s\napplication=pass\n' \
	"$(hash_of "$p.hvm")" >"$p.recipe"
exits 0 list --models "$W/m"
check "seconds, 99 %% and the application's mark are the recipe's" \
	has '^median9 *-pass .* 0.0125 .* 12.2 pass '
exits 0 list --models "$W/m" --json
check "JSON has them too" has '"search_s":12.25'
check "JSON has both marks" has '"mark":"pass","mark_by_certificate":"goal","mark_by_application":"pass"'
check "JSON has the sum" has '"reach_pass":0'
sed -i 's/^hash=../hash=zz/' "$p.recipe"
exits 0 list --models "$W/m"
check "a recipe of other bytes is not believed" has '^median9 *-pass .* 618 *- goal '
head -c 5000 /dev/zero >"$p.recipe"
exits 0 list --models "$W/m"
check "nor one that is no text" has '^median9 *-pass .* 618 *- goal '

# refusals
printf 'task=jmeint\naim=pass\nmax_error=0.12\ncertified=0.17\nsearch_s=99\nreason=no \033network\n' \
	>"$W/m/jmeint-pass.refused"
exits 0 list --models "$W/m"
check "the best ever found is told" has '^jmeint .* 0.17 stays on the CPU: pass is not reached; best of a search of 99 s'
exits 0 list --models "$W/m" --json
check "the reason is told, printable" has '"aim":"pass".*"certified":0.17.*"reason":"no ?network"'

# broken files: one sentence each, the rest goes on
echo broken >"$W/m/a.hvm"
exits 8 list --models "$W/m"
check "one warning" lines "$W/err" 1
check "that names the file" grep -q "^harvest-nas: list: $W/m/a.hvm: " "$W/err"
check "the others are listed" has '^median9 *-pass '
echo task=nothing >"$W/m/b.refused"
exits 8 list --models "$W/m"
check "a warning more" lines "$W/err" 2
rm "$W/m/a.hvm" "$W/m/b.refused"
exits 1 list --models "$W/none"
check "a directory that is not there is told" grep -q "$W/none" "$W/err"
check "and the tasks are listed" has '^sobel '

# applications
exits 0 apply "$p.hvm"
check "every level by itself" has '^median9-pass *36dBFS '
exits 0 apply "$p.hvm" --json
check "with its mark" has '"figure":"12dBFS".*"mark":"goal"'
exits 2 apply
exits 2 search --task median9 --application best
exits 4 search --task speed --samples 1024 --budget-s 1 --max-error 0.2 --application goal
check "the application is asked for" grep -q 'with an application at goal' "$W/err"
exits 0 tasks
check "tasks have their marks" has '^blackscholes *mean_rel *0.012 *0.0035 '

# the tree's own, and the README
exits 0 list --models "$B/models/approx:$S/models/approx"
check "derived packages are there" has '^fft256 *-l4 '
check "searched packages are there" has '^sobel *-goal .* [0-9.][0-9.]* goal '
"$B/bench/suite" --markdown "$B/models/approx:$S/models/approx" >"$W/tables" || bad "suite --markdown"
# the seconds of a search are those of a machine
columns() { sed 's/| [0-9]* s |/|  s |/'; }
sed '1,/scripts\/bench nas --markdown -->/d; /<!-- end -->/,$d' "$S/README.md" | columns >"$W/readme"
columns <"$W/tables" >"$W/now"
if cmp -s "$W/readme" "$W/now"; then
	ok
else
	bad "README.md's tables are not those of the packages: run scripts/models readme"
	diff "$W/readme" "$W/now" | head -20
fi

finish
