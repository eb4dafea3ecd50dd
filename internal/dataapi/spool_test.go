package dataapi

import (
	"bytes"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/fluxbase/fluxbase/internal/dataapi/payload"
	"github.com/fluxbase/fluxbase/internal/fault"
)

// TestSpool reads bodies twice: small ones from memory, large ones from a file
// that has no name.
func TestSpool(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var lying atomic.Int64
	for _, size := range []int{0, 1, payload.BatchSize, payload.BatchSize + 1, 3*payload.BatchSize + 7} {
		body := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		s := &spool{from: iotest.HalfReader(bytes.NewReader(body)), lying: &lying, limit: 4 * payload.BatchSize}
		if first, err := io.ReadAll(s); err != nil || !bytes.Equal(first, body) {
			t.Fatalf("%d bytes: %d at first, %v", size, len(first), err)
		}
		if large := size > payload.BatchSize; (s.file != nil) != large || len(s.begin) > payload.BatchSize || (lying.Load() > 0) != large {
			t.Errorf("%d bytes: %d in memory, a file: %t, %d on disk", size, len(s.begin), s.file != nil, lying.Load())
		}
		if names, err := os.ReadDir(os.TempDir()); err != nil || len(names) > 0 {
			t.Errorf("%d bytes: %v, %v", size, names, err)
		}
		if err := s.rewind(); err != nil {
			t.Fatal(err)
		}
		if again, err := io.ReadAll(s); err != nil || !bytes.Equal(again, body) {
			t.Errorf("%d bytes: %d again, %v", size, len(again), err)
		}
		if s.close(); lying.Load() != 0 {
			t.Errorf("%d bytes: %d bytes lie on disk for ever", size, lying.Load())
		}
	}
}

// TestSpoolsTogether may not fill the disk.
func TestSpoolsTogether(t *testing.T) {
	t.Parallel()
	var lying atomic.Int64
	open := func(size int) (*spool, error) {
		s := &spool{from: strings.NewReader(strings.Repeat("x", size)), lying: &lying, limit: 4 * payload.BatchSize}
		_, err := io.Copy(io.Discard, s)
		return s, err
	}
	one, err := open(4 * payload.BatchSize)
	if err != nil {
		t.Fatal(err)
	}
	two, err := open(3 * payload.BatchSize)
	if fault.KindOf(err) != fault.Unavailable || fault.From(err).Code != "too_many_bodies" {
		t.Errorf("%v", err)
	}
	two.close()
	one.close()
	if three, err := open(4 * payload.BatchSize); err != nil {
		t.Errorf("afterwards: %v", err)
	} else {
		three.close()
	}
	if lying.Load() != 0 {
		t.Errorf("%d bytes lie on disk for ever", lying.Load())
	}
}
