#!/bin/bash
# A package whose answers are worse than its certificate is found out by the audit: the daemon says
# what it measured, its jobs go elsewhere, no record is lost, and an operator can lift it.
. "$(dirname "$0")/lib.sh"
C=$B/harvestctl
R=$B/tests/lib/records
M=$S/models/approx
cd "$W"
world_start
board_start audited --time fast --link-bps 50000000
wait_for 30 board_is ready
"$R" sample heading 512 4711 heading.raw
head -c $((64 * 512)) /dev/urandom >noise.raw

suspended() { ctl status --json | grep -q "\"suspended\":\\[[^]]*\"$1\""; }

# jobs TASK DTYPE FILE MODEL BYTES-OUT: 512 records each, until the model is suspended
jobs() {
	local n
	for ((n = 1; n <= 200; n++)); do
		ctl submit "$3" --task "$1" --dtype "$2" --policy offload -o out.bin --json \
			>r.json 2>r.err || bad "a job was lost: $(cat r.err)"
		grep -q '"ok":true' r.json || bad "a job is not done: $(cat r.json)"
		[ "$(wc -c <out.bin)" = "$5" ] || bad "records are missing"
		suspended "$4" && break
	done
	echo "$4 was suspended in job $n: $(ctl models show "$4" | grep suspended)"
}

# A certificate that is ten times too good.
"$B/tests/lib/forge" "$M/heading/heading-pass.hvm" forged.hvm 10
expect 0 'heading-pass' ctl models install forged.hvm
expect 0 'on virt0 \(heading-pass\)' ctl submit heading.raw --task heading --dtype int16 --policy offload
jobs heading int16 heading.raw heading-pass 1024
expect 0 'suspended +nrmse_range 0\.00[0-9]* measured over [0-9]+ audited records, certified 0\.000[0-9]+' \
	ctl models show heading-pass
expect 0 '"suspended":true,"why":"nrmse_range' ctl models show heading-pass --json
expect 0 'heading-pass .*suspended' ctl models list
expect 0 'suspended by the audit: heading-pass' ctl status
check "the log says so" grep -q 'MODEL_SUSPENDED.*heading-pass is suspended: nrmse_range' harvestd.err
job=$(ctl submit heading.raw --task heading --dtype int16 --policy offload -o out.bin --json |
	sed -E 's/.*"job":"([^"]*)".*/\1/')
check "all of it is exact now" "$R" within heading heading.raw out.bin 1e-4
expect 0 'heading-pass.*the model is suspended: nrmse_range .* measured over' ctl explain "$job"
expect 4 'suspended' ctl submit heading.raw --task heading --dtype int16 --route board

# An operator lifts it; the audit finds out again.
expect 0 'verified +ok' ctl models verify heading-pass
check "it is lifted" sh -c "! '$C' status --json | grep -q '\"suspended\":\\[\"'"
expect 0 'on virt0 \(heading-pass\)' ctl submit heading.raw --task heading --dtype int16 --policy offload
jobs heading int16 heading.raw heading-pass 1024

# The certificate is right, and the records are of a kind that its sampler does not draw.
expect 0 'jpeg50-pass' ctl models install "$M/jpeg50/jpeg50-pass.hvm"
jobs jpeg50 uint8 noise.raw jpeg50-pass 32768
expect 0 'jpeg50-pass.*suspended' ctl models list
ctl submit noise.raw --task jpeg50 --dtype uint8 --policy offload -o out.bin >r.out 2>&1
# exact, but for the rounding to whole grey levels
check "and the CPU answers: $(cat r.out)" "$R" within jpeg50 noise.raw out.bin 0.002
finish
