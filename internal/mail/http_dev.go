package mail

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/web"
)

//go:embed mailbox.html
var mailboxPage string

// Inbox is what the mailbox answers.
type Inbox struct {
	Items []Delivered `json:"items"`
}

// Routes returns the routes under /dev/mail. They show everybody's one-time
// links to whoever asks, and there are none where there is no mailbox: outside
// development.
func (b *Mailbox) Routes() []web.Route {
	if b == nil {
		return nil
	}
	page := web.Route{Method: http.MethodGet, Path: "/dev/mail", Hidden: true, Serve: servePage()}
	messages := web.Route{
		Method: http.MethodGet, Path: "/dev/mail/messages", Hidden: true,
		Params: []web.Param{{Name: "to", In: "query", Description: "The address of the recipient; absent: all"}},
	}
	messages = web.Typed(messages, func(_ context.Context, c *web.Call, _ web.None) (Inbox, error) {
		return Inbox{b.Messages(c.Query().Get("to"))}, nil
	})
	answer := messages.Serve
	messages.Serve = func(w http.ResponseWriter, r *http.Request, c *web.Call) error {
		// A page from anywhere in the developer's browser can reach this machine.
		if r.Header.Get("Sec-Fetch-Site") == "cross-site" {
			return errCrossSite
		}
		return answer(w, r, c)
	}
	return []web.Route{page, messages}
}

var errCrossSite = fault.New(fault.Forbidden, "cross_site", "The mailbox is not for pages of other sites.")

// servePage answers with the page under a policy that runs its one script. The
// frame that shows a message inherits the policy, and so neither runs scripts
// nor loads anything; styles are allowed because messages have them in line.
func servePage() func(http.ResponseWriter, *http.Request, *web.Call) error {
	_, script, _ := strings.Cut(mailboxPage, "<script>")
	script, _, _ = strings.Cut(script, "</script>")
	digest := sha256.Sum256([]byte(script))
	policy := "default-src 'none'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(digest[:]) + "'; style-src 'unsafe-inline'; " +
		"img-src data:; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return func(w http.ResponseWriter, _ *http.Request, _ *web.Call) error {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(mailboxPage)))
		_, _ = w.Write([]byte(mailboxPage))
		return nil
	}
}
