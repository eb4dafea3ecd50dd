package kmstest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/keyring/remote"
)

// Subject is a provider before a key service.
type Subject struct {
	Server  *Server
	New     func(t *testing.T, client *http.Client) keyring.Wrapper
	Other   func(t *testing.T, client *http.Client) keyring.Wrapper // under another key of the same service
	Secrets []string                                                // credentials, which no error may hold
}

var binding = map[string]string{"purpose": "data_key", "version": "1", "installation": "here"}

// Contract holds a provider against what keyring.Wrapper promises. It stops the
// server in the end.
func Contract(t *testing.T, s Subject) {
	t.Helper()
	c := &contract{Subject: s, dataKey: make([]byte, keyring.KeySize)}
	_, _ = rand.Read(c.dataKey)
	c.Secrets = append(c.Secrets, string(c.dataKey), hex.EncodeToString(c.dataKey), base64.StdEncoding.EncodeToString(c.dataKey))
	c.wrapper, c.other = s.New(t, nil), s.Other(t, nil)
	t.Run("round trip", c.roundTrip)
	t.Run("another binding", c.anotherBinding)
	t.Run("damage", c.damage)
	t.Run("another key", c.anotherKey)
	t.Run("concurrent use", c.concurrent)
	t.Run("unavailable", c.unavailable)
	t.Run("denied", c.denied)
	t.Run("throttled", c.throttled)
	t.Run("no answer", c.noAnswer)
	t.Run("cancelled", c.cancelled)
	t.Run("nobody listens", c.nobody)
}

type contract struct {
	Subject

	dataKey        []byte
	wrapper, other keyring.Wrapper
}

func (c *contract) wrap(t *testing.T) keyring.Wrapped {
	t.Helper()
	wrapped, err := c.wrapper.Wrap(t.Context(), c.dataKey, binding)
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

func (c *contract) roundTrip(t *testing.T) {
	first, second := c.wrap(t), c.wrap(t)
	if first.KeyID == "" || first.KeyID != second.KeyID {
		t.Errorf("keys %q and %q", first.KeyID, second.KeyID)
	}
	if bytes.Equal(first.Ciphertext, second.Ciphertext) {
		t.Error("two wraps of one key are the same")
	}
	for _, wrapped := range []keyring.Wrapped{first, second} {
		if bytes.Contains(wrapped.Ciphertext, c.dataKey) {
			t.Error("the key lies in the ciphertext")
		}
		// Whatever it wraps with now, it opens what it wrapped once.
		for _, wrapper := range []keyring.Wrapper{c.wrapper, c.New(t, nil)} {
			if got, err := wrapper.Unwrap(t.Context(), wrapped, binding); err != nil || !bytes.Equal(got, c.dataKey) {
				t.Errorf("Unwrap: %d bytes, %v", len(got), err)
			}
		}
	}
}

func (c *contract) anotherBinding(t *testing.T) {
	wrapped := c.wrap(t)
	for _, other := range []map[string]string{
		nil,
		{"purpose": "data_key", "version": "1"},
		{"purpose": "data_key", "version": "2", "installation": "here"},
		{"purpose": "data_key", "version": "1", "installation": "here", "more": "x"},
		{"purpose": "1", "version": "data_key", "installation": "here"},
	} {
		c.wantNotOpened(t, c.wrapper, wrapped, other)
	}
}

func (c *contract) damage(t *testing.T) {
	wrapped := c.wrap(t)
	whole := wrapped.Ciphertext
	for i := range whole {
		wrapped.Ciphertext = bytes.Clone(whole)
		wrapped.Ciphertext[i] ^= 1 << (i % 8)
		c.wantNotOpened(t, c.wrapper, wrapped, binding)
	}
	for _, n := range []int{0, 1, len(whole) / 2, len(whole) - 16, len(whole) - 1} {
		wrapped.Ciphertext = whole[:n:n]
		c.wantNotOpened(t, c.wrapper, wrapped, binding)
	}
	wrapped.Ciphertext = append(bytes.Clone(whole), 'x')
	c.wantNotOpened(t, c.wrapper, wrapped, binding)
}

func (c *contract) anotherKey(t *testing.T) {
	wrapped := c.wrap(t)
	other, err := c.other.Wrap(t.Context(), c.dataKey, binding)
	if err != nil {
		t.Fatal(err)
	}
	if other.KeyID == wrapped.KeyID {
		t.Fatalf("both keys are %q", other.KeyID)
	}
	wrapped.KeyID = other.KeyID
	c.wantNotOpened(t, c.wrapper, wrapped, binding)
	c.wantNotOpened(t, c.other, wrapped, binding)
}

func (c *contract) concurrent(t *testing.T) {
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 4 {
				wrapped, err := c.wrapper.Wrap(t.Context(), c.dataKey, binding)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := c.wrapper.Unwrap(t.Context(), wrapped, binding); err != nil || !bytes.Equal(got, c.dataKey) {
					t.Errorf("Unwrap: %d bytes, %v", len(got), err)
				}
			}
		})
	}
	all.Wait()
}

func (c *contract) unavailable(t *testing.T) {
	wrapped := c.wrap(t)
	c.fail(t, Unavailable)
	before := c.Server.Requests()
	c.wantFailure(t, c.wrapper, wrapped)
	if n := c.Server.Requests() - before; n < 2*2 || n > 2*remote.Tries {
		t.Errorf("%d requests of two calls", n)
	}
}

// Asking again changes nothing, and locks accounts.
func (c *contract) denied(t *testing.T) {
	wrapped := c.wrap(t)
	c.fail(t, Denied)
	before := c.Server.Requests()
	c.wantFailure(t, c.wrapper, wrapped)
	if n := c.Server.Requests() - before; n > 2*2 {
		t.Errorf("%d requests of two calls", n)
	}
}

func (c *contract) throttled(t *testing.T) {
	c.fail(t, Throttled)
	wrapped := c.wrap(t)
	c.fail(t, Throttled)
	if got, err := c.wrapper.Unwrap(t.Context(), wrapped, binding); err != nil || !bytes.Equal(got, c.dataKey) {
		t.Errorf("Unwrap: %d bytes, %v", len(got), err)
	}
}

func (c *contract) noAnswer(t *testing.T) {
	wrapped := c.wrap(t)
	impatient := c.New(t, &http.Client{Timeout: 100 * time.Millisecond})
	c.fail(t, Hangs)
	c.wantFailure(t, impatient, wrapped)
}

func (c *contract) cancelled(t *testing.T) {
	wrapped := c.wrap(t)
	c.fail(t, Hangs)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	for range 2 { // while it is under way, and before it begins
		_, err := c.wrapper.Wrap(ctx, c.dataKey, binding)
		c.check(t, err)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Wrap: %v", err)
		}
		_, err = c.wrapper.Unwrap(ctx, wrapped, binding)
		c.check(t, err)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Unwrap: %v", err)
		}
	}
}

func (c *contract) nobody(t *testing.T) {
	wrapped := c.wrap(t)
	c.Server.Stop()
	c.wantFailure(t, c.wrapper, wrapped)
}

func (c *contract) fail(t *testing.T, f Failure) {
	t.Helper()
	c.Server.Fail(f)
	t.Cleanup(func() { c.Server.Fail(Works) })
}

func (c *contract) wantNotOpened(t *testing.T, wrapper keyring.Wrapper, wrapped keyring.Wrapped, binding map[string]string) {
	t.Helper()
	got, err := wrapper.Unwrap(t.Context(), wrapped, binding)
	if !errors.Is(err, keyring.ErrNotOpened) || got != nil {
		t.Errorf("Unwrap of %q: %d bytes, %v", wrapped.Ciphertext, len(got), err)
	}
	c.check(t, err)
}

// wantFailure wants errors that say that it may be asked again.
func (c *contract) wantFailure(t *testing.T, wrapper keyring.Wrapper, wrapped keyring.Wrapped) {
	t.Helper()
	_, wrapErr := wrapper.Wrap(t.Context(), c.dataKey, binding)
	key, unwrapErr := wrapper.Unwrap(t.Context(), wrapped, binding)
	for _, err := range []error{wrapErr, unwrapErr} {
		if err == nil || errors.Is(err, keyring.ErrNotOpened) || key != nil {
			t.Errorf("err = %v", err)
		}
		c.check(t, err)
	}
	t.Logf("%v; %v", wrapErr, unwrapErr)
}

// check looks for what no error may hold.
func (c *contract) check(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, secret := range c.Secrets {
		if secret == "" || strings.Contains(err.Error(), secret) {
			t.Error("an error holds a secret") // which one, would print it
		}
	}
	if strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 1000 {
		t.Errorf("an error of %d bytes and perhaps more than one line: %v", len(err.Error()), err)
	}
}
