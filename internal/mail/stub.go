package mail

import (
	"cmp"
	"context"
	"time"
)

type SMTP struct {
	Host    string
	Timeout time.Duration
}
type sender struct{ smtp SMTP }

func newSender(c Config) (sender, error) {
	c.SMTP.Timeout = cmp.Or(c.SMTP.Timeout, 30*time.Second)
	return sender{c.SMTP}, nil
}
func (s sender) domain() string                                            { return "localhost" }
func (s sender) send(ctx context.Context, r record, l letter, _ any) error { return nil }

type templates struct{}
type letter struct{ subject, text, html string }

func loadTemplates(dir, locale string) (*templates, error) { return &templates{}, nil }
func (t *templates) locale(k Kind, want string) string     { return "en" }
func (t *templates) render(r record, v Vars) (letter, error) {
	return letter{string(r.kind), v.ConfirmationURL + " " + v.Token, ""}, nil
}

type counters struct{}

func newCounters() counters            { return counters{} }
func (counters) sent(Kind)             {}
func (counters) failed(Kind)           {}
func scrub(text string, _ Vars) string { return text }

type permanent struct{ error }

func isPermanent(err error) bool { _, ok := err.(permanent); return ok }
