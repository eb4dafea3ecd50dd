package memory_test

import (
	"context"
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/ratelimit"
	"github.com/fluxbase/fluxbase/internal/ratelimit/memory"
)

func spend(s *memory.Store, key uint64) bool {
	c := ratelimit.Charge{Bucket: ratelimit.Anonymous, Rate: ratelimit.Rate{Limit: 20, Window: time.Hour}}
	binary.BigEndian.PutUint64(c.Key[:], key)
	ok, _, _ := s.Spend(context.Background(), []ratelimit.Charge{c})
	return ok
}

// TestFloodOfAddresses comes from a million networks: the memory that is taken
// does not grow with them, and who was refused before still is.
func TestFloodOfAddresses(t *testing.T) {
	t.Parallel()
	const most = 1 << 12
	s := memory.New(most, time.Now)
	for spend(s, 0) {
	}
	for key := uint64(1); key <= 1000; key++ {
		spend(s, key)
	}
	if s.Len() != 1001 {
		t.Fatalf("control: %d keys", s.Len())
	}
	for key := uint64(1001); key <= 1000000; key++ {
		spend(s, key)
		if key%1000 == 0 && spend(s, 0) {
			t.Fatalf("after %d addresses, the one that was refused is let in", key)
		}
	}
	if s.Len() > most {
		t.Errorf("%d keys of at most %d", s.Len(), most)
	}
	if !spend(s, 1<<40) {
		t.Error("a newcomer is refused")
	}
}

// TestBytes holds the documented size of a full store against what it takes.
func TestBytes(t *testing.T) { //nolint:paralleltest // it measures the memory of the process
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := memory.New(memory.Keys, time.Now)
	for key := range uint64(2 * memory.Keys) {
		spend(s, key)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if s.Len() < memory.Keys*9/10 {
		t.Fatalf("control: %d keys", s.Len())
	}
	t.Logf("%d keys in %d KiB", s.Len(), (after.HeapAlloc-before.HeapAlloc)>>10)
	if grown := after.HeapAlloc - before.HeapAlloc; after.HeapAlloc > before.HeapAlloc && grown > 16<<20 {
		t.Errorf("%d keys take %d KiB", s.Len(), grown>>10)
	}
	runtime.KeepAlive(s)
}
