package dataapi

import (
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/payload"
	"github.com/fluxbase/fluxbase/internal/fault"
)

var errOne = Fault(fault.Invalid, "PGRST102", "The body must be one row")

var errBody = Fault(fault.Invalid, "PGRST102", "The body must be a JSON object, or an array of objects with the same keys")

// one reads a body of one row, and returns refusal if it has none or more.
func (s *Service) one(b Body, o payload.Options, refusal error) (payload.Run, error) {
	o.MaxRow = s.MaxRow
	r := payload.NewReader(b.Media, b.Text, o)
	batch, err := r.Next()
	if errors.Is(err, io.EOF) {
		return payload.Run{}, refusal
	}
	if err != nil {
		return payload.Run{}, err
	}
	_, err = r.Next()
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return payload.Run{}, err
	case err == nil || len(batch) > 1 || batch[0].Count > 1:
		return payload.Run{}, refusal
	}
	return batch[0], nil
}

// jsonColumns are the columns of a table that hold JSON.
func jsonColumns(table *catalog.Table) []string {
	var names []string
	for _, c := range table.Columns {
		if c.Info.Base == "pg_catalog.json" || c.Info.Base == "pg_catalog.jsonb" {
			names = append(names, c.Name)
		}
	}
	return names
}

// objectKeys reads one object and returns its keys in order.
func objectKeys(d *jsontext.Decoder) ([]string, error) {
	if _, err := d.ReadToken(); err != nil {
		return nil, errBody
	}
	keys := []string{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, errBody
		}
		keys = append(keys, name.String())
		if err := d.SkipValue(); err != nil {
			return nil, errBody
		}
	}
	_, err := d.ReadToken()
	return keys, err
}
