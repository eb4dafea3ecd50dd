package transfer

import (
	"context"
	"fmt"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/user"
)

// Faults of lines.
var (
	errTwoAccounts = fault.Input("/id", "user_conflict", "The id belongs to one account and the address to another.")
	errIdentity    = fault.Input("/identities", "identity_already_exists", "An identity belongs to another account.")
)

// plan is what becomes of the records of a batch.
type plan struct {
	create, update []record
	skipped        int
	failed         []failure
}

type failure struct {
	number int
	err    error
}

// exists puts a record whose account is there where it belongs.
func (p *plan) exists(rec record, on Conflict, account id.User) {
	switch on {
	case Skip:
		p.skipped++
	case Update:
		rec.target = account
		p.update = append(p.update, rec)
	default:
		p.failed = append(p.failed, failure{rec.number, user.ErrExists})
	}
}

// plan looks up which accounts are there.
func (r *run) plan(ctx context.Context, q postgres.Querier, records []record) (plan, error) {
	var p plan
	there, err := selectThere(ctx, q, records)
	if err != nil {
		return p, err
	}
	owners, err := selectOwners(ctx, q, records)
	if err != nil {
		return p, err
	}
	for _, rec := range records {
		account, known, err := there.find(rec.Line)
		switch {
		case err != nil:
			p.failed = append(p.failed, failure{rec.number, err})
		case taken(rec.Line, owners, account.id) && (!known || r.OnConflict == Update):
			p.failed = append(p.failed, failure{rec.number, errIdentity})
		case known:
			p.exists(rec, r.OnConflict, account.id)
		default:
			if rec.target = id.User(id.New(r.Now())); rec.ID != nil {
				rec.target = *rec.ID
			}
			p.create = append(p.create, rec)
		}
	}
	return p, nil
}

// account is one that is there.
type account struct {
	id    id.User
	email string
}

type accounts struct {
	byID    map[id.User]account
	byEmail map[string]account
}

// find returns the account that a line is about.
func (a accounts) find(l Line) (found account, known bool, err error) {
	if l.ID != nil {
		found, known = a.byID[*l.ID]
	}
	if l.Email == nil {
		return found, known, nil
	}
	byEmail, ok := a.byEmail[*l.Email]
	switch {
	case !ok:
		return found, known, nil
	case known && byEmail.id != found.id:
		return found, known, errTwoAccounts
	default:
		return byEmail, true, nil
	}
}

// taken says whether an identity of a line belongs to another account.
func taken(l Line, owners map[Identity]id.User, account id.User) bool {
	for _, in := range l.foreign() {
		if owner, ok := owners[in]; ok && owner != account {
			return true
		}
	}
	return false
}

// create makes the accounts of a plan. One that somebody has made meanwhile is
// taken out of it.
func (r *run) create(ctx context.Context, q postgres.Querier, p *plan) error {
	if len(p.create) == 0 {
		return nil
	}
	made, err := insertUsers(ctx, q, p.create)
	if err != nil {
		return err
	}
	kept := p.create[:0]
	for _, rec := range p.create {
		switch {
		case made[rec.target]:
			kept = append(kept, rec)
		case r.OnConflict == Skip:
			p.skipped++
		default:
			p.failed = append(p.failed, failure{rec.number, user.ErrExists})
		}
	}
	p.create = kept
	if err := insertIdentities(ctx, q, p.create, r.Now); err != nil {
		return err
	}
	for _, rec := range p.create {
		if rec.PasswordDigest != nil {
			if err := r.Digests.SetDigest(ctx, q, rec.target, *rec.PasswordDigest); err != nil {
				return fmt.Errorf("keeping a digest: %w", err)
			}
		}
		if err := r.factors(ctx, q, rec); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) factors(ctx context.Context, q postgres.Querier, rec record) error {
	for i, f := range rec.Factors {
		if err := r.Factors.Import(ctx, q, rec.target, f.Secret, f.Name); err != nil {
			if fault.KindOf(err) == fault.Invalid {
				return fault.Input(fmt.Sprintf("/factors/%d/secret", i), "invalid_factor_secret", "The seed cannot be taken.").Because(err)
			}
			return fmt.Errorf("keeping a factor: %w", err)
		}
	}
	return nil
}

// update puts what lines have into accounts that are there.
func (r *run) update(ctx context.Context, q postgres.Querier, records []record) (ended []id.Session, err error) {
	for _, rec := range records {
		sessions, err := r.updateOne(ctx, q, rec)
		if err != nil {
			return nil, err
		}
		ended = append(ended, sessions...)
	}
	return ended, insertIdentities(ctx, q, records, r.Now)
}

func (r *run) updateOne(ctx context.Context, q postgres.Querier, rec record) (ended []id.Session, err error) {
	if err := r.Users.Lock(ctx, q, rec.target); err != nil {
		return nil, err
	}
	if rec.PasswordDigest != nil {
		if ended, err = r.password(ctx, q, rec); err != nil {
			return nil, err
		}
	}
	if rec.BannedUntil != nil {
		if rec.BannedUntil.After(r.Now()) {
			banned, err := r.Sessions.EndAll(ctx, q, rec.target, id.Session{}, session.Banned)
			if err != nil {
				return nil, err
			}
			ended = append(ended, banned...)
		}
		if err := r.Users.Ban(ctx, q, rec.target, *rec.BannedUntil, ""); err != nil {
			return nil, err
		}
	}
	_, err = r.Users.Amend(ctx, q, rec.target, user.Change{
		Email: rec.Email, Verified: rec.EmailVerified, UserMetadata: rec.UserMetadata, AppMetadata: rec.AppMetadata,
	})
	if err != nil || len(rec.Factors) == 0 {
		return ended, err
	}
	held, err := r.Factors.Export(ctx, q, rec.target)
	if err != nil || len(held) > 0 { // theirs stay, and an import that is run again adds none
		return ended, err
	}
	return ended, r.factors(ctx, q, rec)
}

// password sets a password that is another than before, which ends sessions.
func (r *run) password(ctx context.Context, q postgres.Querier, rec record) ([]id.Session, error) {
	before, err := selectDigest(ctx, q, rec.target)
	if err != nil || before == *rec.PasswordDigest {
		return nil, err
	}
	if err := r.Digests.SetDigest(ctx, q, rec.target, *rec.PasswordDigest); err != nil {
		return nil, fmt.Errorf("keeping a digest: %w", err)
	}
	return r.Sessions.EndAll(ctx, q, rec.target, id.Session{}, session.PasswordChanged)
}

// record writes the audit record of a batch.
func (r *run) record(ctx context.Context, q postgres.Querier, p plan) error {
	first, last := 1<<62, 0
	for _, records := range [][]record{p.create, p.update} {
		for _, rec := range records {
			first, last = min(first, rec.number), max(last, rec.number)
		}
	}
	return audit.Write(ctx, q, r.by.Did(audit.UsersImported, "user", id.UUID{}, "first_line", fmt.Sprint(first), "last_line", fmt.Sprint(last),
		"created", fmt.Sprint(len(p.create)), "updated", fmt.Sprint(len(p.update))))
}
