package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/fluxbase/fluxbase/internal/principal"
)

// What a body's fields rule out is refused before anybody is asked whose it is,
// and of a body that says nothing of its length nothing is read until then.
func TestBodiesAreJudgedBeforeTheirSender(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, encoding string
		length         int64
		route          Route
		status         int
		asked          bool
	}{
		{"too large", "", 101, Route{}, 413, false},
		{"as large as may be", "", 100, Route{}, 401, true},
		{"of its own limit", "", 101, Route{MaxBody: 200}, 401, true},
		{"over its own limit", "", 201, Route{MaxBody: 200}, 413, false},
		{"of any length", "", 1 << 40, Route{Stream: true}, 401, true},
		{"of unknown length", "", -1, Route{}, 401, true},
		{"compressed", "gzip", 10, Route{}, 415, false},
		{"compressed, of unknown length", "br", -1, Route{Stream: true}, 415, false},
		{"compressed in two ways", "gzip, identity", 10, Route{}, 415, false},
		{"not compressed", "Identity", 10, Route{}, 401, true},
	} {
		s := site(t)
		asked, read := false, false
		s.Authenticate = func(*http.Request) (*principal.Principal, error) {
			asked = true
			return nil, ErrCredentialRequired
		}
		c.route.Method, c.route.Path, c.route.Serve = http.MethodPut, "/body", s.handle
		r := httptest.NewRequest(http.MethodPut, "/body", readSpy{&read})
		r.ContentLength = c.length
		if c.encoding != "" {
			r.Header.Set("Content-Encoding", c.encoding)
		}
		w := httptest.NewRecorder()
		s.Handler([]Route{c.route}).ServeHTTP(w, r)
		if w.Code != c.status || asked != c.asked || read {
			t.Errorf("%s: %d, asked %t, read %t", c.name, w.Code, asked, read)
		}
	}
}

// readSpy is a body that says whether it was read.
type readSpy struct{ read *bool }

func (s readSpy) Read([]byte) (int, error) {
	*s.read = true
	return 0, io.EOF
}
