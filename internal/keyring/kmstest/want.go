package kmstest

import (
	"errors"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/keyring"
)

// DataKey returns what tests of a provider wrap.
func DataKey() []byte { return []byte("0123456789abcdef0123456789abcdef") }

// Binding returns what they bind it to.
func Binding() map[string]string { return map[string]string{"purpose": "data_key", "version": "1"} }

// WantWraps wants that a wrapper wraps the data key and opens it again.
func WantWraps(t *testing.T, w keyring.Wrapper) keyring.Wrapped {
	t.Helper()
	wrapped, err := w.Wrap(t.Context(), DataKey(), Binding())
	if err != nil {
		t.Fatal(err)
	}
	WantOpens(t, w, wrapped)
	return wrapped
}

// WantOpens wants that a wrapper opens what WantWraps has returned.
func WantOpens(t *testing.T, w keyring.Wrapper, wrapped keyring.Wrapped) {
	t.Helper()
	if got, err := w.Unwrap(t.Context(), wrapped, Binding()); err != nil || string(got) != string(DataKey()) {
		t.Errorf("Unwrap: %d bytes, %v", len(got), err)
	}
}

// WantSays wants an error with all of some words, that may go away.
func WantSays(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil || errors.Is(err, keyring.ErrNotOpened) {
		t.Errorf("err = %v, want one that says %q", err, words)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
}
