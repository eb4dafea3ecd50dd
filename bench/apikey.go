package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// What a read with an API key may take, in times of the same with an access
// token: either is looked up in memory.
const targetAPIKey = 1.05

// apiKeys compares the median of reads of one row with API keys with that of the
// same reads with access tokens. They take turns, and the ratio of each pair of
// rounds counts.
func (b *rig) apiKeys(ctx context.Context, out io.Writer, results *Results) error {
	if !b.options.wants("api-key") {
		return nil
	}
	keys := make([]string, len(b.people))
	for i, p := range b.people {
		var err error
		if keys[i], err = b.makeKey(ctx, p); err != nil {
			return fmt.Errorf("making an API key: %w", err)
		}
	}
	byKey := func(b *rig, w *worker, p *person) func() error { return oneRowAs(b, w, p, keys[p.index]) }
	for _, count := range b.options.workers {
		medians, err := b.medians(ctx, count, oneRow, byKey)
		if err != nil {
			return err
		}
		f := newFigure(fmt.Sprintf("api-key, %d workers: the median of a one-row read with an API key (%.0f µs), times one with an access token (%.0f µs)",
			count, median(medians[1]), median(medians[0])), median(ratios(medians[1], medians[0])), "", targetAPIKey)
		printFigure(out, f)
		results.Figures = append(results.Figures, f)
	}
	return nil
}

// medians has workers do two things in turns, and returns the median latency of
// each round in microseconds.
func (b *rig) medians(ctx context.Context, count int, steps ...func(*rig, *worker, *person) func() error) (found [2][]float64, err error) {
	var teams [2][]worker
	for i, step := range steps {
		teams[i], err = opener(step)(ctx, b, count)
		defer closeAll(teams[i])
		if err != nil {
			return found, err
		}
	}
	n, seconds := (&scenario{}).rounds(b.options.seconds)
	for round := range n {
		for turn := range teams {
			i := (turn + round) % len(teams)
			done, err := drive(ctx, teams[i], time.Duration(seconds)*time.Second)
			if err != nil {
				return found, err
			}
			found[i] = append(found[i], micros(done.latencies.Quantile(0.5)))
		}
	}
	return found, nil
}

// makeKey makes an API key of a person's, who signs in for that.
func (b *rig) makeKey(ctx context.Context, p *person) (string, error) {
	conn, err := b.dial(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	e, err := enter(conn, b.signInRequest(p.email), 200)
	if err != nil {
		return "", err
	}
	status, body, err := conn.Do(b.request("POST", "/api/v1/auth/api-keys", e.Session.AccessToken, `{"name":"bench","scopes":["tables:read"]}`))
	if err != nil {
		return "", err //nolint:wrapcheck // says what it was doing
	}
	var made struct {
		Key string `json:"key"`
	}
	if status != 201 {
		return "", unexpected(status, body)
	}
	if err := json.Unmarshal(body, &made); err != nil || made.Key == "" {
		return "", errors.Join(errors.New("the answer has no key"), err)
	}
	return made.Key, nil
}
