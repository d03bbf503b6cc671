#!/bin/bash
# From the source of a function to served jobs in two commands, against a daemon that has never
# heard of the task: searched, installed, answered by a board within the certificate and by the
# CPU exactly; after a restart too, and until its package is removed. Then, hostile code.
. "$(dirname "$0")/lib.sh"
cd "$W"
cc=${CC:-cc}
if ! command -v ${cc%% *} >/dev/null; then
	echo "skipped: there is no C compiler"
	exit 77
fi
export HARVEST_PLUGIN_HOST=$B/harvest-plugin
mkdir tmp
export TMPDIR=$W/tmp
cp "$S/tasks/template/thermistor.c" .
so() { # NAME: NAME.c to NAME.so, without this tree's flags
	$cc -O1 -shared -fPIC -I"$S/tests/lib/include" -I"$S" -o "$1.so" "$1.c" -lm
}
restart() {
	kill "$(cat harvestd.pid)"
	wait "$(cat harvestd.pid)"
	world_start --workers 2 "$@"
}
run=(ctl submit all.csv --task thermistor)
repack() { "$B/tests/lib/repack" "$@"; }

world_start --workers 2
board_start plug --time fast --link-bps 50000000
wait_for 30 board_is ready
seq 200 3799 >all.csv
expect 2 'unknown task' "${run[@]}" --route cpu -o none.csv

# The two commands.
expect 0 'package +t.hvm' "$B/harvest-nas" search --task thermistor.c --budget-s 60 -o t.hvm
expect 0 'verified +ok' ctl models install t.hvm
model=$(ctl models list --json | tr '{' '\n' | sed -nE 's/.*"model":"(thermistor-[^"]*)".*/\1/p')
cert=$(ctl models list --json | tr '{' '\n' | grep '"task":"thermistor"' | json_number certified)
expect 0 '^thermistor ' ctl tasks
expect 0 'plug-in +[0-9]+ bytes of machine code for' "$B/harvest-model" dump t.hvm
check "the compiler's directory is gone" test -z "$(ls -A tmp)"

# Every reading of the domain once, and what awk thinks of the answers.
same_within() { # CERTIFICATE
	paste -d, exact.csv board.csv | awk -F, -v c="$1" '
		{ d = $1 - $2; s += d * d; if (NR == 1 || $1 < lo) lo = $1; if (NR == 1 || $1 > hi) hi = $1 }
		END { e = sqrt(s / NR) / (hi - lo); print e; exit !(NR == 3600 && e > 0 && e <= c) }'
}
expect 0 '3600 on the CPU; certified exact' "${run[@]}" --route cpu -o exact.csv
check "a reading of 2048 is 25 degrees" test "$(sed -n 1849p exact.csv)" = 2500
expect 0 '3600 on virt0 \(thermistor-' "${run[@]}" --route board -o board.csv --max-error "$cert"
check "the board is within the certificate of $cert" same_within "$cert"
echo 40 >outside.csv
expect 4 'outside the domain' ctl submit outside.csv --task thermistor --route board
expect 0 '1 on the CPU' ctl submit outside.csv --task thermistor

# The same network with a certificate that is ten times too good: the daemon asks the plug-in
# itself, and lets the board answer no more.
"$B/tests/lib/forge" t.hvm forged.hvm 10
expect 0 'verified +ok' ctl models install forged.hvm
for ((i = 0; i < 300; i++)); do
	"$B/harvestctl" submit all.csv --task thermistor --policy offload -o board.csv --json >r.json 2>r.err ||
		bad "a job was lost: $(cat r.err)"
	ctl status --json | grep -q '"suspended":\["thermistor' && break
done
expect 0 'suspended +nrmse_range .* measured over [0-9]+ audited records, certified' \
	ctl models show "$model"
expect 0 '3600 on the CPU; certified exact' "${run[@]}" --policy offload
expect 0 'verified +ok' ctl models install t.hvm

# The package is there again after a restart, and its task with it, unless somebody is against.
restart
expect 0 "$model" ctl models list
expect 0 '3600 on the CPU' "${run[@]}" --route cpu -o again.csv
check "and answers as before" cmp exact.csv again.csv
restart --no-package-code
expect 2 'unknown task' "${run[@]}" --route cpu -o again.csv
expect 3 'takes none' ctl models install t.hvm
check "the log says why" grep -q 'is skipped: it brings the function' harvestd.err
chmod o+w "state/$model.hvm"
restart
expect 2 'unknown task' "${run[@]}" --route cpu -o again.csv
check "code that others could change is not run" grep -q 'can be changed by others' harvestd.err
chmod o-w "state/$model.hvm"
restart

# Another function of the task: not beside a package that was certified against the old one, but
# in its place. Jobs that have the old one end with it.
sed -E 's/^\tout\[0\] = .*/&\n\tnanosleep(\&(struct timespec){ 0, 1000000 }, NULL);/; 1i #define _GNU_SOURCE\n#include <time.h>' \
	thermistor.c >slow.c
so slow && repack t.hvm slow.hvm plugin=slow.so && repack slow.hvm second.hvm name=second
expect 3 "another function of the task thermistor than the package $model" ctl models install second.hvm
expect 0 'verified +ok' ctl models install slow.hvm
"$B/harvestctl" submit all.csv --task thermistor --route cpu -o slow.csv >slow.out 2>&1 &
slow=$!
is_running() { ctl status --json | grep -q '"running":1'; }
wait_for 20 is_running
expect 0 "removed $model" ctl models remove "$model"
expect 2 'unknown task' "${run[@]}" --route cpu -o again.csv
check "the job goes on without its package" kill -0 $slow
wait $slow
check "and ends well: $(head -n 1 slow.out)" grep -q '3600 on the CPU' slow.out
check "with the right answers" cmp exact.csv slow.csv
no_workers() { ! pgrep -P "$(cat harvestd.pid)" >/dev/null; }
wait_for 10 no_workers
expect 0 'verified +ok' ctl models install t.hvm
expect 0 '3600 on the CPU' "${run[@]}" --route cpu -o again.csv
check "the function is back" cmp exact.csv again.csv
expect 0 'removed' ctl models remove "$model"

# Code that was not meant well. Every one is refused by search and by install with a sentence.
evil() { # NAME CODE-OF-SEARCH CODE-OF-INSTALL REGEX SED-EXPRESSION
	sed -E "$5" thermistor.c >"$1.c"
	so "$1" && repack t.hvm "$1.hvm" "plugin=$1.so" name="$1" || bad "$1 is not made"
	expect "$2" "$4" "$B/harvest-nas" search --task "$1.c" --budget-s 1
	expect "$3" "$4" ctl models install "$1.hvm"
	expect 2 'unknown task' "${run[@]}"
}
cp "$S/README.md" text.so
head -c 5000 slow.so >cut.so
cp slow.so machine.so
printf '\xb7' | dd of=machine.so bs=1 seek=18 conv=notrunc 2>/dev/null
[ "$(uname -m)" != aarch64 ] || printf '\x3e' | dd of=machine.so bs=1 seek=18 conv=notrunc 2>/dev/null
for kind in text cut machine; do repack t.hvm $kind.hvm plugin=$kind.so; done
expect 8 'no shared object' "$B/harvest-nas" search --task text.so
expect 8 'no shared object' ctl models install text.hvm
expect 8 'cut short' "$B/harvest-nas" search --task cut.so
expect 8 'cut short' ctl models install cut.hvm
expect 7 'compiled for .*this machine is' "$B/harvest-nas" search --task machine.so
expect 7 'compiled for .*this machine is' ctl models install machine.hvm
evil builtin 8 8 'built-in one of that name|its task is named fft64' 's/\.name = "thermistor"/.name = "fft64"/'
repack t.hvm fft.hvm task=fft64
expect 8 'fft64, which is built in' ctl models install fft.hvm
evil constructor 1 1 'crashed with SIG|ended with code' \
	's/^static const struct harvest_task task = \{/__attribute__((constructor)) static void die(void)\n{\n\t*(volatile int *)8 = 0;\n}\n\n&/'
evil crash 1 1 '(crashed with SIG[A-Z]+|ended with code [0-9]+) while it answered record 0' \
	's/^\tint16_t reading;$/&\n\n\t*(volatile int *)8 = 0;/'
evil liar 8 1 'two answers to record' 's/^\tout\[0\] = .*/\tstatic int n;\n\tout[0] = n++;/'
sed 's/^\tint16_t reading;$/&\n\n\tfor (volatile int i = 0; i < 1;)\n\t\t;/' thermistor.c >hang.c
so hang && repack t.hvm hang.hvm plugin=hang.so name=hang
expect 6 'more than 2000 ms passed while it answered record 0' ctl models install hang.hvm
check "others are served meanwhile" ctl status

# Prints and forks, but answers: what it prints is not in the result, and nothing is forked.
sed -E 's/^#include <math.h>/#include <stdio.h>\n#include <unistd.h>\n&/; s/^\tout\[0\] = .*/&\n\tif (fork() == 0)\n\t\t_exit(0);\n\tputs("noise");\n\tfflush(stdout);/' \
	thermistor.c >loud.c
so loud && repack t.hvm loud.hvm plugin=loud.so
expect 0 'verified +ok' ctl models install loud.hvm
expect 0 '3600 on the CPU' "${run[@]}" --route cpu -o loud.csv
check "its noise is not in the answers" cmp exact.csv loud.csv
check "but in the log" grep -q noise harvestd.err

# Sources that do not compile, and a world without a compiler.
echo 'int x = ;' >bad.c
expect 8 'bad.c does not compile' "$B/harvest-nas" search --task bad.c
expect 1 "'no-such-cc' cannot be started" env CC=no-such-cc "$B/harvest-nas" search --task bad.c
expect 8 'exports no function' sh -c "echo 'int x;' >empty.c && '$B/harvest-nas' search --task empty.c"
expect 8 'cannot be read' "$B/harvest-nas" search --task missing.c
expect 2 'not built in' "$B/harvest-nas" certify t.hvm
expect 0 'holds' "$B/harvest-nas" certify t.hvm --task thermistor.c
check "the compiler's directories are gone" test -z "$(ls -A tmp)"
finish
