// Package typescript describes the database to the TypeScript compiler: the
// tables, views, functions, enums and composite types of some schemas as the
// type Database that clients of Supabase are made with, and its helper types.
//
// A value has the type that it has in the data API's JSON. Module is pure and
// its text depends on the schema alone: not on when or in which order things
// were made. It does not say who may do what, which is for Row-Level Security
// and grants to decide.
package typescript

import (
	"context"
	"slices"

	"github.com/fluxbase/fluxbase/internal/catalog"
)

// Service describes the database as it is when it is asked. It is safe for
// concurrent use.
type Service struct {
	DB      catalog.Database
	Schemas []string // that are exposed, the default one first
}

// Generate returns the module of some schemas, the first of them being the
// default one of the helper types; of the exposed ones if none is named. It is
// fault.NotFound if there is none of a name.
func (s *Service) Generate(ctx context.Context, schemas []string) (string, error) {
	if len(schemas) == 0 {
		schemas = s.Schemas
	}
	var once []string
	for _, name := range schemas {
		if !slices.Contains(once, name) {
			once = append(once, name)
		}
	}
	snapshot, err := catalog.Read(ctx, s.DB, once)
	if err != nil {
		return "", err
	}
	return Module(snapshot, once), nil
}
