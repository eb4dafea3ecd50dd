package ratelimit

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// probing is how often a shared store is asked whether it answers again.
const probing = 200 * time.Millisecond

// Fallback is a store that several instances share, and that of this instance
// for while it does not answer. Nobody is let through uncounted for its sake, and
// nobody is refused: what each instance lets through by itself is within the
// limit. All that it has seen is charged to its own store too, so that an outage
// gives nobody their allowance anew.
//
// Make one with NewFallback. It implements Store and returns no error.
type Fallback struct {
	shared, local Store
	patience      time.Duration
	logger        *slog.Logger
	now           func() time.Time

	outage  atomic.Pointer[outage] // nil: the shared store answers
	alone   prometheus.Counter
	answers prometheus.GaugeFunc
}

// outage is a time in which the shared store does not answer.
type outage struct {
	since time.Time
	probe atomic.Int64 // when it is to be asked next, in nanoseconds after since
}

// NewFallback returns a store that counts in shared, and in local when that
// does not answer within patience. The name of the shared one is a label of metrics.
func NewFallback(name string, shared, local Store, patience time.Duration, logger *slog.Logger, now func() time.Time) *Fallback {
	f := &Fallback{shared: shared, local: local, patience: patience, logger: logger, now: now}
	labels := prometheus.Labels{"backend": name}
	f.alone = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "fluxbase_rate_limit_fallbacks_total", ConstLabels: labels,
		Help: "Requests that this instance counted for itself, because the backend of rate limits did not answer in time.",
	})
	f.answers = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "fluxbase_rate_limit_backend_up", ConstLabels: labels,
		Help: "1 while the backend of rate limits answers, 0 while each instance counts for itself.",
	}, func() float64 {
		if f.outage.Load() != nil {
			return 0
		}
		return 1
	})
	return f
}

// Spend implements Store.
func (f *Fallback) Spend(ctx context.Context, charges []Charge) (bool, Levels, error) {
	alone, own, _ := f.local.Spend(ctx, charges)
	if o := f.outage.Load(); o != nil {
		f.probe(ctx, o)
	} else {
		admitted, levels, err := f.ask(ctx, charges)
		if err == nil {
			return admitted, levels, nil
		}
		f.begin(ctx, err)
	}
	f.alone.Inc()
	return alone, own, nil
}

// ask asks the shared store, whether or not the caller waits for the answer: a
// client that hangs up is no outage.
func (f *Fallback) ask(ctx context.Context, charges []Charge) (bool, Levels, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.patience)
	defer cancel()
	return f.shared.Spend(ctx, charges) //nolint:wrapcheck // a store says what it was doing
}

// begin writes the one line of an outage.
func (f *Fallback) begin(ctx context.Context, err error) {
	o := &outage{since: f.now()}
	o.probe.Store(int64(probing))
	if f.outage.CompareAndSwap(nil, o) {
		f.logger.WarnContext(ctx, "the backend of rate limits does not answer; this instance counts for itself", slog.Any("error", err))
	}
}

// probe asks now and then, beside the request that it is called in, and never
// twice at a time.
func (f *Fallback) probe(ctx context.Context, o *outage) {
	elapsed, due := int64(f.now().Sub(o.since)), o.probe.Load()
	if elapsed < due || !o.probe.CompareAndSwap(due, elapsed+int64(probing)) {
		return
	}
	go func() { // it ends after patience
		if _, _, err := f.ask(ctx, Trial()); err != nil || !f.outage.CompareAndSwap(o, nil) {
			return
		}
		f.logger.InfoContext(context.WithoutCancel(ctx), "the backend of rate limits answers again", slog.Duration("after", f.now().Sub(o.since)))
	}()
}

// Describe implements prometheus.Collector.
func (f *Fallback) Describe(ch chan<- *prometheus.Desc) {
	f.alone.Describe(ch)
	f.answers.Describe(ch)
}

// Collect implements prometheus.Collector.
func (f *Fallback) Collect(ch chan<- prometheus.Metric) {
	f.alone.Collect(ch)
	f.answers.Collect(ch)
}
