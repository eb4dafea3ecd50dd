// Command bench measures a Fluxbase server against what stands below it.
//
// It is a closed loop: each worker has one connection and one request under way.
// A figure in requests a second says more about the machine than about the
// server, so every scenario is measured beside a floor, the same work without
// the server: the same SQL through pgbench on the same cluster, or a bare loop
// of bcrypt. Server and floor take turns in short rounds, and the ratio of each
// pair of rounds is what counts. Generator, server and PostgreSQL share the
// processors throughout.
//
// Run it from the repository: go run ./bench. It starts a server of its own on a
// temporary folder, and stops it again.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	workers   []int
	seconds   int // of server load for each scenario and number of workers
	scenarios []string
	json      string // a file, or empty
	values    int    // that are re-encrypted
	users     int    // of the full database; it has twice as many sessions
	over      int    // sessions to clean up
	server    string // the program
	postgres  string // settings of its PostgreSQL, as "fluxbase dev" takes them
}

// wants says whether a scenario was asked for.
func (o *options) wants(name string) bool {
	return slices.Contains(o.scenarios, "all") || slices.Contains(o.scenarios, name)
}

// maxUsers bounds the workers, each of whom is a user.
const maxUsers = 64

func parseOptions(args []string, out io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(out)
	workers := flags.String("workers", "8,32", "how many clients at once; several are measured one after the other")
	flags.IntVar(&o.seconds, "seconds", 5, "how long the server is loaded in each scenario")
	scenarios := flags.String("scenario", "all", "what to measure: "+strings.Join(known(), ", "))
	flags.IntVar(&o.values, "values", 100_000, "how many sealed values are re-encrypted")
	flags.IntVar(&o.users, "users", 100_000, "how many users the full database of scale has, with two sessions each")
	flags.IntVar(&o.over, "over", 100_000, "how many sessions are long over in clean-up")
	flags.StringVar(&o.json, "json", "", "write the results to this file, too")
	flags.StringVar(&o.server, "server", "bin/fluxbase", "the server's program")
	flags.StringVar(&o.postgres, "postgres", "", "settings of its PostgreSQL, such as shared_buffers=4GB,max_wal_size=8GB")
	if err := flags.Parse(args); err != nil {
		return nil, err //nolint:wrapcheck // says what is wrong with the command line
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("there is no argument %q", flags.Arg(0))
	}
	for text := range strings.SplitSeq(*workers, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 1 || n > maxUsers {
			return nil, fmt.Errorf("-workers takes numbers from 1 to %d, separated by commas", maxUsers)
		}
		o.workers = append(o.workers, n)
	}
	if o.seconds < 1 || o.seconds > 600 {
		return nil, errors.New("-seconds takes a number from 1 to 600")
	}
	if o.users < 2*fewUsers || o.users > maxSeeded || o.users%team > 0 {
		return nil, fmt.Errorf("-users takes a multiple of %d from %d to %d", team, 2*fewUsers, maxSeeded)
	}
	if o.over < 2*fewUsers || o.over > maxSeeded || o.over%(2*team) > 0 {
		return nil, fmt.Errorf("-over takes a multiple of %d from %d to %d", 2*team, 2*fewUsers, maxSeeded)
	}
	for text := range strings.SplitSeq(*scenarios, ",") {
		name := strings.TrimSpace(text)
		if !slices.Contains(known(), name) {
			return nil, fmt.Errorf("there is no scenario %q; there are %s", name, strings.Join(known(), ", "))
		}
		o.scenarios = append(o.scenarios, name)
	}
	return o, nil
}

// run measures what the command line asks for and reports it.
func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parseOptions(args, out)
	if err != nil {
		return err
	}
	began := now()
	b, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	results := Results{Machine: describeMachine(ctx, b)}
	err = b.measure(ctx, out, &results)
	if stopErr := b.close(ctx); err == nil {
		err = stopErr
	}
	if err == nil && o.json != "" {
		err = results.write(o.json)
	}
	if err == nil {
		_, err = fmt.Fprintf(out, "\nMeasured in %s.\n", now().Sub(began).Round(time.Second))
	}
	return err
}

// now is the stopwatch.
var now = time.Now //nolint:forbidigo // measuring time is the purpose of this program
