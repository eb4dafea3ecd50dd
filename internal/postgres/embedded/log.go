package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

const (
	logLimit = 16 << 20         // bytes; a longer log is emptied
	logCheck = 30 * time.Second // how often its length is looked at
)

// openLog starts a new log file; the last one is kept beside it as "log.old".
func (s *site) openLog() (*os.File, error) {
	if err := os.Rename(s.path("log"), s.path("log.old")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("put the last log aside: %w", err)
	}
	f, err := os.OpenFile(s.path("log"), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start a log: %w", err)
	}
	return f, nil
}

// boundLog keeps the log within its limit while the server runs.
func boundLog(f *os.File, exited <-chan struct{}) {
	tick := time.NewTicker(logCheck)
	defer tick.Stop()
	for {
		select {
		case <-exited:
			return
		case <-tick.C:
		}
		if info, err := f.Stat(); err == nil && info.Size() > logLimit {
			_ = f.Truncate(0)
		}
	}
}

// logTail is the reason for an end, in the server's own words.
func (s *site) logTail() string {
	f, err := os.Open(s.path("log"))
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	const enough = 4096
	if info, err := f.Stat(); err == nil && info.Size() > enough {
		_, _ = f.Seek(-enough, io.SeekEnd)
	}
	text, err := io.ReadAll(io.LimitReader(f, enough))
	if err != nil {
		return ""
	}
	return lastLines(text)
}

// lastLines makes one line of the last five.
func lastLines(text []byte) string {
	lines := strings.Split(string(bytes.TrimSpace(text)), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines[max(0, len(lines)-5):], "; ")
}
