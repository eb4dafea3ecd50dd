package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Owned is a session with whose it is, as administrators get to see it.
type Owned struct {
	UserID id.User `json:"user_id"`
	Email  *string `json:"email"`
	Session
}

// OwnedPage is a page of sessions of several users.
type OwnedPage struct {
	Items      []Owned `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// Search returns sessions that are not over, newest first: those of a user, or
// of all for the zero identifier. cursor is the NextCursor of the page before,
// of the same search.
func (s *Service) Search(ctx context.Context, userID id.User, cursor string, limit int) (OwnedPage, error) {
	before, err := position(userID, cursor)
	if err != nil {
		return OwnedPage{}, err
	}
	found, err := selectOwned(ctx, s.DB.Single(), userID, before, s.Config.IdleTTL, limit+1)
	if err != nil {
		return OwnedPage{}, fmt.Errorf("searching sessions: %w", err)
	}
	page := OwnedPage{Items: found}
	if len(found) > limit {
		page.Items = found[:limit]
		next := page.Items[limit-1].ID.String() + userID.String()
		page.NextCursor = &next
	}
	return page, nil
}

// position reads a cursor: a session, and the user that was searched for.
func position(userID id.User, cursor string) (*id.Session, error) {
	if cursor == "" {
		return nil, nil //nolint:nilnil // from the beginning
	}
	last, err := id.Parse(cursor[:min(36, len(cursor))])
	if err != nil || cursor[36:] != userID.String() {
		return nil, fault.Input("?cursor", "invalid_cursor", "The cursor is not one that a page of this search ended with.")
	}
	before := id.Session(last)
	return &before, nil
}

// EndOne ends a session whosever it is, and returns whose it was. It returns
// ErrNotFound. Once the transaction has committed, tell Revoked.
func (s *Service) EndOne(ctx context.Context, q postgres.Querier, sessionID id.Session, reason Reason) (id.User, error) {
	userID, err := endOne(ctx, q, sessionID, reason)
	if errors.Is(err, errNoSession) {
		return userID, ErrNotFound
	}
	return userID, err
}
