package sealed

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/keyring"
)

// TestMoveComparesTheWholeHead: with less of it, two envelopes could be taken
// for one; with more, none would ever be moved.
func TestMoveComparesTheWholeHead(t *testing.T) {
	t.Parallel()
	if want := fmt.Sprintf("substr(v.envelope, 1, %d) = u.head", keyring.HeadSize); !strings.Contains(moveSQL, want) {
		t.Errorf("moveSQL does not say %q", want)
	}
	ring, err := keyring.New(1, map[uint32][]byte{1: make([]byte, keyring.KeySize)})
	if err != nil {
		t.Fatal(err)
	}
	heads := map[string]bool{}
	for range 1000 {
		heads[string(ring.Seal(keyring.Binding{}, nil)[:keyring.HeadSize])] = true
	}
	if len(heads) != 1000 {
		t.Errorf("%d heads of 1000 envelopes", len(heads))
	}
}
