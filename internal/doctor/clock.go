package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

const (
	skewWarning = 2 * time.Second
	skewProblem = 30 * time.Second // a step of a one-time code
)

// Reading is what another clock said, and between which two instants of ours.
type Reading struct {
	Said          time.Time
	Before, After time.Time
	Exact         time.Duration // what the other clock rounds down to; 0 for exact
}

// Ahead is by how much the other clock is ahead of ours at least; negative if it
// is behind, 0 if both may be right.
func (r Reading) Ahead() time.Duration {
	switch {
	case r.Said.After(r.After):
		return r.Said.Sub(r.After)
	case r.Said.Add(r.Exact).Before(r.Before):
		return r.Said.Add(r.Exact).Sub(r.Before)
	default:
		return 0
	}
}

// DatabaseClock reads the clock of the database. A connection that has to be
// made first would count as its answer.
func DatabaseClock(ctx context.Context, q postgres.Querier, now func() time.Time) (Reading, error) {
	if _, err := selectClock(ctx, q); err != nil {
		return Reading{}, err
	}
	r := Reading{Before: now()}
	var err error
	r.Said, err = selectClock(ctx, q)
	r.After = now()
	return r, err
}

// Clocks compares the clock of the database with ours. Witness, if not nil, is a
// third clock, which tells who is likely to be wrong.
func Clocks(database Reading, witness *Reading) []telemetry.Finding {
	skew := database.Ahead()
	if skew.Abs() < skewWarning {
		return nil
	}
	severity := telemetry.Warning
	if skew.Abs() >= skewProblem {
		severity = telemetry.Problem
	}
	word := "ahead of"
	if skew < 0 {
		word = "behind"
	}
	return []telemetry.Finding{{
		Severity: severity, Where: "the clocks of the database and of this machine",
		Detail: fmt.Sprintf("The database's clock is %s %s that of this machine: tokens and codes end too early or too late. %s", skew.Abs().Round(10*time.Millisecond), word, blame(skew, witness)),
		Fix:    "timedatectl set-ntp true, on the machine whose clock is wrong; timedatectl timesync-status says how far it is",
	}}
}

// blame says which of two clocks a third one contradicts.
func blame(skew time.Duration, witness *Reading) string {
	const unknown = "Which of them is wrong is not known here: compare both with a time server."
	if witness == nil {
		return unknown
	}
	third := witness.Ahead()
	switch {
	case third.Abs() < skew.Abs()/3:
		return "A third clock, that of what answers at the public URL, agrees with this machine: the database's is likely to be wrong."
	case (third - skew).Abs() < skew.Abs()/3:
		return "A third clock, that of what answers at the public URL, agrees with the database: that of this machine is likely to be wrong."
	default:
		return unknown
	}
}
