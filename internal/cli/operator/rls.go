package operator

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/cli"
	"github.com/fluxbase/fluxbase/internal/rls"
	"github.com/fluxbase/fluxbase/internal/rls/lint"
)

func rlsCommand() *cobra.Command {
	cmd := group("rls", "See what Row-Level Security does to a statement; test and lint policies",
		"Says why somebody does not get a row, runs tests of policies, and finds what is wrong with them. A server is asked, or else the "+
			"database of the configuration (--config, --data-dir), which does for test and lint. See docs/rls.md.",
		explainCommand(), lintCommand(), testCommand())
	cmd.PersistentFlags().String("config", "", "configuration file (default: fluxbase.yaml, if there is one)")
	cmd.PersistentFlags().String("data-dir", "", "folder of the development server (default .fluxbase)")
	return cmd
}

func explainCommand() *cobra.Command {
	var as string
	cmd := &cobra.Command{
		Use: "explain --as USER STATEMENT", Short: "Run a statement as somebody, undo it, and say what each policy makes of it",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New(`the command is: fluxbase-cli rls explain --as USER "update todos ..."`)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if as == "" {
				return errors.New("as whom? --as takes a user by id or address, anonymous or service_role")
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			var e rls.Explanation
			if err := c.send(cmd.Context(), http.MethodPost, "/rls/explain", rls.Question{As: as, SQL: args[0]}, &e); err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd.OutOrStdout(), e)
			}
			printExplanation(cmd.OutOrStdout(), e)
			return nil
		},
	}
	cmd.Flags().StringVar(&as, "as", "", "a user by id or e-mail address, anonymous or service_role")
	return cmd
}

func printExplanation(w io.Writer, e rls.Explanation) {
	_, _ = fmt.Fprintln(w, cli.Printable(e.Verdict))
	for _, t := range e.Tables {
		state := "on"
		switch {
		case !t.Enabled:
			state = "off"
		case !t.Applies:
			state = "on, and does not bind " + e.Role
		case t.Forced:
			state = "on and forced"
		}
		_, _ = fmt.Fprintf(w, "\n%s  %s  Row-Level Security %s\n", cli.Printable(t.Name), strings.Join(t.Commands, ", "), state)
		if t.Aimed != nil {
			_, _ = fmt.Fprintf(w, "  rows aimed at: %s%s, let through: %s\n", map[bool]string{true: "at least "}[t.Bounded], count(t.Aimed), count(t.Through))
		}
		if t.New != nil {
			_, _ = fmt.Fprintf(w, "  new rows: %s, accepted: %s\n", count(t.New), count(t.Accepted))
		}
		for _, line := range append(t.Missing, t.Notes...) {
			_, _ = fmt.Fprintf(w, "  ! %s\n", cli.Printable(line))
		}
		for _, p := range t.Policies {
			printPolicy(w, p)
		}
	}
	_, _ = fmt.Fprintln(w)
	for _, h := range e.Helpers {
		_, _ = fmt.Fprintf(w, "%-20s %s\n", h.Name, text(h.Value))
	}
}

func printPolicy(w io.Writer, p rls.Policy) {
	mark, says := "✓", []string{}
	if !p.Applies {
		mark, says = "-", append(says, p.Why)
	}
	if p.Through != nil {
		says = append(says, "lets "+count(p.Through)+" through")
	}
	if p.Accepts != nil {
		says = append(says, "accepts "+count(p.Accepts)+" new")
	}
	if p.Error != "" {
		says = append(says, "cannot be asked: "+cli.Printable(p.Error))
	}
	_, _ = fmt.Fprintf(w, "  %s %s  %s %s to %s  %s\n", mark, cli.Printable(p.Name), p.Kind, p.Command, cli.Printable(strings.Join(p.Roles, ", ")), strings.Join(says, ", "))
	for i, expression := range []*string{p.Using, p.Check} {
		if expression != nil {
			_, _ = fmt.Fprintf(w, "      %-10s %s\n", []string{"using", "with check"}[i], cli.Printable(strings.Join(strings.Fields(*expression), " ")))
		}
	}
}

func count(n *int) string {
	if n == nil {
		return "unknown"
	}
	return fmt.Sprint(*n)
}

func lintCommand() *cobra.Command {
	var fix, apply bool
	cmd := &cobra.Command{
		Use: "lint", Short: "Find what is wrong with policies, and the SQL that mends it", Args: cli.NoArguments,
		Long: "Looks at policies, tables, views and functions. The exit status is 0 if all is well, 1 if there is a problem, 2 if there is a warning.\n\n" +
			"--fix prints only the SQL that changes nothing about who may do what; with --apply it is run, too.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if apply && !fix {
				return errors.New("--apply goes with --fix")
			}
			return withDesk(cmd, func(d *desk) error {
				var found lint.Findings
				if err := d.send(cmd.Context(), http.MethodPost, "/rls/lint", lint.Request{Apply: apply}, &found); err != nil {
					return err
				}
				return lintAnswer(cmd, found, fix)
			})
		},
	}
	cmd.Flags().BoolVar(&fix, "fix", false, "print the safe SQL only")
	cmd.Flags().BoolVar(&apply, "apply", false, "with --fix: run it")
	return cmd
}

func lintAnswer(cmd *cobra.Command, found lint.Findings, fix bool) error {
	w := cmd.OutOrStdout()
	switch {
	case wantsJSON(cmd):
		if err := printJSON(w, found); err != nil {
			return err
		}
	case fix:
		for _, f := range found.Items {
			if f.Safe {
				_, _ = fmt.Fprintln(w, f.SQL)
			}
		}
		return nil
	default:
		printFindings(w, found.Items)
	}
	problems, warnings, _ := lint.Summary(found.Items)
	switch {
	case problems > 0:
		return cli.Status(1)
	case warnings > 0:
		return cli.Status(2)
	}
	return nil
}

func printFindings(w io.Writer, found []lint.Finding) {
	for _, f := range found {
		object := f.Object
		if f.Policy != "" {
			object += ", policy " + f.Policy
		}
		_, _ = fmt.Fprintf(w, "%-8s %s  %s\n         %s\n", f.Severity, f.Rule, cli.Printable(object), cli.Printable(f.Detail))
		if f.SQL != "" {
			_, _ = fmt.Fprintf(w, "         %s\n", cli.Printable(strings.Join(strings.Fields(f.SQL), " ")))
		}
	}
	problems, warnings, notices := lint.Summary(found)
	_, _ = fmt.Fprintf(w, "%s, %s, %s\n", number(int64(problems), "problem"), number(int64(warnings), "warning"), number(int64(notices), "notice"))
}

func testCommand() *cobra.Command {
	var junit string
	cmd := &cobra.Command{
		Use: "test FILE...", Short: "Run tests of policies from YAML or SQL files, and undo what they do", Args: cli.Arguments(1, math.MaxInt),
		RunE: func(cmd *cobra.Command, args []string) error {
			suites := make([]rls.Suite, len(args))
			for i, name := range args {
				text, err := os.ReadFile(name) //nolint:gosec // the operator names it
				if err != nil {
					return err
				}
				if suites[i], err = rls.ParseSuite(name, text); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			return withDesk(cmd, func(d *desk) error { return runSuites(cmd, d, args, suites, junit) })
		},
	}
	cmd.Flags().StringVar(&junit, "junit", "", "also write the results to this file, as JUnit XML")
	return cmd
}

func runSuites(cmd *cobra.Command, d *desk, names []string, suites []rls.Suite, junit string) error {
	w := cmd.OutOrStdout()
	all, report := map[string]rls.Results{}, junitReport{}
	passed, failed := 0, 0
	for i, suite := range suites {
		var results rls.Results
		if err := d.send(cmd.Context(), http.MethodPost, "/rls/test", suite, &results); err != nil {
			return fmt.Errorf("%s: %w", names[i], err)
		}
		all[names[i]] = results
		passed, failed = passed+results.Passed, failed+results.Failed
		report.add(names[i], results)
		if !wantsJSON(cmd) {
			printResults(w, names[i], results)
		}
	}
	if junit != "" {
		if err := report.write(junit); err != nil {
			return err
		}
	}
	if wantsJSON(cmd) {
		if err := printJSON(w, all); err != nil {
			return err
		}
	} else {
		_, _ = fmt.Fprintf(w, "%d passed, %d failed\n", passed, failed)
	}
	if failed > 0 {
		return cli.Status(1)
	}
	return nil
}

func printResults(w io.Writer, name string, results rls.Results) {
	_, _ = fmt.Fprintln(w, cli.Printable(name))
	for _, r := range results.Results {
		if r.Passed {
			_, _ = fmt.Fprintf(w, "  ✓ %s\n", cli.Printable(r.Name))
		} else {
			_, _ = fmt.Fprintf(w, "  ✗ %s\n      %s\n", cli.Printable(r.Name), cli.Printable(r.Message))
		}
	}
}

// junitReport is what continuous integration reads.
type junitReport struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
}

func (r *junitReport) add(name string, results rls.Results) {
	s := junitSuite{Name: name, Tests: results.Passed + results.Failed, Failures: results.Failed}
	for _, result := range results.Results {
		c := junitCase{Name: result.Name, Class: filepath.Base(name), Time: fmt.Sprintf("%.3f", result.Seconds)}
		if !result.Passed {
			c.Failure = &junitFailure{result.Message}
		}
		s.Cases = append(s.Cases, c)
	}
	r.Suites = append(r.Suites, s)
}

func (r *junitReport) write(name string) error {
	content, err := xml.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the results: %w", err)
	}
	return os.WriteFile(name, append([]byte(xml.Header), append(content, '\n')...), 0o644) //nolint:gosec // for CI to read
}
