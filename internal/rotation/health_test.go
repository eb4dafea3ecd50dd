package rotation_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/encryption"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/rotation"
)

// found is what there is to say about the keys.
func found(t *testing.T, p *program) string {
	t.Helper()
	findings, err := p.Findings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range findings {
		lines = append(lines, fmt.Sprint(f.Severity, " ", f.Subject, ": ", f.Detail, " ", f.Fix))
	}
	return strings.Join(lines, "\n")
}

// fails begins a run that does not succeed.
func (p *program) fails(run rotation.Run, err error) {
	p.t.Helper()
	if err == nil {
		run, _ = p.Do(p.t.Context(), run.ID, func(rotation.Run) {})
	}
	if err != nil || run.State != rotation.Failed {
		p.t.Fatalf("%+v, %v", run, err)
	}
}

// TestFailedRotationIsNotForgotten fails a rotation: a run of another kind that
// succeeds does not make up for it, and a rotation does.
func TestFailedRotationIsNotForgotten(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	p := start(t, db, 0, 1)
	p.put(5)
	db.Exec(t, `update auth.sealed_values set envelope = set_byte(envelope, 30, get_byte(envelope, 30) # 1) where subject = '3'`)
	p.fails(p.Rotate(t.Context(), audit.Actor{}))
	db.Exec(t, `delete from auth.sealed_values where subject = '3'`)
	p.do(p.reEncrypt(1, 2))
	if got := found(t, p); !strings.Contains(got, "latest rotation has failed") {
		t.Error(got)
	}
	p.do(p.Rotate(t.Context(), audit.Actor{}))
	if got := found(t, p); got != "" {
		t.Error(got)
	}
}

// TestFailedReEncryption stays until nothing is left under its version.
func TestFailedReEncryption(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	p := start(t, db, 0, 1, 2)
	p.put(5)
	if err := p.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, `update auth.sealed_values set envelope = set_byte(envelope, 30, get_byte(envelope, 30) # 1) where subject = '3'`)
	p.fails(p.reEncrypt(1, 2))
	if got := found(t, p); !strings.Contains(got, "latest re-encrypt has failed") {
		t.Error(got)
	}
	p.fails(p.Rotate(t.Context(), audit.Actor{}))
	db.Exec(t, `delete from auth.sealed_values where subject = '3'`)
	p.do(p.Rotate(t.Context(), audit.Actor{}))
	if got := found(t, p); got != "" {
		t.Error(got)
	}
}

// TestConfigurationAsksForAnotherKey holds what a configuration asks for against
// what is active.
func TestConfigurationAsksForAnotherKey(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	p := start(t, db, 0, 1, 2, 3)
	if err := p.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	p.do(p.reEncrypt(1, 2))
	for _, is := range []struct {
		active   uint32
		provider string
		want     string
	}{
		{0, encryption.Local, ""},
		{2, encryption.Local, ""},
		{3, encryption.Local, "Version 3 becomes active when the server starts"},
		{4, encryption.Local, "Version 4 becomes active when the server starts"},
		{1, encryption.Local, "version 1, which is behind"},
		{0, "vault", "is in the configuration, and the configuration says vault"},
	} {
		p.Keys.Active, p.Keys.Provider = is.active, is.provider
		if got := found(t, p); !strings.Contains(got, is.want) || (is.want == "") != (got == "") {
			t.Errorf("%d, %s: %s", is.active, is.provider, got)
		}
	}
}
