package password

import "golang.org/x/sys/unix"

// slice is how long a hashing thread keeps a processor once it has it, in
// nanoseconds: somebody who wakes up waits no longer than that. Linux honours
// it from 6.12 on.
const slice = 100_000

// stepBack lowers the priority of the current thread, which nobody needs a
// right for. Failing to is no harm.
func stepBack(nice int) {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Nice: int32(nice), Runtime: slice} //nolint:gosec // a nice value
	if unix.SchedSetAttr(0, &attr, 0) != nil {
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), nice)
	}
}
