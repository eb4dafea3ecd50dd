package authn

import (
	"crypto/sha256"
	"sync"
)

// generation is how many credentials one generation of the cache holds.
const generation = 8192

// cache remembers verified credentials by their SHA-256, in two generations:
// when the younger is full it becomes the older, and the older is forgotten.
// It holds at most two generations, some 10 MB, whatever is thrown at it.
type cache[V any] struct {
	mu           sync.RWMutex
	young, older map[[sha256.Size]byte]V
}

func (c *cache[V]) get(digest [sha256.Size]byte) (V, bool) {
	c.mu.RLock()
	v, ok := c.young[digest]
	if ok {
		c.mu.RUnlock()
		return v, true
	}
	v, ok = c.older[digest]
	c.mu.RUnlock()
	if ok {
		c.put(digest, v)
	}
	return v, ok
}

func (c *cache[V]) put(digest [sha256.Size]byte, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= generation || c.young == nil {
		c.older, c.young = c.young, make(map[[sha256.Size]byte]V, 64)
	}
	c.young[digest] = v
}
