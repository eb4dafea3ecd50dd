package openapi

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ordered is a JSON object whose members stay in the order in which they were set.
type ordered struct {
	names  []string
	values object
}

// get returns a member, or nil.
func (o *ordered) get(name string) any { return o.values[name] }

func (o *ordered) set(name string, value any) {
	if o.values == nil {
		o.values = object{}
	}
	if _, known := o.values[name]; !known {
		o.names = append(o.names, name)
	}
	o.values[name] = value
}

// MarshalJSONTo implements json.MarshalerTo.
func (o *ordered) MarshalJSONTo(e *jsontext.Encoder) error {
	if err := e.WriteToken(jsontext.BeginObject); err != nil {
		return fmt.Errorf("beginning an object: %w", err)
	}
	for _, name := range o.names {
		if err := e.WriteToken(jsontext.String(name)); err != nil {
			return fmt.Errorf("naming a member: %w", err)
		}
		if err := json.MarshalEncode(e, o.values[name]); err != nil {
			return fmt.Errorf("writing a member: %w", err)
		}
	}
	if err := e.WriteToken(jsontext.EndObject); err != nil {
		return fmt.Errorf("ending an object: %w", err)
	}
	return nil
}
