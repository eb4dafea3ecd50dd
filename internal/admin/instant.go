package admin

import (
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Instant is a member of a body that may be absent, null, or an instant, each
// with a meaning of its own.
type Instant struct {
	Set bool       // whether it is there
	At  *time.Time // nil for null
}

// IsZero makes an absent member absent.
func (i Instant) IsZero() bool { return !i.Set }

// MarshalJSONTo implements json.MarshalerTo.
func (i Instant) MarshalJSONTo(e *jsontext.Encoder) error { return json.MarshalEncode(e, i.At) }

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (i *Instant) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	i.Set = true
	return json.UnmarshalDecode(d, &i.At)
}
