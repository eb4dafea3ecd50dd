package mail

import (
	"context"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// pretence is the job that removes a message that nobody is to receive. It has
// a queue of its own: however many people ask for mail to addresses that nobody
// has, the mail of those who exist does not wait for them.
type pretence struct {
	ID id.Mail `json:"id"`
}

// Kind implements job.Args.
func (pretence) Kind() string { return "mail.pretend" }

// Pretend does what Send does, for a message that nobody is to receive: it has
// expired when it is written, and is removed soon. Whoever asks for mail to an
// address cannot tell, by the time it takes either, whether there was anybody to
// mail to.
func (s *Service) Pretend(ctx context.Context, q postgres.Querier, kind Kind, to string, vars Vars, expires time.Duration) error {
	return s.write(ctx, q, kind, to, vars, expires, Expired, func(m id.Mail) job.Args { return pretence{m} })
}

func (s *Service) forget(ctx context.Context, p pretence) error {
	return s.db.InTx(ctx, func(q postgres.Querier) error {
		value, err := deleteOne(ctx, q, p.ID)
		if err != nil || value == nil {
			return err
		}
		return s.values.Delete(ctx, q, *value)
	})
}
