package login

import (
	"context"
	"testing"

	"github.com/fluxbase/fluxbase/internal/password"
	"github.com/fluxbase/fluxbase/internal/password/digest"
)

// A sign-in must not fail because its password could not be hashed anew.
func TestRenewalMayWait(t *testing.T) {
	t.Parallel()
	scheme := digest.Scheme{Name: digest.Bcrypt, Cost: 4}
	for workers, queue := range []int{0, 1} {
		passwords, err := password.NewService(password.NewPool(workers, queue), password.Policy{}, scheme)
		if err != nil {
			t.Fatal(err)
		}
		renewed := (&Service{Passwords: passwords}).renew(context.Background(), "correct horse")
		if (renewed != "") != (workers > 0) {
			t.Errorf("%d workers made %q", workers, renewed)
		}
	}
}
