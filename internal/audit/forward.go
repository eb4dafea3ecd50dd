package audit

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Entry is a line for somebody else's log: a record or a seal, as JSON.
type Entry struct {
	At     time.Time
	Name   string // of the action, or "audit.sealed"
	Failed bool
	Text   []byte
}

// Sender sends entries, in their order, to where logs are kept. It returns nil
// when all of them have arrived.
type Sender interface {
	Send(ctx context.Context, entries []Entry) error
}

// sealing is the line that follows the records of a seal. Kept where nobody can
// change it, its digest proves later what was there by then.
type sealing struct {
	Action   string    `json:"action"`
	At       time.Time `json:"at"`
	Seal     int64     `json:"seal"`
	Records  int       `json:"records"`
	Sequence int64     `json:"last_sequence"`
	Digest   string    `json:"digest"`
}

// Forward sends what has been sealed and not been sent. How far it is, is
// written when all of a seal has arrived, so that what a crash interrupts is
// sent again, and nothing is left out.
func (s *Service) Forward(ctx context.Context) error {
	for more := true; more; {
		err := s.DB.InTx(ctx, func(q postgres.Querier) (err error) {
			more, err = s.forward(ctx, q)
			return err
		})
		if err != nil {
			return fmt.Errorf("sending the audit log: %w", err)
		}
	}
	return nil
}

// forward sends one seal, and says whether there was one.
func (s *Service) forward(ctx context.Context, q postgres.Querier) (bool, error) {
	mine, err := lockCursor(ctx, q, syslogCursor)
	if err != nil || !mine {
		return false, err
	}
	sent, err := selectCursor(ctx, q, syslogCursor)
	if err != nil {
		return false, err
	}
	seals, err := selectSeals(ctx, q, max(sent, 1), 2)
	if err != nil || len(seals) == 0 || len(seals) == 1 && seals[0].number == sent {
		return false, err
	}
	previous, next := genesis(), seals[0]
	if seals[0].number == sent {
		previous, next = seals[0], seals[1]
	}
	records, err := selectBetween(ctx, q, previous.lastSequence, next.lastSequence, batch)
	if err != nil {
		return false, err
	}
	entries, err := entriesOf(records, next)
	if err != nil {
		return false, err
	}
	if err := s.Out.Send(ctx, entries); err != nil {
		return false, err
	}
	return true, moveCursor(ctx, q, syslogCursor, next.number)
}

func entriesOf(records []Record, s seal) ([]Entry, error) {
	entries := make([]Entry, 0, len(records)+1)
	for _, r := range records {
		text, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("encoding an audit record: %w", err)
		}
		entries = append(entries, Entry{r.At, string(r.Action), r.Outcome == "failure", text})
	}
	text, err := json.Marshal(sealing{"audit.sealed", s.at.UTC(), s.number, s.records, s.lastSequence, hex.EncodeToString(s.digest)})
	return append(entries, Entry{s.at, "audit.sealed", false, text}), err
}
