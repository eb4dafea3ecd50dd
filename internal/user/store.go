package user

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// tooLarge tells metadata over its limit from other refusals.
func tooLarge(err error) error {
	if report := postgres.Report(err); report != nil && report.State == "23514" {
		return TooMuch("/data")
	}
	return postgres.Fault(err)
}

const updateSignInSQL = `
with identity as (
	update auth.identities set last_sign_in_at = now() where user_id = $1 and issuer = $2 and subject = $3)
update auth.users u set last_sign_in_at = now(), sign_in_noticed_at = coalesce(u.sign_in_noticed_at, '-infinity')
from auth.users before where u.id = $1 and before.id = u.id
returning before.sign_in_noticed_at is null`

func updateSignIn(ctx context.Context, q postgres.Querier, userID id.User, issuer, subject string) (first bool, err error) {
	err = q.QueryRow(ctx, updateSignInSQL, userID, issuer, subject).Scan(&first)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, ErrNotFound
	}
	return first, postgres.Fault(err)
}

const updateNoticedSQL = `
update auth.users set sign_in_noticed_at = now() where id = $1 and sign_in_noticed_at <= now() - $2::interval`

func updateNoticed(ctx context.Context, q postgres.Querier, userID id.User, window time.Duration) (bool, error) {
	tag, err := q.Exec(ctx, updateNoticedSQL, userID, window)
	return tag.RowsAffected() == 1, postgres.Fault(err)
}

const selectDocumentSQL = `
select document from auth.user_documents where id = $1`

func selectDocument(ctx context.Context, q postgres.Querier, userID id.User) (Document, error) {
	var doc []byte
	err := q.QueryRow(ctx, selectDocumentSQL, userID).Scan(&doc)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	return doc, postgres.Fault(err)
}

const updateMetadataSQL = `
update auth.users set user_metadata = (user_metadata || $2::jsonb) - $3::text[], updated_at = now()
where id = $1`

func updateMetadata(ctx context.Context, q postgres.Querier, userID id.User, metadata string, remove []string) error {
	tag, err := q.Exec(ctx, updateMetadataSQL, userID, metadata, remove)
	if err == nil && tag.RowsAffected() == 0 {
		return ErrNotFound
	}
	return tooLarge(err)
}
