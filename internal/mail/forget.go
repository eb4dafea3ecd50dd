package mail

import (
	"context"
	"fmt"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Forget removes all messages to an address, as part of a transaction. Those
// that have not been sent never are.
func (s *Service) Forget(ctx context.Context, q postgres.Querier, address string) error {
	values, err := deleteTo(ctx, q, address)
	if err != nil {
		return fmt.Errorf("forgetting messages: %w", err)
	}
	if len(values) == 0 {
		return nil
	}
	return s.values.Delete(ctx, q, values...)
}
