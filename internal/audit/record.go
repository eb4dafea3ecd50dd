package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/id"
)

// Record is an event as it is kept. Sequence rises in the order in which records
// were begun to be written; some numbers are never used.
type Record struct {
	Sequence   int64          `json:"sequence"`
	ID         id.UUID        `json:"id"`
	At         time.Time      `json:"at"`
	Action     Action         `json:"action"`
	Outcome    string         `json:"outcome"`
	ActorKind  string         `json:"actor_kind"`
	ActorID    *id.UUID       `json:"actor_id"`
	TargetKind *string        `json:"target_kind"`
	TargetID   *id.UUID       `json:"target_id"`
	IP         *netip.Addr    `json:"ip"`
	RequestID  *string        `json:"request_id"`
	Details    jsontext.Value `json:"details"`

	network *netip.Prefix // ip as the column has it
}

// digest is the SHA-256 of everything that a record says. Each text and each
// identifier is preceded by its length, and what is null is told from what is
// empty, so that no two records are written alike.
func (r *Record) digest() [sha256.Size]byte {
	b := make([]byte, 0, 512)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Sequence)) //nolint:gosec // the bits matter
	b = binary.BigEndian.AppendUint64(b, uint64(r.At.UnixMicro()))
	b = field(b, r.ID[:])
	b = field(b, []byte(r.Action))
	b = field(b, []byte(r.Outcome))
	b = field(b, []byte(r.ActorKind))
	b = identifier(b, r.ActorID)
	b = optional(b, r.TargetKind)
	b = identifier(b, r.TargetID)
	if r.network == nil {
		b = null(b)
	} else {
		b = field(b, []byte(r.network.String()))
	}
	b = optional(b, r.RequestID)
	return sha256.Sum256(field(b, r.Details))
}

func field(b, value []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(value))) //nolint:gosec // a column has less than 4 GiB
	return append(b, value...)
}

func null(b []byte) []byte { return append(b, 0xff, 0xff, 0xff, 0xff) }

func optional(b []byte, text *string) []byte {
	if text == nil {
		return null(b)
	}
	return field(b, []byte(*text))
}

func identifier(b []byte, u *id.UUID) []byte {
	if u == nil {
		return null(b)
	}
	return field(b, u[:])
}

// entrySize is the length of what a seal keeps of each record: its sequence and
// the beginning of its digest, by which the first wrong record is found. That
// none is wrong is said by the whole digests.
const entrySize = 16

// seal is the proof that a run of records, all of one month, is as it was.
type seal struct {
	number       int64
	at           time.Time
	month        time.Time // its first day, in UTC
	lastSequence int64
	records      int
	entries      []byte
	recordsSum   []byte
	previous     []byte
	digest       []byte
	mac          []byte
}

// genesis stands before the first seal.
func genesis() seal { return seal{digest: make([]byte, sha256.Size)} }

// sum is the digest of a seal: over everything that it says, with that of the
// seal before it.
func (s *seal) sum() []byte {
	b := []byte("fluxbase audit seal 1\n")
	for _, n := range []int64{s.number, s.at.UnixMicro(), s.month.Unix(), s.lastSequence, int64(s.records)} {
		b = binary.BigEndian.AppendUint64(b, uint64(n)) //nolint:gosec // the bits matter
	}
	for _, part := range [][]byte{s.entries, s.recordsSum, s.previous} {
		b = field(b, part)
	}
	sum := sha256.Sum256(b)
	return sum[:]
}

// entry returns what the seal keeps of its record i.
func (s *seal) entry(i int) (sequence int64, beginning []byte) {
	e := s.entries[i*entrySize:][:entrySize]
	return int64(binary.BigEndian.Uint64(e)), e[8:] //nolint:gosec // the bits matter
}

// sealed makes the seal of records that all are of one month, in their order.
func sealed(previous seal, records []Record, at time.Time) seal {
	s := seal{
		number: previous.number + 1, at: at.UTC().Truncate(time.Microsecond), month: monthOf(records[0].At),
		lastSequence: records[len(records)-1].Sequence, records: len(records), previous: previous.digest,
	}
	all := sha256.New()
	for i := range records {
		d := records[i].digest()
		_, _ = all.Write(d[:])
		s.entries = binary.BigEndian.AppendUint64(s.entries, uint64(records[i].Sequence)) //nolint:gosec // the bits matter
		s.entries = append(s.entries, d[:entrySize-8]...)
	}
	s.recordsSum = all.Sum(nil)
	s.digest = s.sum()
	return s
}

func monthOf(at time.Time) time.Time {
	at = at.UTC()
	return time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
}
