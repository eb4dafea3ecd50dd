package dataapi

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/fluxbase/fluxbase/internal/dataapi/payload"
	"github.com/fluxbase/fluxbase/internal/fault"
)

// spoolFactor is how many bodies of the largest size may lie on disk at once.
const spoolFactor = 8

// spool keeps a body while it is read, so that it can be read again: what fits
// into a batch in memory, and more in a file without a name.
type spool struct {
	from  io.Reader
	lying *atomic.Int64 // bytes of all spools on disk
	limit int64         // of lying

	begin []byte
	file  *os.File
	size  int64 // of file
	again io.Reader
}

// Read implements io.Reader.
func (s *spool) Read(p []byte) (int, error) {
	if s.again != nil {
		return s.again.Read(p) //nolint:wrapcheck // a reader's own errors
	}
	n, err := s.from.Read(p)
	if failed := s.keep(p[:n]); failed != nil {
		return 0, failed
	}
	return n, err //nolint:wrapcheck // the end of a body is io.EOF itself
}

func (s *spool) keep(p []byte) error {
	if s.file == nil && len(s.begin)+len(p) <= payload.BatchSize {
		s.begin = append(s.begin, p...)
		return nil
	}
	if s.lying.Add(int64(len(p))) > s.limit {
		s.lying.Add(-int64(len(p)))
		return fault.New(fault.Unavailable, "too_many_bodies", "Too many large bodies are being written at the moment.")
	}
	s.size += int64(len(p))
	if s.file == nil {
		if err := s.create(); err != nil {
			return err
		}
	}
	if _, err := s.file.Write(p); err != nil {
		return fmt.Errorf("keeping a body: %w", err)
	}
	return nil
}

// create makes the file, and takes its name away: what is in it ends with the
// process at the latest.
func (s *spool) create() error {
	var err error
	if s.file, err = os.CreateTemp("", "fluxbase-body-"); err != nil {
		return fmt.Errorf("keeping a body: %w", err)
	}
	if err := os.Remove(s.file.Name()); err != nil {
		return fmt.Errorf("keeping a body: %w", err)
	}
	return nil
}

// rewind makes the next Read begin with the first byte that was read.
func (s *spool) rewind() error {
	s.again = bytes.NewReader(s.begin)
	if s.file == nil {
		return nil
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("reading a body again: %w", err)
	}
	s.again = io.MultiReader(s.again, s.file)
	return nil
}

func (s *spool) close() {
	s.lying.Add(-s.size)
	if s.file != nil {
		_ = s.file.Close()
	}
}
