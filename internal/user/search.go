package user

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
)

// Filter selects accounts; what is zero selects all. All of it holds at once.
type Filter struct {
	ID            id.User
	Email         string     // normalised
	Prefix        string     // of the e-mail address, in lower case
	CreatedAfter  *time.Time // at it or after
	CreatedBefore *time.Time
	Metadata      string // a JSON object that user_metadata or app_metadata contains
	UserMetadata  string
	AppMetadata   string
	Banned        *bool
	Anonymous     *bool
}

// Page is one page of accounts.
type Page struct {
	Items      []Document `json:"items"`
	NextCursor *string    `json:"next_cursor"`
}

// errCursor is the fault of a cursor that is none, or of another search.
var errCursor = fault.Input("?cursor", "invalid_cursor", "The cursor is not one that a page of this search ended with.")

// found is an account of a page, with what the page is ordered by.
type found struct {
	id        id.User
	createdAt time.Time
	email     string
	document  Document
}

// Search returns accounts: newest first, or by e-mail address if the filter has
// a Prefix. cursor is the NextCursor of the page before, of the same search.
func (s *Service) Search(ctx context.Context, f Filter, cursor string, limit int) (Page, error) {
	after, err := f.position(cursor)
	if err != nil {
		return Page{}, err
	}
	read := selectNewest
	if f.Prefix != "" {
		read = selectByAddress
	}
	listed, err := read(ctx, s.DB.Single(), f, after, limit+1)
	if err != nil {
		return Page{}, fmt.Errorf("searching users: %w", err)
	}
	page := Page{Items: make([]Document, 0, len(listed))}
	if len(listed) > limit {
		listed = listed[:limit]
		next := f.cursor(listed[limit-1])
		page.NextCursor = &next
	}
	for _, l := range listed {
		page.Items = append(page.Items, l.document)
	}
	return page, nil
}

// digestSize is how much of the digest of a filter is in a cursor, in bytes.
const digestSize = 8

// digest tells searches apart, so that a page is not continued as one of
// another search, which would leave accounts out.
func (f Filter) digest() []byte {
	text, err := json.Marshal(f, json.Deterministic(true))
	if err != nil { // of fields that all have a form in JSON
		return nil
	}
	sum := sha256.Sum256(text)
	return sum[:digestSize]
}

// cursor is where a search goes on after an account: the digest of the search,
// then what its pages are ordered by.
func (f Filter) cursor(last found) string {
	c := f.digest()
	if f.Prefix != "" {
		c = append(c, last.email...)
	} else {
		c = binary.BigEndian.AppendUint64(c, uint64(last.createdAt.UnixMicro()))
		c = append(c, last.id[:]...)
	}
	return base64.RawURLEncoding.EncodeToString(c)
}

// position is where a page begins; nil is at the beginning.
func (f Filter) position(cursor string) (*found, error) {
	if cursor == "" {
		return nil, nil //nolint:nilnil // from the beginning
	}
	c, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(c) < digestSize || string(c[:digestSize]) != string(f.digest()) {
		return nil, errCursor
	}
	c = c[digestSize:]
	if f.Prefix != "" {
		return &found{email: string(c)}, nil
	}
	if len(c) != 8+len(id.User{}) {
		return nil, errCursor
	}
	at := time.UnixMicro(int64(binary.BigEndian.Uint64(c))) //nolint:gosec // as it was written
	return &found{createdAt: at, id: id.User(c[8:])}, nil
}
