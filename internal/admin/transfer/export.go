package transfer

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/admin"
	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
)

// Export writes every account as a JSON line, by id, with digests and seeds if
// credentials are asked for. It reads page by page: what changes meanwhile may
// be there as it was or as it is. The audit record comes first.
func (s *Service) Export(ctx context.Context, by admin.By, credentials bool, w io.Writer) error {
	if err := audit.Write(ctx, s.DB.Single(), by.Did(audit.UsersExported, "user", id.UUID{}, "credentials", strconv.FormatBool(credentials))); err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	for after := (id.User{}); ; {
		lines, err := selectLines(ctx, s.DB.Single(), after, credentials, batchSize)
		if err != nil {
			return fmt.Errorf("reading users: %w", err)
		}
		for _, l := range lines {
			if err := s.writeLine(ctx, out, l, credentials); err != nil {
				return err
			}
		}
		if len(lines) < batchSize {
			return out.Flush()
		}
		after = *lines[len(lines)-1].ID
	}
}

func (s *Service) writeLine(ctx context.Context, out *bufio.Writer, l Line, credentials bool) error {
	if credentials && s.Factors != nil {
		seeds, err := s.Factors.Export(ctx, s.DB.Single(), *l.ID)
		if err != nil {
			return fmt.Errorf("reading factors: %w", err)
		}
		for _, seed := range seeds {
			l.Factors = append(l.Factors, Factor{"totp", seed.Secret, seed.Name, seed.LastUsedStep})
		}
	}
	text, err := json.Marshal(l, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("encoding a user: %w", err)
	}
	_, err = out.Write(append(text, '\n'))
	return err
}
