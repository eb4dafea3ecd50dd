package audit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math"
	"slices"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Finding is the first thing that is wrong with the log. Sequence and Record are
// those of the first wrong record, where it is a record; one that is missing has
// left no more than its sequence.
type Finding struct {
	Kind     string   `json:"kind"`
	Seal     int64    `json:"seal"`
	Sequence *int64   `json:"sequence,omitempty"`
	Record   *id.UUID `json:"record,omitempty"`
	Detail   string   `json:"detail"`
}

// What may be wrong.
const (
	RecordChanged = "record_changed" // also: exchanged for another
	RecordMissing = "record_missing"
	RecordAdded   = "record_added"
	SealChanged   = "seal_changed"
	SealMissing   = "seal_missing"
	SealForged    = "seal_forged" // by somebody without the key
	LogCut        = "log_cut"     // what was kept elsewhere is not in the log
)

// Verification is what was found in a part of the log. Digest is that of the
// newest seal that was looked at: whoever keeps it elsewhere can later find out
// whether the log was cut short.
type Verification struct {
	Seals         int        `json:"seals"`
	Records       int        `json:"records"`
	Dropped       int        `json:"dropped"` // records that retention has let go of, of seals that are there still
	Newest        int64      `json:"newest_seal"`
	Digest        string     `json:"digest"`
	Unsealed      int64      `json:"unsealed"` // records that are not sealed yet; on the last part
	UnsealedSince *time.Time `json:"unsealed_since"`
	Finding       *Finding   `json:"finding"`
	Next          *int64     `json:"next"` // the seal after which to go on; nil at the end, or at a finding
}

const (
	// verifySeals and verifyRecords bound one part: the one what is in memory,
	// 64 KiB a seal, the other how long it takes. A part goes past the latter by
	// what verifySeals hold.
	verifySeals   = 32
	verifyRecords = 20_000
)

// Verify looks at the part of the log that comes after a seal; 0 is its
// beginning. Expect, if not nil, is the digest of a seal that has to be there.
func (s *Service) Verify(ctx context.Context, after int64, expect []byte) (Verification, error) {
	key, err := s.key(ctx)
	if err != nil {
		return Verification{}, err
	}
	v := &verifier{key: key}
	err = s.DB.InTx(ctx, func(q postgres.Querier) error {
		if err := freeze(ctx, q); err != nil { // what goes on meanwhile is none of this
			return err
		}
		if found, err := selectByDigest(ctx, q, expect); err != nil || expect != nil && found == 0 {
			v.result.Finding = &Finding{Kind: LogCut, Detail: "There is no seal with the digest that is expected: the log was cut short or made anew, or the seal was let go of with its month."}
			return err
		}
		return v.part(ctx, q, after)
	})
	if err != nil && !errors.Is(err, errFound) {
		return Verification{}, fmt.Errorf("verifying the audit log: %w", err)
	}
	return v.result, nil
}

// errFound ends a verification.
var errFound = errors.New("found")

type verifier struct {
	key     []byte
	dropped []drop
	result  Verification
}

func (v *verifier) found(f Finding) error {
	v.result.Finding, v.result.Next = &f, nil
	return errFound
}

// part verifies seals until enough records were looked at.
func (v *verifier) part(ctx context.Context, q postgres.Querier, after int64) error {
	var err error
	if v.dropped, err = selectDrops(ctx, q, v.key); err != nil {
		return err
	}
	previous, lowest, err := v.start(ctx, q, after)
	if err != nil {
		return err
	}
	for {
		seals, err := selectSeals(ctx, q, previous.number+1, verifySeals)
		if err != nil {
			return err
		}
		if len(seals) > 0 {
			if err := v.run(ctx, q, previous, lowest, seals); err != nil {
				return err
			}
			previous = seals[len(seals)-1]
			lowest = previous.lastSequence
		}
		if len(seals) < verifySeals {
			v.result.Unsealed, v.result.UnsealedSince, err = selectUnsealed(ctx, q, previous.lastSequence)
			return err
		}
		if v.result.Records >= verifyRecords {
			v.result.Next = &previous.number
			return nil
		}
	}
}

// start returns the seal that the first one has to go on from, and the sequence
// after which its records come. The log begins with seal 1, or with the one that
// retention has kept.
func (v *verifier) start(ctx context.Context, q postgres.Querier, after int64) (seal, int64, error) {
	first, err := selectSeals(ctx, q, after, 1)
	switch {
	case err != nil:
		return seal{}, 0, err
	case after > 0 && len(first) > 0 && first[0].number == after:
		return first[0], first[0].lastSequence, nil
	case after == 0 && (len(first) == 0 || first[0].number == 1):
		return genesis(), math.MinInt64, nil
	case len(first) == 0:
		return seal{}, 0, v.found(Finding{Kind: SealMissing, Seal: after, Detail: "The seal is gone that the verification was to go on after."})
	}
	kept := first[0]
	for _, d := range v.dropped {
		if d.keptSeal == kept.number && d.keptDigest == hex.EncodeToString(kept.digest) {
			return seal{number: kept.number - 1, digest: kept.previous}, math.MinInt64, nil
		}
	}
	return seal{}, 0, v.found(Finding{
		Kind: SealMissing, Seal: max(after, 1),
		Detail: fmt.Sprintf("The seals before %d are gone, and no record of this server's says that retention has let go of them.", kept.number),
	})
}

// run verifies seals that follow each other, and then their records.
func (v *verifier) run(ctx context.Context, q postgres.Querier, previous seal, lowest int64, seals []seal) error {
	for i := range seals {
		if err := v.link(previous, &seals[i]); err != nil {
			// Records may be wrong before that seal; the first wrong thing counts.
			if i > 0 {
				if err := v.records(ctx, q, lowest, seals[:i]); err != nil {
					return err
				}
			}
			return v.found(*err)
		}
		previous = seals[i]
	}
	return v.records(ctx, q, lowest, seals)
}

// link verifies a seal by itself, and that it goes on from the one before it.
func (v *verifier) link(previous seal, s *seal) *Finding {
	fail := func(kind, detail string) *Finding { return &Finding{Kind: kind, Seal: s.number, Detail: detail} }
	switch {
	case s.number != previous.number+1:
		return &Finding{Kind: SealMissing, Seal: previous.number + 1, Detail: fmt.Sprintf("Seal %d is missing; the next one is %d.", previous.number+1, s.number)}
	case len(s.entries) != s.records*entrySize || !hmac.Equal(s.sum(), s.digest):
		return fail(SealChanged, "The seal is not as it was made.")
	case !hmac.Equal(mac(v.key, s.digest), s.mac):
		return fail(SealForged, "The seal was made by somebody who does not have the key of this server.")
	case !hmac.Equal(s.previous, previous.digest):
		return fail(SealChanged, "The seal does not go on from the one before it.")
	}
	return nil
}

// records verifies the records of seals in one pass over them.
func (v *verifier) records(ctx context.Context, q postgres.Querier, lowest int64, seals []seal) error {
	c := comparison{verifier: v, seals: seals}
	c.begin()
	err := each(ctx, q, lowest, seals[len(seals)-1].lastSequence, c.next)
	if err != nil {
		return err
	}
	for len(c.seals) > 0 {
		if err := c.end(); err != nil {
			return err
		}
	}
	return nil
}

// comparison goes through records and what seals keep of them side by side.
type comparison struct {
	*verifier

	seals []seal // the first is the one at hand
	seen  int    // of its records
	sum   hash.Hash
}

func (c *comparison) begin() { c.seen, c.sum = 0, sha256.New() }

// gone says whether retention has let go of the records of the seal at hand.
func (c *comparison) gone() bool {
	month := c.seals[0].month.Format(monthForm)
	return slices.ContainsFunc(c.dropped, func(d drop) bool { return d.month == month && c.seals[0].number <= d.through })
}

func (c *comparison) next(r *Record) error {
	for r.Sequence > c.seals[0].lastSequence {
		if err := c.end(); err != nil {
			return err
		}
	}
	s := &c.seals[0]
	about := func(kind, detail string) error {
		return c.found(Finding{Kind: kind, Seal: s.number, Sequence: &r.Sequence, Record: &r.ID, Detail: detail})
	}
	if c.seen == s.records || c.gone() {
		return about(RecordAdded, "The record was not there when its place was sealed.")
	}
	sequence, beginning := s.entry(c.seen)
	if r.Sequence < sequence {
		return about(RecordAdded, "The record was not there when its place was sealed.")
	}
	if r.Sequence > sequence {
		return c.missing(s, sequence)
	}
	d := r.digest()
	if !hmac.Equal(d[:len(beginning)], beginning) || !monthOf(r.At).Equal(s.month) {
		return about(RecordChanged, "The record is not as it was when it was sealed.")
	}
	_, _ = c.sum.Write(d[:])
	c.seen++
	return nil
}

func (c *comparison) missing(s *seal, sequence int64) error {
	return c.found(Finding{Kind: RecordMissing, Seal: s.number, Sequence: &sequence, Detail: "The record is gone."})
}

// end is done with the seal at hand.
func (c *comparison) end() error {
	s := &c.seals[0]
	switch {
	case c.gone():
		c.result.Dropped += s.records
	case c.seen < s.records:
		sequence, _ := s.entry(c.seen)
		return c.missing(s, sequence)
	case !hmac.Equal(c.sum.Sum(nil), s.recordsSum):
		return c.found(Finding{Kind: RecordChanged, Seal: s.number, Detail: "One of the records of the seal is not as it was."})
	default:
		c.result.Records += s.records
	}
	c.result.Seals++
	c.result.Newest, c.result.Digest = s.number, hex.EncodeToString(s.digest)
	c.seals = c.seals[1:]
	if len(c.seals) > 0 {
		c.begin()
	}
	return nil
}
