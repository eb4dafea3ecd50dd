package user

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Known is what is known about who has an address.
type Known struct {
	ID       id.User // zero: nobody
	Verified bool
}

// Find looks an address up, which must be normalised.
func (s *Service) Find(ctx context.Context, q postgres.Querier, email string) (Known, error) {
	return selectKnown(ctx, q, email)
}

// NewID returns an identifier for an account that will be made.
func (s *Service) NewID() id.User { return id.User(id.New(s.Now())) }

// CheckMetadata returns the metadata of an account that will be made as JSON,
// or the fault of one that is too large.
func CheckMetadata(metadata Metadata) (string, error) { return Encode("/data", metadata) }

// Convert gives an anonymous account an address and with it an identity. It
// returns ErrExists if the address belongs to somebody else, and ErrNotFound
// if the account is not an anonymous one.
func (s *Service) Convert(ctx context.Context, q postgres.Querier, userID id.User, email string, verified bool) error {
	if err := updateAnonymous(ctx, q, userID, email, verified); err != nil {
		return err
	}
	return s.identify(ctx, q, userID)
}

// Verify notes that the owner of an account has the mailbox of its address, and
// says whether that was known. It returns ErrNotFound if the account has
// another address by now.
func (s *Service) Verify(ctx context.Context, q postgres.Querier, userID id.User, email string) (known bool, err error) {
	return updateVerified(ctx, q, userID, email)
}

// Announce notes which address an account is to have; "" is none.
func (s *Service) Announce(ctx context.Context, q postgres.Querier, userID id.User, email string) error {
	return updateNewEmail(ctx, q, userID, email)
}

// Move gives an account another address. It returns ErrExists.
func (s *Service) Move(ctx context.Context, q postgres.Querier, userID id.User, email string, verified bool) error {
	return updateEmail(ctx, q, userID, email, verified)
}

// Contact is how an account is reached, which nobody else changes until the transaction ends.
type Contact struct {
	Email    string // "" if it has none
	NewEmail string // asked for and not yet confirmed; "" if there is none
	Verified bool
}

// Contact makes changes of one account wait for each other until the end of the
// transaction. It returns ErrNotFound.
func (s *Service) Contact(ctx context.Context, q postgres.Querier, userID id.User) (Contact, error) {
	return lockContact(ctx, q, userID)
}

// MergeJSON is Merge for metadata that is JSON already, without nulls.
func (s *Service) MergeJSON(ctx context.Context, q postgres.Querier, userID id.User, metadata string) error {
	return updateMetadata(ctx, q, userID, metadata, []string{})
}

// Draft returns the document of an account that will be made when its address
// is proven.
func (s *Service) Draft(userID id.User, email string, metadata Metadata) (Document, error) {
	now := s.Now().UTC()
	if metadata == nil {
		metadata = Metadata{}
	}
	doc, err := json.Marshal(User{
		ID: userID, Email: &email, Role: "authenticated", UserMetadata: metadata, AppMetadata: Metadata{}, Identities: []Identity{},
		CreatedAt: now, UpdatedAt: now,
	}, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("drafting a user: %w", err)
	}
	return doc, nil
}
