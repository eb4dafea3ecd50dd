package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

const versionSQL = `select coalesce(max(version_id), 0) from auth.server_migrations where is_applied`

// ErrOutdated means that the database has the schema of an older program.
var ErrOutdated = errors.New("the schema of the database is older than this program")

// Current says whether the database has the schema of this program, or a newer
// one. It returns ErrOutdated if it does not, and changes nothing.
func Current(ctx context.Context, q postgres.Querier) error {
	var version int64
	if err := q.QueryRow(ctx, versionSQL).Scan(&version); err != nil {
		return fmt.Errorf("reading the version of the schema: %w", postgres.Fault(err))
	}
	newest, err := newest(Server())
	if err != nil || version >= newest {
		return err
	}
	return ErrOutdated
}

// newest is the highest number among the files of a source.
func newest(source Source) (int64, error) {
	files, err := fs.Glob(source.Files, "*.sql")
	if err != nil {
		return 0, fmt.Errorf("listing migrations: %w", err)
	}
	var highest int64
	for _, file := range files {
		number, _, _ := strings.Cut(path.Base(file), "_")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading the number of a migration: %w", err)
		}
		highest = max(highest, n)
	}
	return highest, nil
}
