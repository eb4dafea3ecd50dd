package rotation

import (
	"context"
	"sync"
)

// maxHeld is how many bytes of values a run holds that it has read and not yet
// moved, beside those of one read, however large and many its batches are.
const maxHeld = 4 * maxRead

// budget counts those bytes. One goroutine takes, any number give back.
type budget struct {
	mu    sync.Mutex
	used  int
	freed chan struct{} // has room for one: something has been given back
}

// take waits until there is room for n bytes, or nothing else is held.
func (b *budget) take(ctx context.Context, n int) error {
	for !b.fits(n) {
		select {
		case <-b.freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (b *budget) fits(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	fits := b.used == 0 || b.used+n <= maxHeld
	if fits {
		b.used += n
	}
	return fits
}

func (b *budget) give(n int) {
	b.mu.Lock()
	b.used -= n
	b.mu.Unlock()
	select {
	case b.freed <- struct{}{}:
	default:
	}
}
