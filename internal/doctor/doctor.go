// Package doctor has the looks that are taken at an installation from outside
// its server: whether the public address leads here, what the clocks say, who
// may do what in the database, what its settings are, and what is about to
// run out.
//
// A check reads and changes nothing. It has a time limit, fails alone, and says
// of what it finds where it is and how it is mended. Which checks there are is
// for assembly, since most of what they need is a setting.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// Page is the page of the documentation with a section for each subject.
const Page = "docs/operations/doctor.md"

// Check is one look. Run returns nothing where all is well.
type Check struct {
	Subject string
	Fine    string // what to say where nothing is found; "" for nothing
	Run     func(ctx context.Context) ([]telemetry.Finding, error)
}

// Limit is the most that one check may take.
const Limit = 10 * time.Second

// together is how many checks run at once.
const together = 4

// Examine runs checks, some at a time, and returns what they find in their
// order. Whatever becomes of one, the others go on: one that fails, panics or
// does not end in time is a finding itself.
func Examine(ctx context.Context, limit time.Duration, checks []Check) []telemetry.Finding {
	results := make([]chan []telemetry.Finding, len(checks))
	slots := make(chan struct{}, together)
	for i, c := range checks {
		results[i] = make(chan []telemetry.Finding, 1)
		go func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			results[i] <- c.bounded(ctx, limit)
		}()
	}
	var found []telemetry.Finding
	for _, r := range results {
		found = append(found, <-r...)
	}
	return found
}

// bounded runs one check, and waits no longer than its limit.
func (c Check) bounded(ctx context.Context, limit time.Duration) []telemetry.Finding {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	type result struct {
		found []telemetry.Finding
		err   error
	}
	ended := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("the check itself failed: %v", p)
			}
			ended <- r
		}()
		r.found, r.err = c.Run(ctx)
	}()
	var r result
	select {
	case r = <-ended:
	case <-ctx.Done():
		r.err = ctx.Err()
	}
	return c.complete(r.found, r.err, limit)
}

// complete adds what the findings of a check have in common.
func (c Check) complete(found []telemetry.Finding, err error, limit time.Duration) []telemetry.Finding {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		found = append(found, telemetry.Finding{Severity: telemetry.Problem, Detail: fmt.Sprintf("There was no answer within %s.", limit), Fix: "Look at what it depends on, and run it again."})
	case err != nil:
		found = append(found, telemetry.Finding{Severity: telemetry.Problem, Detail: "It could not be looked at: " + sentence(err), Fix: "Mend what it says, and run it again."})
	}
	if len(found) == 0 && c.Fine != "" {
		found = append(found, telemetry.Finding{Severity: telemetry.Fine, Detail: c.Fine})
	}
	for i := range found {
		f := &found[i]
		if f.Subject == "" {
			f.Subject = c.Subject
		}
		if f.Docs == "" {
			f.Docs = Page + "#" + anchor(c.Subject)
		}
	}
	return found
}

// password is the part of a URL that no error should repeat.
var password = regexp.MustCompile(`://[^/@\s]*@`)

// sentence is an error without the user information of a URL.
func sentence(err error) string {
	if why, todo := postgres.Unreachable(err); why != "" {
		return why + " " + todo
	}
	return password.ReplaceAllString(err.Error(), "://")
}

// anchor is how a heading is linked to.
func anchor(heading string) string { return strings.ReplaceAll(strings.ToLower(heading), " ", "-") }
