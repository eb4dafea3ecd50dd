package web

import (
	"net/http"
	"testing"
)

// ServeMux answers for paths that are not clean by itself: without request id,
// security fields, authentication or log line.
func TestUncleanPathsTakeTheSamePath(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"//things/1", "/things//1", "/./things/1", "/x/../things/1", "/things/../nothing", "//evil.example/.."} {
		s := site(t)
		w := s.get(path)
		if w.Code != http.StatusNotFound || w.Header().Get("Location") != "" {
			t.Errorf("%s: %d to %q", path, w.Code, w.Header().Get("Location"))
		}
		if w.Header().Get("X-Request-Id") == "" || w.Header().Get("X-Frame-Options") != "DENY" || len(s.logged(t, "request")) != 1 {
			t.Errorf("%s: %v, log %q", path, w.Header(), s.out.String())
		}
	}
}

// An authenticator that breaks its contract is refused, and not a panic that
// nobody answers.
func TestNoPrincipalIsARefusal(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.caller = nil
	for _, path := range []string{"/things/1", "/mine", "/admin"} {
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("%s: panic: %v", path, p)
				}
			}()
			if w := s.get(path); w.Code != http.StatusInternalServerError || s.served != 0 {
				t.Errorf("%s: %d, served %d times", path, w.Code, s.served)
			}
		}()
	}
}
