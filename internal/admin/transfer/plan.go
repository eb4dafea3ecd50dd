package transfer

import (
	"context"
	"fmt"

	"github.com/fluxbase/fluxbase/internal/admin"
	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/postgres"
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
	return p, r.refuse(ctx, q, &p)
}

// proves says whether a line takes an address as proven without saying by which
// password its owner comes in.
func (rec record) proves() bool {
	return rec.EmailVerified != nil && *rec.EmailVerified && rec.PasswordDigest == nil
}

// refuse takes lines out of a plan that would give the address of an account to
// somebody unknown who has a password for it, or a session.
func (r *run) refuse(ctx context.Context, q postgres.Querier, p *plan) error {
	var ids []id.User
	for _, rec := range p.update {
		if rec.proves() {
			ids = append(ids, rec.target)
		}
	}
	if r.Unproven != "" || len(ids) == 0 {
		return nil
	}
	unproven, err := r.Desk.Users.Unproven(ctx, q, ids...)
	kept := p.update[:0]
	for _, rec := range p.update {
		if rec.proves() && unproven[rec.target] {
			p.failed = append(p.failed, failure{rec.number, admin.ErrUnproven})
			continue
		}
		kept = append(kept, rec)
	}
	p.update = kept
	return err
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
			if err := r.Desk.Digests.SetDigest(ctx, q, rec.target, *rec.PasswordDigest); err != nil {
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
		if err := r.Factors.Import(ctx, q, rec.target, Seed{f.Secret, f.Name, f.LastUsedStep}); err != nil {
			if fault.KindOf(err) == fault.Invalid {
				return fault.Input(fmt.Sprintf("/factors/%d/secret", i), "invalid_factor_secret", "The seed cannot be taken.").Because(err)
			}
			return fmt.Errorf("keeping a factor: %w", err)
		}
	}
	return nil
}

// update puts what lines have into accounts that are there.
func (r *run) update(ctx context.Context, q postgres.Querier, records []record) (past, error) {
	p := past{versions: make(map[id.User]int64, len(records))}
	for _, rec := range records {
		version, ended, err := r.updateOne(ctx, q, rec)
		if err != nil {
			return past{}, err
		}
		p.ended, p.versions[rec.target] = append(p.ended, ended...), version
	}
	return p, insertIdentities(ctx, q, records, r.Now)
}

func (r *run) updateOne(ctx context.Context, q postgres.Querier, rec record) (version int64, ended []id.Session, err error) {
	changed := admin.Changed{By: r.by.Actor}
	if changed.Before, err = r.Desk.Users.Contact(ctx, q, rec.target); err != nil {
		return 0, nil, err
	}
	if rec.Email != nil {
		changed.Email = *rec.Email
	}
	if rec.proves() { // asked once more, now that nobody else signs in
		if changed.Reset, err = r.Desk.Prove(ctx, q, r.by, rec.target, r.Unproven); err != nil {
			return 0, nil, err
		}
	}
	if changed.Password, err = r.password(ctx, q, rec); err != nil {
		return 0, nil, err
	}
	if ended, err = r.ban(ctx, q, rec); err != nil {
		return 0, nil, err
	}
	version, err = r.Desk.Users.Amend(ctx, q, rec.target, user.Change{
		Email: rec.Email, Verified: rec.EmailVerified, UserMetadata: rec.UserMetadata, AppMetadata: rec.AppMetadata,
	})
	if err != nil {
		return 0, nil, err
	}
	if changed.Factor, err = r.addFactors(ctx, q, rec); err != nil {
		return 0, nil, err
	}
	more, err := r.Desk.CredentialsChanged(ctx, q, rec.target, changed)
	return version, append(ended, more...), err
}

// password sets a password, and says whether it is another than before.
func (r *run) password(ctx context.Context, q postgres.Querier, rec record) (bool, error) {
	if rec.PasswordDigest == nil {
		return false, nil
	}
	before, err := selectDigest(ctx, q, rec.target)
	if err != nil || before == *rec.PasswordDigest {
		return false, err
	}
	if err := r.Desk.Digests.SetDigest(ctx, q, rec.target, *rec.PasswordDigest); err != nil {
		return false, fmt.Errorf("keeping a digest: %w", err)
	}
	return true, nil
}

// ban sets until when a user is banned. What is over ends no sessions.
func (r *run) ban(ctx context.Context, q postgres.Querier, rec record) ([]id.Session, error) {
	switch {
	case rec.BannedUntil == nil:
		return nil, nil
	case rec.BannedUntil.After(r.Now()):
		return r.Desk.BanIn(ctx, q, rec.target, *rec.BannedUntil, "")
	default:
		return nil, r.Desk.Users.Ban(ctx, q, rec.target, *rec.BannedUntil, "")
	}
}

// addFactors gives an account the factors of a line if it has none, and says
// whether it did: those that it has stay, and an import that is run again adds
// none.
func (r *run) addFactors(ctx context.Context, q postgres.Querier, rec record) (mail.Kind, error) {
	if len(rec.Factors) == 0 {
		return "", nil
	}
	held, err := r.Factors.Export(ctx, q, rec.target)
	if err != nil || len(held) > 0 {
		return "", err
	}
	return mail.FactorAdded, r.factors(ctx, q, rec)
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
