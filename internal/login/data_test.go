package login_test

import (
	"testing"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// TestDataOfAStranger asks for a link to an address that has no account yet, with
// data for it, and has its owner come in in each of the ways there are: what a
// stranger chose is nothing of the owner's, and what the asker chose is kept.
func TestDataOfAStranger(t *testing.T) {
	t.Parallel()
	const there, here, back = "203.0.113.7", "198.51.100.9", "http://localhost:3000/"
	s := noticing(t, required)
	press := func(agent, address, token, action string) servertest.Answer {
		return s.Do("POST", "/verify", "", "action="+action+"&token="+token, "Content-Type", form, "User-Agent", agent, "X-Forwarded-For", address)
	}
	ways := map[string]func(agent, address, email string, l letter) servertest.Answer{
		"link": func(agent, address, _ string, l letter) servertest.Answer {
			return from(s, agent, address, "/magiclink/verify", "token", l.token)
		},
		"code": func(agent, address, email string, l letter) servertest.Answer {
			return from(s, agent, address, "/magiclink/verify", "email", email, "code", l.code)
		},
		"button": func(agent, address, _ string, l letter) servertest.Answer {
			return press(agent, address, l.token, "approve")
		},
		"application": func(agent, address, _ string, l letter) servertest.Answer {
			return press(agent, address, l.token, "continue")
		},
	}
	kept := func(email string) bool {
		return count(t, s, `select count(*) from auth.users where email = $1 and user_metadata = '{"by": "the asker"}'`, email) == 1
	}
	ask := func(email string) (flow string, l letter) {
		l = next(t, s, email, func() {
			flow = str(t, want(t, from(s, laptop, there, "/magiclink", "email", email, "data", map[string]any{"by": "the asker"}, "redirect_to", back), 202, ""), "flow_id")
		})
		return flow, l
	}
	for name, way := range ways {
		for _, c := range []struct {
			who, agent, address string
			keeps               bool
		}{{"owner", phone, here, false}, {"neighbour", laptop, here, false}, {"asker", laptop, there, true}} {
			email := name + "-" + c.who + "@example.com"
			_, l := ask(email)
			if a := way(c.agent, c.address, email, l); a.Status != 200 && a.Status != 303 {
				t.Fatalf("%s: %d %s", email, a.Status, a.Body)
			}
			if count(t, s, `select count(*) from auth.users where email = $1`, email) != 1 || kept(email) != c.keeps {
				t.Errorf("%s: the data is kept: %t", email, kept(email))
			}
		}
	}
	const own = "page@example.com" // the page that asked, on a telephone that has another address by now
	flow, l := ask(own)
	want(t, from(s, laptop, here, "/magiclink/verify", "email", own, "code", l.code, "flow_id", flow), 200, "")
	if !kept(own) {
		t.Error("what the page that asked had chosen is gone")
	}
}
