package audit

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
)

// Filter says which records. The zero value is all of them.
type Filter struct {
	Action    Action
	Outcome   string // "success" or "failure"
	Actor     *id.UUID
	Target    *id.UUID
	RequestID string
	Since     *time.Time // at or after
	Until     *time.Time // before
}

// Page is a part of the records.
type Page struct {
	Items      []Record `json:"items"`
	NextCursor *string  `json:"next_cursor"`
}

var errCursor = fault.Input("?cursor", "invalid_cursor", "It is not the next_cursor of a page in this order.")

// Newest returns records, the newest first.
func (s *Service) Newest(ctx context.Context, f Filter, cursor string, limit int) (Page, error) {
	at, sequence := endOfTime, int64(math.MaxInt64)
	if cursor != "" {
		instant, number, _ := strings.Cut(cursor, "-")
		micros, ok := whole(instant)
		if sequence, ok = wholeIf(ok, number); !ok {
			return Page{}, errCursor
		}
		at = time.UnixMicro(micros)
	}
	records, err := selectNewest(ctx, s.DB.Single(), f, at, sequence, limit+1)
	if err != nil {
		return Page{}, fmt.Errorf("reading the audit log: %w", err)
	}
	return page(records, limit, func(r Record) string {
		return strconv.FormatInt(r.At.UnixMicro(), 10) + "-" + strconv.FormatInt(r.Sequence, 10)
	}), nil
}

// Oldest returns records, the oldest first, as far as they are sealed: so that
// nothing is ever added before the place where a cursor goes on.
func (s *Service) Oldest(ctx context.Context, f Filter, cursor string, limit int) (Page, error) {
	after := int64(math.MinInt64)
	if cursor != "" {
		var ok bool
		if after, ok = whole(cursor); !ok {
			return Page{}, errCursor
		}
	}
	records, err := selectOldest(ctx, s.DB.Single(), f, after, limit+1)
	if err != nil {
		return Page{}, fmt.Errorf("reading the audit log: %w", err)
	}
	return page(records, limit, func(r Record) string { return strconv.FormatInt(r.Sequence, 10) }), nil
}

// endOfTime is after every record that PostgreSQL can date.
var endOfTime = time.Date(294_000, 1, 1, 0, 0, 0, 0, time.UTC)

func whole(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n >= 0 && text[0] != '+'
}

func wholeIf(ok bool, text string) (int64, bool) {
	if !ok {
		return 0, false
	}
	return whole(text)
}

// page cuts off the record that says that there is another page.
func page(records []Record, limit int, cursor func(Record) string) Page {
	if len(records) <= limit {
		return Page{Items: records}
	}
	next := cursor(records[limit-1])
	return Page{records[:limit], &next}
}
