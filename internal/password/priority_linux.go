package password

import "syscall"

// stepBack lowers the priority of the current thread. Failing to is no harm.
func stepBack(nice int) {
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), nice)
}
