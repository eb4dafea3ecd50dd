package server

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/fluxbase/fluxbase/internal/admin"
	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/login"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/user"
)

// loginConfig is which ways in a configuration opens.
func loginConfig(c *config.Config) login.Config {
	a := c.Auth
	return login.Config{
		SignUps: a.SignupEnabled, Verify: verifies(c), MagicLinks: a.EnableMagicLink, Anonymous: a.EnableAnonymous,
		PublicURL: c.PublicURL, LinkLife: a.LinkExpiry, ResetLife: a.ResetExpiry, InviteLife: a.InviteExpiry, MailLimit: a.MailLimit,
		NewSignIns: a.NotifyNewSignIn, Redirects: redirects(c),
	}
}

// verifies says whether an address has to be proven before it signs in.
func verifies(c *config.Config) bool {
	switch c.Auth.EmailVerification {
	case "required":
		return true
	case "off":
		return false
	default:
		return c.Environment != config.Development && c.Mail.SMTP.Host != ""
	}
}

// redirects says where mailed links may lead to: to what is listed, compared
// exactly, and in development to this machine.
func redirects(c *config.Config) func(string) bool {
	return func(url string) bool {
		return slices.Contains(c.Auth.RedirectURLs, url) || c.Environment == config.Development && loopback(url) && !strings.ContainsAny(url, "#@\\")
	}
}

// sweep is the job that removes what is long over.
type sweep struct{}

// Kind implements job.Args.
func (sweep) Kind() string { return "auth.sweep" }

const (
	sweepInterval = 10 * time.Minute
	sweepBatch    = 200
	// sweepPause is how long a sweep rests after a batch, so that people do not
	// notice it.
	sweepPause = 20 * time.Millisecond
	sweepLimit = 30 * time.Minute
)

// cleaner removes some of what is long over, and says whether it may have left some.
type cleaner func(ctx context.Context, limit int) (more bool, err error)

// sweeps has sessions removed that are long over, and what others clean, a few at
// a time.
func sweeps(jobs *job.Service, sessions *session.Service, age time.Duration, others ...cleaner) {
	job.Register(jobs, job.Kind[sweep]{Timeout: sweepLimit, Attempts: 1, Handle: func(ctx context.Context, _ sweep) error {
		if err := sweepSessions(ctx, sessions, age); err != nil {
			return err
		}
		for _, clean := range others {
			for more := true; more; {
				var err error
				if more, err = clean(ctx, sweepBatch); err != nil {
					return err
				}
				if err := breathe(ctx); err != nil {
					return err
				}
			}
		}
		return nil
	}})
	job.Every[sweep](jobs, sweepInterval)
}

func sweepSessions(ctx context.Context, sessions *session.Service, age time.Duration) error {
	var after id.Session
	for {
		next, _, err := sessions.Clean(ctx, after, sweepBatch, age)
		if err != nil || next.IsZero() {
			return err //nolint:wrapcheck // says what it was doing
		}
		after = next
		if err := breathe(ctx); err != nil {
			return err
		}
	}
}

// guestSweep is the job that removes anonymous users whom nobody is any more.
type guestSweep struct{}

// Kind implements job.Args.
func (guestSweep) Kind() string { return "auth.sweep_guests" }

const guestInterval = time.Hour

// sweepsGuests has anonymous users removed whose last use is older than age, a few
// at a time; 0 keeps them.
func sweepsGuests(jobs *job.Service, operators *admin.Service, age time.Duration, logger *slog.Logger) {
	job.Register(jobs, job.Kind[guestSweep]{Timeout: sweepLimit, Attempts: 1, Handle: func(ctx context.Context, _ guestSweep) error {
		var after user.Guest
		for {
			swept, err := operators.SweepGuests(ctx, after, sweepBatch, age)
			if err != nil {
				return err //nolint:wrapcheck // says what it was doing
			}
			if swept.Kept > 0 {
				logger.WarnContext(ctx, "anonymous users stay although their time is over", slog.Int("users", swept.Kept), slog.Any("why", swept.Why))
			}
			if after = swept.Next; after == (user.Guest{}) {
				return nil
			}
			if err := breathe(ctx); err != nil {
				return err
			}
		}
	}})
	if age > 0 {
		job.Every[guestSweep](jobs, guestInterval)
	}
}

func breathe(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(sweepPause):
		return nil
	}
}
