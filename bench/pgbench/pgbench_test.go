package pgbench

import (
	"math"
	"slices"
	"strings"
	"testing"
)

const sample = `pgbench (15.18 (Debian 15.18-0+deb12u1))
transaction type: read.sql
scaling factor: 1
query mode: prepared
number of clients: 8
number of threads: 2
maximum number of tries: 1
duration: 3 s
number of transactions actually processed: 250000
number of failed transactions: 0 (0.000%)
latency average = 0.022 ms
initial connection time = 6.223 ms
tps = 83333.333333 (without initial connection time)
`

const sampleProgress = `progress: 1.0 s, 50000.0 tps, lat 0.021 ms stddev 0.021, 0 failed
progress: 2.0 s, 100000.0 tps, lat 0.022 ms stddev 0.010, 0 failed
progress: 3.0 s, 100000.0 tps, lat 0.023 ms stddev 0.008, 0 failed
`

func TestParseLeavesOutTheFirstSecond(t *testing.T) {
	t.Parallel()
	got, err := Parse(sample, sampleProgress)
	if err != nil {
		t.Fatal(err)
	}
	if got.Transactions != 250000 || math.Abs(got.Throughput-100000) > 0.1 {
		t.Errorf("got %+v, want 250000 transactions and 100000 a second", got)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string][2]string{
		"nothing":             {"", sampleProgress},
		"no progress":         {sample, ""},
		"failures":            {strings.Replace(sample, "failed transactions: 0", "failed transactions: 7", 1), sampleProgress},
		"an aborted run":      {strings.Replace(sample, "tps = ", "", 1), sampleProgress},
		"a run without a sum": {strings.Replace(sample, "actually processed: 250000", "", 1), sampleProgress},
		"too short a run":     {strings.Replace(sample, "250000", "50000", 1), sampleProgress},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := Parse(c[0], c[1]); err == nil {
				t.Errorf("got %+v and no error", got)
			}
		})
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	r := Run{
		Target:    Target{Host: "/run/pg", Port: "5433", Database: "fluxbase", User: "bench_login", Password: "secret"},
		Variables: map[string]string{"uid": "7"}, Clients: 1, Seconds: 2,
	}
	args := r.arguments("a.sql")
	for _, want := range []string{"--client=1", "--jobs=1", "--time=3", "--progress=1", "--define=uid=7", "--host=/run/pg", "--protocol=prepared"} {
		if !slices.Contains(args, want) {
			t.Errorf("%s is missing from %q", want, args)
		}
	}
	if strings.Contains(strings.Join(args, " "), "secret") {
		t.Error("the password is in the arguments, where every process can read it")
	}
}

func TestMajor(t *testing.T) {
	t.Parallel()
	if got := major("/usr/lib/postgresql/17/bin/pgbench"); got != 17 {
		t.Errorf("got %d, want 17", got)
	}
	if got := major("/usr/bin/pgbench"); got != 0 {
		t.Errorf("got %d, want 0", got)
	}
}
