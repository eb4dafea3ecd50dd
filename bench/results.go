package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// Results is everything that was measured, as -json writes it. Fields are
// added, never changed.
type Results struct {
	Machine Machine  `json:"machine"`
	Runs    []Run    `json:"runs"`
	Figures []Figure `json:"figures"`
}

// Run is a scenario with a number of workers, beside one floor.
type Run struct {
	Scenario   string     `json:"scenario"`
	Workers    int        `json:"workers"`
	Throughput float64    `json:"throughput"` // requests a second, the median of the rounds
	P50        float64    `json:"p50_us"`     // microseconds, of all rounds
	P95        float64    `json:"p95_us"`
	P99        float64    `json:"p99_us"`
	CPU        CPU        `json:"cpu_us"`
	Elsewhere  float64    `json:"cpus_elsewhere"` // busy with other things meanwhile: near 0, or the run is worth little
	Floor      FloorRun   `json:"floor"`
	Ratio      float64    `json:"ratio"`        // of the throughputs, the median of the rounds
	Spread     [2]float64 `json:"ratio_spread"` // the smallest and the largest of the rounds
	Rounds     int        `json:"rounds"`
	Target     *float64   `json:"target"` // the ratio to reach; null for none
	Met        *bool      `json:"met"`    // null for none
}

// FloorRun is what a floor has reached.
type FloorRun struct {
	Name       string  `json:"name"`
	Throughput float64 `json:"throughput"` // as that of a Run
}

// Figure is anything else that was measured; it is to stay at or below its
// target.
type Figure struct {
	Name   string   `json:"name"`
	Value  float64  `json:"value"`
	Unit   string   `json:"unit"`
	Target *float64 `json:"target"`
	Met    *bool    `json:"met"`
}

func newRun(name string, workers int, total *load, above []float64, f floor, under []float64) Run {
	all := ratios(above, under)
	r := Run{
		Scenario: name, Workers: workers, Throughput: median(above), Rounds: len(all),
		P50: micros(total.latencies.Quantile(0.5)), P95: micros(total.latencies.Quantile(0.95)),
		P99: micros(total.latencies.Quantile(0.99)), CPU: perRequest(total.spent, total.latencies.Count()),
		Elsewhere: total.spent.elsewhere(total.elapsed), Floor: FloorRun{f.name, median(under)}, Ratio: median(all),
	}
	if len(all) > 0 {
		r.Spread = [2]float64{slices.Min(all), slices.Max(all)}
	}
	if f.target > 0 {
		met := r.Ratio >= f.target
		r.Target, r.Met = &f.target, &met
	}
	return r
}

// newFigure has no target if most is 0.
func newFigure(name string, value float64, unit string, most float64) Figure {
	f := Figure{Name: name, Value: value, Unit: unit}
	if most > 0 {
		met := value <= most
		f.Target, f.Met = &most, &met
	}
	return f
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func (r *Results) write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.WriteFile(path, append(text, '\n'), 0o644) //nolint:gosec // results are for everybody
	}
	if err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	return nil
}

func printHeader(out io.Writer, m *Machine) {
	settings := "the settings of fluxbase dev"
	if m.Settings != "" {
		settings += " but for " + m.Settings
	}
	_, _ = fmt.Fprintf(out, "%s, %d processors, %s, %s with %s, %s\n\n%-14s %3s %10s %9s %9s %9s %17s %6s  %-26s %10s %7s  %-13s %s\n", m.CPU, m.CPUs, m.Go, m.PostgreSQL, settings, m.Transport,
		"scenario", "n", "req/s", "p50 ms", "p95 ms", "p99 ms", "cpu us srv/pg/gen", "others", "floor", "floor/s", "ratio", "spread", "target")
}

func printRuns(out io.Writer, runs []Run) {
	for _, r := range runs {
		_, _ = fmt.Fprintf(out, "%-14s %3d %10.1f %9.3f %9.3f %9.3f %17s %6.2f  %-26s %10.1f %7.3f  %-13s %s\n", r.Scenario, r.Workers, r.Throughput,
			r.P50/1000, r.P95/1000, r.P99/1000,
			fmt.Sprintf("%.0f/%.0f/%.0f", r.CPU.Server, r.CPU.PostgreSQL, r.CPU.Generator), r.Elsewhere, r.Floor.Name, r.Floor.Throughput, r.Ratio,
			fmt.Sprintf("%.3f-%.3f", r.Spread[0], r.Spread[1]), verdict(">=", r.Target, r.Met))
	}
}

func printFigure(out io.Writer, f Figure) {
	_, _ = fmt.Fprintf(out, "%-58s %10.2f %-3s %s\n", f.Name, f.Value, f.Unit, verdict("<=", f.Target, f.Met))
}

// verdict says whether a target was met.
func verdict(sign string, target *float64, met *bool) string {
	if target == nil {
		return "-"
	}
	word := "NOT met"
	if *met {
		word = "met"
	}
	return strings.Join([]string{sign, fmt.Sprintf("%g", *target), word}, " ")
}
