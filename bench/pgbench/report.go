package pgbench

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// Report is the outcome of a run.
type Report struct {
	Transactions int64   // in all, with those that do not count
	Throughput   float64 // transactions a second, once warm
}

var (
	processed = regexp.MustCompile(`(?m)^number of transactions actually processed: (\d+)`)
	failed    = regexp.MustCompile(`(?m)^number of failed transactions: (\d+)`)
	rate      = regexp.MustCompile(`(?m)^tps = ([0-9.]+) \(without initial connection time\)`)
	progress  = regexp.MustCompile(`(?m)^progress: ([0-9.]+) s, ([0-9.]+) tps`)
)

// Parse reads what pgbench wrote to its standard output and, as progress, to
// its standard error. The throughput leaves out the first interval of the
// progress: it is what remains of the transactions by what remains of the time.
func Parse(out, progressText string) (Report, error) {
	total, err := number(processed, out)
	if err != nil {
		return Report{}, err
	}
	overall, err := number(rate, out)
	if err != nil {
		return Report{}, err
	}
	if n, err := number(failed, out); err == nil && n > 0 {
		return Report{}, fmt.Errorf("%.0f transactions failed", n)
	}
	report := Report{Transactions: int64(total), Throughput: overall}
	first := progress.FindStringSubmatch(progressText)
	if first == nil || overall <= 0 {
		return report, errors.New("it made no progress")
	}
	until, err1 := strconv.ParseFloat(first[1], 64)
	early, err2 := strconv.ParseFloat(first[2], 64)
	if err := errors.Join(err1, err2); err != nil {
		return report, fmt.Errorf("the progress is no number: %w", err)
	}
	counted := total/overall - until
	if counted <= 0 {
		return report, errors.New("it ended before it was warm")
	}
	report.Throughput = (total - until*early) / counted
	return report, nil
}

func number(pattern *regexp.Regexp, text string) (float64, error) {
	found := pattern.FindStringSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("there is no line that matches %s", pattern)
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		return 0, fmt.Errorf("a line that matches %s has no number: %w", pattern, err)
	}
	return n, nil
}
