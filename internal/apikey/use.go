package apikey

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
)

// flushInterval is how late a last use may be written.
const flushInterval = 30 * time.Second

// uses are the last uses of keys that have yet to be written, so that a request
// costs no statement. Only keys that hold get here, so nobody can fill it.
type uses struct {
	mu sync.Mutex
	at map[id.Key]time.Time
}

// Used notes that a key has just been used.
func (k *Keeper) Used(keyID id.Key) {
	now := k.Now()
	k.uses.mu.Lock()
	defer k.uses.mu.Unlock()
	if k.uses.at == nil {
		k.uses.at = map[id.Key]time.Time{}
	}
	k.uses.at[keyID] = now
}

// Flush writes when keys were last used, all in one statement. What cannot be
// written now is written with the next ones.
func (k *Keeper) Flush(ctx context.Context) error {
	k.uses.mu.Lock()
	at := k.uses.at
	k.uses.at = nil
	k.uses.mu.Unlock()
	if len(at) == 0 {
		return nil
	}
	ids, instants := make([]id.Key, 0, len(at)), make([]time.Time, 0, len(at))
	for keyID, used := range at {
		ids, instants = append(ids, keyID), append(instants, used)
	}
	err := updateUses(ctx, k.DB.Single(), ids, instants)
	if err == nil {
		return nil
	}
	k.uses.mu.Lock()
	defer k.uses.mu.Unlock()
	for keyID, used := range k.uses.at {
		at[keyID] = used
	}
	k.uses.at = at
	return err
}

// Run writes last uses until ctx is done, and then what is left.
func (k *Keeper) Run(ctx context.Context, logger *slog.Logger) {
	ticker := time.NewTicker(flushInterval)
	defer ticker.Stop()
	for over := false; !over; {
		select {
		case <-ctx.Done():
			over = true
		case <-ticker.C:
		}
		flushing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		if err := k.Flush(flushing); err != nil {
			logger.WarnContext(ctx, "last uses of keys could not be written", slog.Any("error", err))
		}
		cancel()
	}
}
