package lint

import (
	"context"
	"fmt"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Apply runs the SQL of the safe findings. An index is created beside the work
// of others, which no transaction can hold, and is recorded once it is there.
func (s *Service) Apply(ctx context.Context, by audit.Actor, found []Finding) error {
	for _, f := range found {
		if !f.Safe {
			continue
		}
		did := by.Did(audit.PolicyMended, "", id.UUID{}, "rule", f.Rule, "object", f.Object, "policy", f.Policy)
		if f.Rule == ruleIndex {
			if err := runSafe(ctx, s.DB.Single(), f.SQL); err != nil {
				return fmt.Errorf("mending %s: %w", f.Object, err)
			}
			if err := audit.Write(ctx, s.DB.Single(), did); err != nil {
				return err
			}
			continue
		}
		err := s.DB.InTx(ctx, func(q postgres.Querier) error {
			if err := waitBriefly(ctx, q); err != nil {
				return err
			}
			if err := runSafe(ctx, q, f.SQL); err != nil {
				return err
			}
			return audit.Write(ctx, q, did)
		})
		if err != nil {
			return fmt.Errorf("mending %s: %w", f.Object, err)
		}
	}
	return nil
}

// Summary counts problems, warnings and notices.
func Summary(found []Finding) (problems, warnings, notices int) {
	for _, f := range found {
		switch f.Severity {
		case Problem:
			problems++
		case Warning:
			warnings++
		case Notice:
			notices++
		}
	}
	return problems, warnings, notices
}
