package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/fluxbase/fluxbase/bench/pgbench"
	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
)

// The ratios to reach.
const (
	targetTransaction = 1.2
	targetOneRow      = 0.4
	targetHundredRows = 0.7
	targetManyRows    = 0.85
	targetEmbedding   = 0.85
	targetInsert      = 0.4
	targetBulk        = 0.8
	targetUser        = 0.2
	targetRefresh     = 0.3
	targetSignIn      = 0.9
)

// byPgbench is a floor that pgbench runs, with as many clients as there are
// workers.
func (b *rig) byPgbench(name string, target float64, as pgbench.Target, s script) floor {
	return floor{name: name, target: target, run: func(ctx context.Context, workers, seconds int) (float64, error) {
		report, err := b.pgbench(ctx, as, s, workers, seconds)
		return report.Throughput, err
	}}
}

func (b *rig) pgbench(ctx context.Context, as pgbench.Target, s script, workers, seconds int) (pgbench.Report, error) {
	r := pgbench.Run{
		Program: b.program, Target: as, Script: s.text, Variables: s.variables, Clients: workers, Seconds: seconds,
	}
	return r.Do(ctx) //nolint:wrapcheck // says what it was doing
}

// byBcrypt is a floor of nothing but hashing, in as many goroutines as there are
// workers.
func byBcrypt(name string, target float64, hash func() error) []floor {
	return []floor{{name: name, target: target, run: func(ctx context.Context, count, seconds int) (float64, error) {
		workers := make([]worker, count)
		for i := range workers {
			workers[i].step = hash
		}
		l, err := drive(ctx, workers, time.Duration(seconds)*time.Second)
		return l.throughput(), err
	}}}
}

func generateFloor(b *rig) []floor {
	return byBcrypt(fmt.Sprintf("bcrypt generate, cost %d", b.cost), 0, func() error {
		_, err := bcrypt.GenerateFromPassword([]byte(password), b.cost)
		return err //nolint:wrapcheck // cannot fail
	})
}

func compareFloor(b *rig) []floor {
	return byBcrypt(fmt.Sprintf("bcrypt compare, cost %d", b.cost), targetSignIn, func() error {
		return bcrypt.CompareHashAndPassword(b.digest, []byte(password)) //nolint:wrapcheck // cannot fail
	})
}

func userFloor(b *rig) []floor {
	return []floor{b.byPgbench("primary-key select", targetUser, b.owner, b.userScript())}
}

func oneRowFloors(b *rig) []floor {
	return []floor{
		b.byPgbench(transaction, targetTransaction, b.caller, b.oneRowScript(transaction)),
		b.byPgbench(pipelined, targetOneRow, b.caller, b.oneRowScript(pipelined)),
	}
}

func hundredRowsFloors(b *rig) []floor {
	return b.callerFloors(b.plans.hundredRows, true, targetHundredRows)
}

func thousandRowsFloors(b *rig) []floor {
	return b.callerFloors(b.plans.manyRows, true, targetManyRows)
}

func embeddingFloors(b *rig) []floor { return b.callerFloors(b.plans.embedding, true, targetEmbedding) }

func insertFloors(b *rig) []floor { return b.callerFloors(b.plans.insert, false, targetInsert) }

// callerFloors are a statement's two floors, of which the pipelined one is to be
// reached.
func (b *rig) callerFloors(st plan.Statement, readOnly bool, target float64) []floor {
	return []floor{
		b.byPgbench(transaction, 0, b.caller, b.callerScript(transaction, st, readOnly)),
		b.byPgbench(pipelined, target, b.caller, b.callerScript(pipelined, st, readOnly)),
	}
}

// rotateFloor is the one-statement rotation. Each round begins at the first
// generation, and afterwards every rotation must have happened.
func rotateFloor(b *rig) []floor {
	s := b.rotateScript()
	run := func(ctx context.Context, workers, seconds int) (float64, error) {
		const ours = " where id >= ('" + floorPrefix + floorBaseText + "')::uuid and id < '00000000-0000-7900-0000-000000000000'"
		if _, err := b.conn.Exec(ctx, "update auth.sessions set generation = 1"+ours); err != nil {
			return 0, fmt.Errorf("preparing sessions: %w", err)
		}
		report, err := b.pgbench(ctx, b.owner, s, workers, seconds)
		if err != nil {
			return 0, err
		}
		var rotations, over int64
		err = b.conn.QueryRow(ctx, "select sum(generation - 1)::bigint, count(ended_at) from auth.sessions"+ours).Scan(&rotations, &over)
		if err != nil {
			return 0, fmt.Errorf("counting rotations: %w", err)
		}
		if rotations != report.Transactions || over > 0 {
			return 0, fmt.Errorf("pgbench ran %d rotations, of which %d happened; %d sessions are over", report.Transactions, rotations, over)
		}
		return report.Throughput, nil
	}
	return []floor{{name: "one-statement rotation", target: targetRefresh, run: run}}
}
