package server_test

import (
	"testing"

	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

// TestProbesWithCredentialsAreLimited asks a route that is not limited, with
// credentials that have to be looked up: trying keys there is no way around the
// limits, and probes, which send none, never meet one.
func TestProbesWithCredentialsAreLimited(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.With("ratelimit.enabled", "true"), servertest.With("ratelimit.address", "10/1h"))
	revoked, err := s.Keys.Create(t.Context(), apikey.Service, apikey.New{Name: "k"}, audit.Actor{})
	if err != nil {
		t.Fatal(err)
	}
	s.DB.Exec(t, `delete from auth.api_keys where id = $1`, revoked.ID)
	for _, path := range []string{"/livez", "/readyz"} {
		for range 20 {
			if a := s.Do("GET", path, "", ""); a.Status != 200 {
				t.Fatalf("control: %s: %d %s", path, a.Status, a.Body)
			}
		}
	}
	statuses := map[int]int{}
	for i := range 20 {
		field := [...]string{"Authorization", "apikey", "X-API-Key"}[i%3]
		statuses[s.Do("GET", [...]string{"/livez", "/readyz"}[i%2], "", "", field, map[bool]string{true: "Bearer "}[i%3 == 0]+revoked.Text).Status]++
	}
	if statuses[401] != 10 || statuses[429] != 10 {
		t.Errorf("%v", statuses)
	}
	if a := s.Do("GET", "/livez", "", ""); a.Status != 200 {
		t.Errorf("control: a probe after that: %d %s", a.Status, a.Body)
	}
}
