package web

import (
	"context"
	"net/http"
)

// LimitGroup names limits that routes have in common; see internal/ratelimit.
type LimitGroup string

// Limits says how often callers may come. What it refuses is a fault of kind
// TooMany; it sets the fields that say how much is left.
type Limits interface {
	// Arrive is asked about every request, before anything is looked at but where
	// it comes from.
	Arrive(ctx context.Context, h http.Header, c *Call) error

	// Spend is asked once about every request whose caller is known, or whose
	// credential was refused: its principal is Nobody then.
	Spend(ctx context.Context, h http.Header, c *Call, group LimitGroup, subject string) error
}

// About makes a Route.Subject of a function of the body.
func About[In any](f func(In) string) func(any) string {
	return func(body any) string {
		in, _ := body.(In)
		return f(in)
	}
}

// credentialed says whether a request carries what has to be looked up, which
// nobody who watches over the server sends: it is limited anywhere.
func credentialed(h http.Header) bool {
	return len(h["Authorization"])+len(h["Apikey"])+len(h["X-Api-Key"]) > 0
}

func (c *Call) arrive(ctx context.Context, h http.Header) error {
	if c.limits == nil {
		return nil
	}
	return c.limits.Arrive(ctx, h, c)
}

// spend counts a request, once however often it is called.
func (c *Call) spend(ctx context.Context, h http.Header, subject string) error {
	limits := c.limits
	if limits == nil {
		return nil
	}
	c.limits = nil
	return limits.Spend(ctx, h, c, c.group, subject)
}
