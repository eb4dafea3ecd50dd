package pgtest

import (
	"bytes"
	"sync"

	"github.com/fluxbase/fluxbase/internal/leaktest"
)

// Log is what a logger has written, to be read meanwhile. The zero value is
// empty, and it is safe for concurrent use.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	leaktest.Log(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns what has been written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
