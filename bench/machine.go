package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Machine is where results come from.
type Machine struct {
	CPU        string    `json:"cpu"`
	CPUs       int       `json:"cpus"`
	OS         string    `json:"os"` // and architecture
	Go         string    `json:"go"` // that bench was built with
	PostgreSQL string    `json:"postgresql"`
	Settings   string    `json:"postgresql_settings"` // that -postgres has changed from those of "fluxbase dev"
	Transport  string    `json:"transport"`           // between the floors, and the server, and PostgreSQL
	Load       string    `json:"load_average"`
	At         time.Time `json:"at"`
}

func describeMachine(ctx context.Context, b *rig) Machine {
	m := Machine{
		CPU: field("/proc/cpuinfo", "model name"), CPUs: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH,
		Go: runtime.Version(), Settings: b.options.postgres, Transport: "TCP on the loopback", At: now().UTC().Truncate(time.Second),
	}
	if filepath.IsAbs(b.owner.Host) {
		m.Transport = "unix socket"
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.TrimSpace(string(text))
	}
	var version string
	if err := b.conn.QueryRow(ctx, "show server_version").Scan(&version); err == nil {
		m.PostgreSQL = "PostgreSQL " + version
	}
	return m
}

// field returns the first "name : value" of a file.
func field(path, name string) string {
	text, err := os.ReadFile(path) //nolint:gosec // files of /proc
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(text)) {
		if before, after, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(before) == name {
			return strings.TrimSpace(after)
		}
	}
	return "unknown processor"
}
