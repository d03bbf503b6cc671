#!/bin/bash
# The MAX78000 image, byte for byte what a board would get, on QEMU's model of the Feather board,
# which somebody else wrote: clocks, cache, serial line, interrupts and SysTick are its, the
# accelerator and the timers are missing. The image must say so and stay attached.
# HARVEST_QEMU_FTHR: the command of a QEMU that has this board (10.1 or newer), when it is not
# the qemu-system-arm of PATH.
image=${top_builddir:-.}/firmware/agent-max78000.bin
qemu=${HARVEST_QEMU_FTHR:-qemu-system-arm}
if [ ! -e "$image" ]; then
	echo "skipped: no image: it needs gcc-arm-none-eabi, and 'make firmware' before"
	exit 77
fi
if ! $qemu -M help 2>/dev/null | grep -q '^max78000fthr '; then
	echo "skipped: no QEMU with the board max78000fthr here (10.1 or newer; HARVEST_QEMU_FTHR names one)"
	exit 77
fi
. "$(dirname "$0")/../e2e/lib.sh"
image=$B/firmware/agent-max78000.bin

world_start
# given twice: at 0 it stands in for the ROM, which reads the first two words
$qemu -M max78000fthr -display none -monitor none -kernel "$image" \
	-device "loader,file=$image,addr=0x10000000" \
	-chardev "socket,id=u0,path=$W/boards.sock,server=off" -serial chardev:u0 \
	>"$W/fthr.out" 2>"$W/fthr.err" &
echo $! >"$W/fthr.pid"
disown

shows() { ctl boards show virt0 | grep -qE -- "$1"; }
wait_for 30 shows 'serial +max78000'
check "the image says that it has no accelerator" shows 'primary +none'
frames() { ctl boards show virt0 | sed -nE 's/.* ([0-9]+) frames bad.*/\1/p'; }
check "nothing was lost on the line" test "$(frames)" = 0
board_stop fthr
finish
