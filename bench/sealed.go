package main

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

// Sealed values: what sealing one costs, and what moving many of them to another
// key costs, beside a bare update of the same rows.
const (
	sealedSize        = 1024 // bytes of a value
	targetSealing     = 1.5
	targetReEncrypt   = 1.5
	targetReEncryptP9 = 1.5
)

// sealing measures one value in memory, beside a bare AES-256-GCM call.
func (b *rig) sealing(_ context.Context, out io.Writer, results *Results) error {
	if !b.options.wants("sealing") {
		return nil
	}
	key := bytes.Repeat([]byte{7, 9}, keyring.KeySize/2)
	ring, err := keyring.New(1, map[uint32][]byte{1: key})
	if err != nil {
		return err //nolint:wrapcheck // says what it was doing
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return fmt.Errorf("making a cipher: %w", err)
	}
	bare, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return fmt.Errorf("making a cipher: %w", err)
	}
	binding, value := bindingOf(id.Sealed(id.New(now())), "1"), make([]byte, sealedSize)
	ours := func() error {
		_, err := ring.Open(binding, ring.Seal(binding, value))
		return err
	}
	floor := func() error {
		_, err := bare.Open(nil, nil, bare.Seal(nil, nil, value, nil), nil) //nolint:gosec // a nil nonce asks this AEAD for a random one
		return err
	}
	var ratios []float64
	for range 9 {
		above, err := loop(ours)
		if err != nil {
			return err
		}
		under, err := loop(floor)
		if err != nil {
			return err
		}
		ratios = append(ratios, float64(above)/float64(under))
	}
	f := newFigure("seal and open 1 KiB, times a bare AES-256-GCM call", median(ratios), "", targetSealing)
	printFigure(out, f)
	results.Figures = append(results.Figures, f)
	return nil
}

// loop returns the time of many calls.
func loop(f func() error) (time.Duration, error) {
	began := now()
	for range 200_000 {
		if err := f(); err != nil {
			return 0, err
		}
	}
	return now().Sub(began), nil
}

func bindingOf(sealedID id.Sealed, subject string) keyring.Binding {
	return keyring.Binding{Table: sealed.Place, Column: "envelope", Row: sealedID.String(), Purpose: "bench", Subject: subject}
}

// reEncryption measures a rotation over many values by the running server.
func (b *rig) reEncryption(ctx context.Context, out io.Writer, results *Results) error {
	if !b.options.wants("re-encryption") {
		return nil
	}
	if err := b.fillSealed(ctx, b.options.values); err != nil {
		return err
	}
	var figures []Figure
	var inPlace, fromClient []float64
	var above, bare, fed time.Duration
	peak := 0.0
	for range 2 {
		var err error
		if bare, err = b.bareUpdates(ctx, false); err != nil {
			return err
		}
		if fed, err = b.bareUpdates(ctx, true); err != nil {
			return err
		}
		var memory float64
		if above, memory, err = b.rotate(ctx); err != nil {
			return err
		}
		inPlace, fromClient = append(inPlace, above.Seconds()/bare.Seconds()), append(fromClient, above.Seconds()/fed.Seconds())
		peak = max(peak, memory)
	}
	name := fmt.Sprintf("re-encrypt %d values (%.1f s), times a bare update", b.options.values, above.Seconds())
	figures = append(figures,
		newFigure(fmt.Sprintf("%s of the same bytes from a client (%.1f s)", name, fed.Seconds()), median(fromClient), "", targetReEncrypt),
		newFigure(fmt.Sprintf("%s inside PostgreSQL (%.1f s)", name, bare.Seconds()), median(inPlace), "", targetReEncrypt),
		newFigure("memory of the server while it re-encrypts, at most (VmRSS)", peak, "MB", 0))
	for _, f := range figures {
		printFigure(out, f)
	}
	results.Figures = append(results.Figures, figures...)
	return nil
}

// fillSealed writes values that the server can open, under its first key.
func (b *rig) fillSealed(ctx context.Context, count int) error {
	ring, err := b.firstKeyring()
	if err != nil {
		return err
	}
	value, at := make([]byte, sealedSize), now()
	_, err = b.conn.CopyFrom(ctx, pgx.Identifier{"auth", "sealed_values"}, []string{"id", "purpose", "subject", "key_version", "envelope"},
		pgx.CopyFromSlice(count, func(i int) ([]any, error) {
			sealedID, subject := id.Sealed(id.New(at)), fmt.Sprint(i)
			return []any{[16]byte(sealedID), "bench", subject, 1, ring.Seal(bindingOf(sealedID, subject), value)}, nil
		}))
	if err != nil {
		return fmt.Errorf("filling the sealed values: %w", err)
	}
	return nil
}

// settle brings the table into the same state before each measurement.
func (b *rig) settle(ctx context.Context) error {
	if _, err := b.conn.Exec(ctx, "vacuum analyze auth.sealed_values"); err != nil {
		return fmt.Errorf("vacuuming: %w", err)
	}
	return nil
}

// A bare update, of batches of a hundred by four workers as a re-encryption is
// by default, that PostgreSQL does by itself: nothing but ids cross the connection.
const inPlaceSQL = `
update auth.sealed_values set envelope = overlay(envelope placing $1 from 2 for 4), key_version = $2
where key_version = $3 and id > $4 and id <= $5`

// And one that writes the same rows with bytes that come from the client, which
// is what sealing outside of PostgreSQL cannot do without. The bytes are those
// that are there.
const fromClientSQL = `
update auth.sealed_values v set envelope = u.envelope, key_version = $1
from unnest($2::uuid[], $3::bytea[]) as u (id, envelope) where v.id = u.id`

const batchesSQL = `
select array_agg(id order by id), array_agg(overlay(envelope placing $2 from 2 for 4) order by id)
from (select id, envelope, (row_number() over (order by id) - 1) / 100 n from auth.sealed_values where key_version = $1) v
group by n order by n`

// batch is some values as PostgreSQL has them.
type batch struct {
	ids       [][16]byte
	envelopes [][]byte
}

// bareUpdates moves all values to a version that does not exist and back, in one
// of the two ways, and returns the time of the better one.
func (b *rig) bareUpdates(ctx context.Context, fromClient bool) (time.Duration, error) {
	var version int
	if err := b.conn.QueryRow(ctx, "select version from auth.encryption_keys where state = 'active'").Scan(&version); err != nil {
		return 0, fmt.Errorf("reading the active version: %w", err)
	}
	const nowhere = 1 << 20
	there, err := b.bareUpdate(ctx, version, nowhere, fromClient)
	if err != nil {
		return 0, err
	}
	back, err := b.bareUpdate(ctx, nowhere, version, fromClient)
	return min(there, back), err
}

const bareWorkers = 4

func (b *rig) bareUpdate(ctx context.Context, from, to int, fromClient bool) (time.Duration, error) {
	if err := b.settle(ctx); err != nil {
		return 0, err
	}
	header := []byte{byte(to >> 24), byte(to >> 16), byte(to >> 8), byte(to)} //nolint:gosec // the four bytes of a version
	rows, err := b.conn.Query(ctx, batchesSQL, from, header)
	if err != nil {
		return 0, fmt.Errorf("reading the batches: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (batch, error) {
		var one batch
		err := row.Scan(&one.ids, &one.envelopes)
		return one, err
	})
	if err != nil {
		return 0, fmt.Errorf("reading the batches: %w", err)
	}
	step := func(conn *pgx.Conn, one batch) error {
		first, last := one.ids[0], one.ids[len(one.ids)-1]
		before := first
		before[15]-- // ids are random below, so no other lies between
		_, err := conn.Exec(ctx, inPlaceSQL, header, to, from, before, last)
		return err //nolint:wrapcheck // wrapped below
	}
	if fromClient {
		step = func(conn *pgx.Conn, one batch) error {
			_, err := conn.Exec(ctx, fromClientSQL, to, one.ids, one.envelopes)
			return err //nolint:wrapcheck // wrapped below
		}
	}
	return b.spread(ctx, all, step)
}

// spread has workers with a connection each do all batches, and returns how
// long that takes.
func (b *rig) spread(ctx context.Context, all []batch, step func(*pgx.Conn, batch) error) (time.Duration, error) {
	queue, failures := make(chan batch, len(all)), make(chan error, bareWorkers)
	for _, one := range all {
		queue <- one
	}
	close(queue)
	var conns []*pgx.Conn
	for range bareWorkers {
		conn, err := pgx.ConnectConfig(ctx, b.conn.Config())
		if err != nil {
			return 0, fmt.Errorf("connecting: %w", err)
		}
		conns = append(conns, conn)
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	}
	began := now()
	for _, conn := range conns {
		go func() {
			var err error
			for one := range queue {
				err = errors.Join(err, step(conn, one))
			}
			failures <- err
		}()
	}
	var err error
	for range conns {
		err = errors.Join(err, <-failures)
	}
	return now().Sub(began), err
}

// rotate has the server move everything to a new key, and returns how long that
// took and how much memory it needed.
func (b *rig) rotate(ctx context.Context) (time.Duration, float64, error) {
	if err := b.settle(ctx); err != nil {
		return 0, 0, err
	}
	r, err := b.askRun(ctx, http.MethodPost, "/rotate")
	if err != nil {
		return 0, 0, err
	}
	peak := 0.0
	for r.State == "queued" || r.State == "running" {
		time.Sleep(100 * time.Millisecond)
		memory, _, err := b.server.resident()
		if err != nil {
			return 0, 0, err
		}
		peak = max(peak, memory)
		if r, err = b.askRun(ctx, http.MethodGet, "/runs/"+r.ID); err != nil {
			return 0, 0, err
		}
	}
	if r.State != "succeeded" || r.ReEncrypted < int64(b.options.values) {
		return 0, 0, fmt.Errorf("a rotation %s after %d values", r.State, r.ReEncrypted)
	}
	return r.FinishedAt.Sub(r.StartedAt), peak, nil
}

// rotation is a run as the server answers it.
type rotation struct {
	ID          string    `json:"id"`
	State       string    `json:"state"`
	ReEncrypted int64     `json:"re_encrypted"`
	StartedAt   time.Time `json:"started_at"`
	FinishedAt  time.Time `json:"finished_at"`
}

func (b *rig) askRun(ctx context.Context, method, path string) (rotation, error) {
	var r rotation
	request, err := http.NewRequestWithContext(ctx, method, b.server.ready.APIURL+"/api/v1/admin/keys"+path, nil)
	if err != nil {
		return r, fmt.Errorf("asking for a rotation: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+b.server.ready.ServiceKey)
	response, err := (&http.Client{Timeout: time.Minute}).Do(request)
	if err != nil {
		return r, fmt.Errorf("asking for a rotation: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		return r, unexpected(response.StatusCode, body)
	}
	if err == nil {
		err = json.Unmarshal(body, &r)
	}
	if err != nil {
		return r, fmt.Errorf("asking for a rotation: %w", err)
	}
	return r, nil
}

// Requests at an even pace, as an application that is not at its limit makes
// them.
const (
	pacedWorkers = 8
	pacedEvery   = 20 * time.Millisecond
	maxMeanwhile = 50_000 // values
)

// requestsMeanwhile measures requests in peace and during a rotation, in turn.
// A rotation goes slowly then, so it is one over few values.
func (b *rig) requestsMeanwhile(ctx context.Context, out io.Writer, results *Results) error {
	if !b.options.wants("requests-during-re-encryption") {
		return nil
	}
	b.options.values = min(b.options.values, maxMeanwhile)
	if _, err := b.conn.Exec(ctx, "delete from auth.sealed_values where purpose = 'bench'"); err != nil {
		return fmt.Errorf("emptying the sealed values: %w", err)
	}
	if err := b.fillSealed(ctx, b.options.values); err != nil {
		return err
	}
	for name, step := range map[string]func(*rig, *worker, *person) func() error{"current user": currentUsers, "one row": oneRow} {
		people, err := opener(step)(ctx, b, pacedWorkers)
		defer closeAll(people)
		if err != nil {
			return err
		}
		quiet, busy := &load{}, &load{}
		for range 2 {
			if err := b.settle(ctx); err != nil {
				return err
			}
			if err := paced(people, time.Duration(b.options.seconds)*time.Second, quiet); err != nil {
				return err
			}
			rotated := make(chan error, 1)
			go func() {
				_, _, err := b.rotate(ctx)
				rotated <- err
			}()
			time.Sleep(500 * time.Millisecond)
			if err := pacedUntil(people, rotated, busy); err != nil {
				return err
			}
		}
		before, during := quiet.latencies.Quantile(0.99), busy.latencies.Quantile(0.99)
		f := newFigure(fmt.Sprintf("p99 of %s during a rotation (%.2f ms), times in peace (%.2f ms)", name, micros(during)/1000, micros(before)/1000),
			micros(during)/micros(before), "", targetReEncryptP9)
		printFigure(out, f)
		results.Figures = append(results.Figures, f)
	}
	return nil
}

// pacedUntil goes on until what comes through the channel.
func pacedUntil(people []worker, over <-chan error, l *load) error {
	for {
		select {
		case err := <-over:
			return err
		default:
		}
		if err := paced(people, 500*time.Millisecond, l); err != nil {
			return err
		}
	}
}

// paced has every worker do its step at an even pace for a while.
func paced(people []worker, d time.Duration, l *load) error {
	until := now().Add(d)
	parts, failures := make([]load, len(people)), make(chan error, len(people))
	for i := range people {
		go func() {
			w := &people[i]
			err := w.conn.SetDeadline(until.Add(grace))
			next := now().Add(pacedEvery * time.Duration(i) / time.Duration(len(people)))
			for err == nil && next.Before(until) {
				time.Sleep(next.Sub(now()))
				began := now()
				err = w.step()
				parts[i].latencies.Record(now().Sub(began))
				next = next.Add(pacedEvery)
			}
			failures <- err
		}()
	}
	var err error
	for range people {
		err = errors.Join(err, <-failures)
	}
	for i := range parts {
		l.latencies.Merge(&parts[i].latencies)
	}
	return err
}
