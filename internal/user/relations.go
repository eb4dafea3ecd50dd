package user

import (
	"context"
	"fmt"
	"slices"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Relations is what else there is of a user: rows in the tables of applications.
type Relations struct {
	References []Reference `json:"references"`
	Left       []Left      `json:"left"`
}

// Reference is a foreign key to auth.users, or to a table whose rows go with the
// user, and the rows that it concerns if the user is deleted.
type Reference struct {
	Table   string   `json:"table"`         // schema.table
	Columns []string `json:"columns"`       // that refer
	Via     string   `json:"via,omitempty"` // the table that is referred to; absent: auth.users
	Action  string   `json:"action"`        // on delete: cascade, set_null, set_default, restrict, no_action
	Rows    *int64   `json:"rows"`          // null: the server may not read the table
	query   string   // that counts
}

// Left is a column that looks as if it named users and is no foreign key: its
// rows stay as they are.
type Left struct {
	Table  string `json:"table"`
	Column string `json:"column"`
	Rows   *int64 `json:"rows"`
	query  string
}

// blocks says that PostgreSQL will refuse to delete the user for these rows.
func (r Reference) blocks() bool {
	return (r.Action == "restrict" || r.Action == "no_action") && r.Rows != nil && *r.Rows > 0
}

// Blocked returns nil, or a fault that points to each foreign key whose rows
// keep the user from being deleted.
func (r Relations) Blocked() error {
	f := *errReferenced
	for _, ref := range r.References {
		if ref.blocks() {
			f.Fields = append(f.Fields, fault.Field{
				Pointer: ref.place(), Detail: fmt.Sprintf("%d rows, on delete %s", *ref.Rows, ref.Action),
			})
		}
	}
	if len(f.Fields) == 0 {
		return nil
	}
	return &f
}

func (r Reference) place() string {
	place := r.Table + "("
	for i, c := range r.Columns {
		if i > 0 {
			place += ", "
		}
		place += c
	}
	return place + ")"
}

var errReferenced = fault.New(fault.Conflict, "user_has_rows",
	"There are rows that refer to the user and keep it from being deleted; delete them first, or change their foreign keys.")

// Relations counts what refers to a user: foreign keys of any schema but the
// server's own, and columns user_id and owner_id without one in some schemas. It
// returns ErrNotFound. The user is locked, so that no row can be added until the
// transaction is over.
func (s *Service) Relations(ctx context.Context, q postgres.Querier, userID id.User, schemas []string) (Relations, error) {
	if err := lockForDelete(ctx, q, userID); err != nil {
		return Relations{}, err
	}
	keys, err := selectForeignKeys(ctx, q)
	if err != nil {
		return Relations{}, fmt.Errorf("reading foreign keys: %w", err)
	}
	columns, err := selectLoose(ctx, q, schemas)
	if err != nil {
		return Relations{}, fmt.Errorf("reading columns: %w", err)
	}
	r := Relations{References: references(keys), Left: loose(columns)}
	for i := range r.References {
		if r.References[i].Rows, err = count(ctx, q, r.References[i].query, userID); err != nil {
			return Relations{}, err
		}
	}
	for i := range r.Left {
		if r.Left[i].Rows, err = count(ctx, q, r.Left[i].query, userID); err != nil {
			return Relations{}, err
		}
	}
	return r, nil
}

// Delete removes an account with all that the server keeps of it, after
// Relations has found nothing in its way. Its sessions are refused from then on.
// It returns ErrNotFound.
func (s *Service) Delete(ctx context.Context, q postgres.Querier, userID id.User) error {
	contact, err := lockContact(ctx, q, userID)
	if err == nil {
		err = remove(ctx, q, userID)
	}
	if report := postgres.Report(err); report != nil && (report.State == "23503" || report.State == "23001") {
		return errReferenced // by rows further away, or that we may not count
	}
	if err != nil {
		return fmt.Errorf("deleting a user: %w", err)
	}
	if s.Farewell == nil {
		return nil
	}
	return s.Farewell.Gone(ctx, q, contact)
}

// foreignKey is one that leads to auth.users, straight or by one table whose
// rows go with the user.
type foreignKey struct {
	schema, table       string
	columns, referenced []string // pairs
	action              string
	readable            bool
	via                 *foreignKey // of the table in between
}

// references writes the statement that counts the rows of each key. Rows of a
// further table that go with the user by themselves are not counted again.
func references(keys []foreignKey) []Reference {
	found := make([]Reference, 0, len(keys))
	for _, k := range keys {
		r := Reference{Table: k.schema + "." + k.table, Columns: k.columns, Action: k.action}
		if k.via != nil {
			r.Via = k.via.schema + "." + k.via.table
		}
		if k.readable && (k.via == nil || k.via.readable) {
			own := slices.DeleteFunc(slices.Clone(keys), func(o foreignKey) bool {
				return k.via == nil || o.via != nil || o.action != "cascade" || o.schema != k.schema || o.table != k.table
			})
			r.query = countQuery(k, own)
		}
		found = append(found, r)
	}
	return found
}

func loose(columns []foreignKey) []Left {
	found := make([]Left, 0, len(columns))
	for _, c := range columns {
		l := Left{Table: c.schema + "." + c.table, Column: c.columns[0]}
		if c.readable {
			l.query = countQuery(c, nil)
		}
		found = append(found, l)
	}
	return found
}
