package catalog

import (
	"errors"
	"testing"
	"time"
)

// TestStale is a catalog that nothing is heard of any more.
func TestStale(t *testing.T) {
	t.Parallel()
	at := time.Now()
	s := &Service{Now: func() time.Time { return at }}
	s.looked.Store(at.UnixNano())
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	at = at.Add(staleAfter + time.Second)
	if err := s.Ready(t.Context()); !errors.Is(err, ErrStale) {
		t.Errorf("%v", err)
	}
}
