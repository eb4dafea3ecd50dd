package password

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// longSlice is how long the scheduler may leave a worker alone, the most that it
// takes. Whoever has asked for less, and everybody has by default, gets the
// processor as soon as they wake up instead of when the slice is over (EEVDF,
// since Linux 6.12; earlier kernels take no notice). A worker gets no less of the
// processor for it, but in larger parts: where others want all of it, a single
// sign-in waits longer for its turn.
const longSlice = 100 * time.Millisecond

// makeWay lets whoever waits for this processor have it now. Without it a thread
// that has woken up may wait for the next tick of the kernel, 4 ms and more.
func makeWay() { _, _, _ = syscall.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

// stepBack lowers the priority of the current thread, and has it make way at
// once. Failing to is no harm.
func stepBack(nice int) {
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), nice)
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Nice: int32(nice), Runtime: uint64(longSlice), //nolint:gosec // both are small and positive
	}, 0)
}
