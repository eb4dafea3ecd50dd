package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// CPU is processor time, in microseconds a request. It says where the time goes
// when more than this runs on the machine, and throughput says little.
type CPU struct {
	Server     float64 `json:"server"`
	PostgreSQL float64 `json:"postgresql"`
	Generator  float64 `json:"generator"`
}

// process is what /proc/PID/stat says of a process that matters here.
type process struct {
	parent int
	used   time.Duration
}

// tick is the unit of processor time in /proc, which Linux fixes for programs.
const tick = time.Second / 100

// usage is processor time: of the server, of the processes that it has started,
// of this one, and of the whole machine.
type usage struct{ server, postgres, generator, machine time.Duration }

// spent returns the processor time so far. It is zero where there is no /proc.
func (b *rig) spent() usage {
	var sum usage
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return sum
	}
	all := map[int]process{}
	for _, path := range paths {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		if text, err := os.ReadFile(path); err == nil { //nolint:gosec // files of /proc
			all[pid] = parseStat(string(text))
		}
	}
	server := b.server.cmd.Process.Pid
	for pid, p := range all {
		switch {
		case pid == server:
			sum.server += p.used
		case p.parent == server, all[p.parent].parent == server && p.parent != 0:
			sum.postgres += p.used // the postmaster and its processes
		}
	}
	sum.generator = ownTime()
	if text, err := os.ReadFile("/proc/stat"); err == nil {
		sum.machine = parseMachine(string(text))
	}
	return sum
}

// ownTime is the processor time of this process so far.
func ownTime() time.Duration {
	var self syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &self) != nil {
		return 0
	}
	return time.Duration(self.Utime.Nano() + self.Stime.Nano())
}

// since returns what was spent after an earlier look.
func (u usage) since(before usage) usage {
	return usage{
		u.server - before.server, u.postgres - before.postgres, u.generator - before.generator, u.machine - before.machine,
	}
}

// add returns the sum of two.
func (u usage) add(other usage) usage {
	return usage{
		u.server + other.server, u.postgres + other.postgres, u.generator + other.generator, u.machine + other.machine,
	}
}

// elsewhere returns how many processors were busy with something else for some
// time, a neighbour of this virtual machine included.
func (u usage) elsewhere(elapsed time.Duration) float64 {
	if elapsed <= 0 {
		return 0
	}
	return max(0, (u.machine-u.server-u.postgres-u.generator).Seconds()/elapsed.Seconds())
}

// parseMachine reads the first line of /proc/stat: "cpu user nice system idle
// iowait irq softirq steal ...".
func parseMachine(text string) time.Duration {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0
	}
	var busy time.Duration
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0
		}
		busy += time.Duration(n) * tick
	}
	return busy
}

// parseStat reads "PID (name) state parent ... utime stime ...", where the name
// may hold anything.
func parseStat(text string) process {
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return process{}
	}
	parent, err1 := strconv.Atoi(fields[1])
	user, err2 := strconv.ParseInt(fields[11], 10, 64)
	system, err3 := strconv.ParseInt(fields[12], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return process{}
	}
	return process{parent, time.Duration(user+system) * tick}
}

// perRequest spreads processor time over requests.
func perRequest(u usage, requests uint64) CPU {
	n := float64(max(requests, 1))
	return CPU{Server: micros(u.server) / n, PostgreSQL: micros(u.postgres) / n, Generator: micros(u.generator) / n}
}
