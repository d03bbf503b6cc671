#!/bin/bash
# The public side of libharvest: its header compiles alone as C and as C++, and the shared
# library exports what the header declares, no more and no less.
set -u
B=$(cd "${top_builddir:-.}" && pwd)
S=$(cd "${top_srcdir:-.}" && pwd)
header=$S/client/include/harvest/harvest.h
lib=$B/.libs/libharvest.so.0
passed=0 failed=0 skipped=0
W=$(mktemp -d "${TMPDIR:-/tmp}/harvest-abi.XXXXXX")
trap 'rm -rf "$W"' EXIT

check() {
	local text=$1
	shift
	if "$@" >"$W/out" 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $text"
		tail -n 20 "$W/out"
	fi
}

strict="-Wall -Wextra -Werror -pedantic -I$S/client/include"
printf '#include <harvest/harvest.h>\nint main(void) { harvest_options o; harvest_options_init(&o); return 0; }\n' >"$W/use.c"
cp "$W/use.c" "$W/use.cc"
for std in c99 c11; do
	check "header as $std" ${CC:-cc} -std=$std $strict -fsyntax-only "$W/use.c"
done
if command -v "${CXX:-c++}" >/dev/null 2>&1; then
	for std in c++11 c++17; do
		check "header as $std" "${CXX:-c++}" -std=$std $strict -fsyntax-only "$W/use.cc"
	done
else
	skipped=$((skipped + 2))
	echo "skipped: header as C++ (no C++ compiler)"
fi

grep -oE '\bharvest_[a-z_]+\(' "$header" | tr -d '(' | sort -u >"$W/named"
# Functions the comments mention are declared as well, so the two lists are the same.
grep -oE '^HARVEST_API .*\bharvest_[a-z_]+\(' "$header" | grep -oE 'harvest_[a-z_]+\(' |
	tr -d '(' | sort -u >"$W/declared"
nm -D --defined-only "$lib" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' | sort >"$W/exported"
check "at least 15 functions are declared" test "$(wc -l <"$W/declared")" -ge 15
check "comments name only functions that exist" test -z "$(comm -23 "$W/named" "$W/declared")"
check "exported are the declared functions" diff "$W/declared" "$W/exported"
check "no other symbol is exported" test -z \
	"$(nm -D --defined-only "$lib" | awk '$3 !~ /^harvest_.*@@HARVEST_0$/ && $3 != "HARVEST_0"')"
check "soname is libharvest.so.0" sh -c "readelf -d '$lib' | grep -q 'SONAME.*libharvest\.so\.0\]'"
check "pkg-config file names this version" grep -q "^Version: [0-9]" "$B/client/libharvest.pc"

if [ $skipped -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ $failed -eq 0 ]
