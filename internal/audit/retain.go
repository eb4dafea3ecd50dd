package audit

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// monthForm is how a month is written in the name of its partition.
const monthForm = "2006_01"

// ahead is how many months have their partition before they begin.
const ahead = 2

// drop is a record of retention's: a month that it has let go of, and the seal
// that the log begins with since. Anybody with the database can write a record,
// and it is sealed like all others; the proof says that it was this program.
type drop struct {
	month      string
	records    int64
	through    int64 // the newest seal by then
	keptSeal   int64
	keptDigest string
	proof      string
}

// Names of the details of such a record.
const (
	droppedMonth   = "month"
	droppedThrough = "through_seal"
	keptSeal       = "kept_seal"
	keptDigest     = "kept_digest"
	droppedRecords = "records"
	droppedProof   = "proof"
)

// dropOf reads the record. What is not as this program writes it explains
// nothing.
func dropOf(details map[string]string) drop {
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(details[name], 10, 64)
		return n
	}
	return drop{details[droppedMonth], number(droppedRecords), number(droppedThrough), number(keptSeal), details[keptDigest], details[droppedProof]}
}

// details are what the record says, by names and values.
func (d drop) details() []string {
	return []string{
		droppedMonth, d.month, droppedRecords, strconv.FormatInt(d.records, 10), droppedThrough, strconv.FormatInt(d.through, 10),
		keptSeal, strconv.FormatInt(d.keptSeal, 10), keptDigest, d.keptDigest,
	}
}

// proven is the proof of a drop: a code under the key of seals over what it says.
// It begins with words, so that it is no code of a seal.
func (d drop) proven(key []byte) string {
	b := []byte("fluxbase audit drop 1\n")
	for _, text := range d.details() {
		b = field(b, []byte(text))
	}
	return hex.EncodeToString(mac(key, b))
}

// isProven says whether somebody with the key wrote the record.
func (d drop) isProven(key []byte) bool { return hmac.Equal([]byte(d.proven(key)), []byte(d.proof)) }

// Maintain makes the partitions of the months to come, and of those that records
// have gone to the default partition of; then it lets go of months that are
// older than the retention. It gives way to whoever uses the log: waiting for it,
// it fails, and is tried again.
func (s *Service) Maintain(ctx context.Context) error {
	months, err := selectStray(ctx, s.DB.Single(), ahead)
	if err != nil {
		return fmt.Errorf("maintaining the audit log: %w", err)
	}
	for _, month := range months {
		if err := s.DB.InTx(ctx, func(q postgres.Querier) error { return addMonth(ctx, q, month) }); err != nil {
			return fmt.Errorf("making the partition of a month of the audit log: %w", err)
		}
	}
	for s.Retention > 0 {
		more := false
		err := s.DB.InTx(ctx, func(q postgres.Querier) (err error) {
			more, err = s.dropMonth(ctx, q)
			return err
		})
		if err != nil {
			return fmt.Errorf("letting go of a month of the audit log: %w", err)
		}
		if !more {
			break
		}
	}
	return nil
}

// dropMonth lets go of the oldest month, if it is older than the retention by
// this machine's clock and by the database's. It says whether it has.
func (s *Service) dropMonth(ctx context.Context, q postgres.Querier) (bool, error) {
	key, err := s.key(ctx)
	if err != nil {
		return false, err
	}
	mine, err := lockCursor(ctx, q, sealCursor)
	if err != nil || !mine {
		return false, err
	}
	month, err := selectOldestMonth(ctx, q, s.Now(), s.Retention)
	if err != nil || month.IsZero() {
		return false, err
	}
	if stray, err := selectAnyStray(ctx, q); err != nil || stray { // their seals must not be taken for those of a month that is gone
		return false, err
	}
	last, records, err := selectExtent(ctx, q, month)
	if err != nil {
		return false, err
	}
	newest, err := selectNewestSeal(ctx, q)
	if err != nil || last > newest.lastSequence { // not sealed yet
		return false, err
	}
	if waits, err := s.waitsToBeSent(ctx, q, month); err != nil || waits {
		return false, err
	}
	if err := dropPartition(ctx, q, month); err != nil {
		return false, err
	}
	kept, err := dropSeals(ctx, q)
	if err != nil {
		return false, err
	}
	d := drop{month: month.Format(monthForm), records: records, through: newest.number, keptSeal: kept.number, keptDigest: hex.EncodeToString(kept.digest)}
	return true, Write(ctx, q, Actor{}.Did(MonthDropped, "", id.UUID{}, append(d.details(), droppedProof, d.proven(key))...))
}

// waitsToBeSent says whether records of a month have yet to be sent.
func (s *Service) waitsToBeSent(ctx context.Context, q postgres.Querier, month time.Time) (bool, error) {
	if s.Out == nil {
		return false, nil
	}
	sent, err := selectCursor(ctx, q, syslogCursor)
	if err != nil {
		return false, err
	}
	last, err := selectLastSealOf(ctx, q, month)
	if err != nil || last <= sent {
		return false, err
	}
	s.Logger.WarnContext(ctx, "a month of the audit log is kept beyond its time until it has been sent", slog.String("month", month.Format(monthForm)))
	return true, nil
}
