package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/cli"

	"github.com/fluxbase/fluxbase/internal/admin/transfer"
	"github.com/fluxbase/fluxbase/internal/web"
)

func importCommand() *cobra.Command {
	var dryRun bool
	var onConflict, unproven string
	cmd := &cobra.Command{
		Use: "import FILE|-", Short: "Take users from JSON lines", Args: cli.Arguments(1, 1),
		Long: "Takes users from a file of JSON lines, or from standard input. Lines that cannot be taken are listed and the others taken; the command " +
			"fails if there are any. An import that was cut off is run again with --on-conflict=skip.",
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{"on_conflict": {onConflict}}
			if dryRun {
				query.Set("dry_run", "true")
			}
			if unproven != "" {
				query.Set("unproven", unproven)
			}
			return importUsers(cmd, args[0], query)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would happen")
	cmd.Flags().StringVar(&onConflict, "on-conflict", string(transfer.Fail), "what becomes of a line whose account exists: fail, skip or update")
	cmd.Flags().StringVar(&unproven, "unproven", "", "with update, what becomes of the password and the sessions of an account whose address a line says is proven, "+
		"and nobody has: keep or reset (default: such a line is not taken)")
	return cmd
}

func importUsers(cmd *cobra.Command, name string, query url.Values) error {
	c, err := connect(cmd)
	if err != nil {
		return err
	}
	in, size, err := source(cmd, name)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	moved := newMoved(cmd, size)
	request, err := c.request(cmd.Context(), http.MethodPost, "/users/import?"+query.Encode(), io.TeeReader(in, moved))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", web.LinesMedia)
	var r transfer.Report
	err = c.patient().exchange(request, &r)
	moved.end()
	if err != nil {
		return err
	}
	if wantsJSON(cmd) {
		err = printJSON(cmd.OutOrStdout(), r)
	} else {
		printReport(cmd.OutOrStdout(), r)
	}
	if err == nil && r.Failed > 0 {
		err = fmt.Errorf("%s could not be taken", number(int64(r.Failed), "line"))
	}
	return err
}

// source opens a file, or standard input for "-", and says how long it is: -1 if
// that cannot be known.
func source(cmd *cobra.Command, name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(cmd.InOrStdin()), -1, nil
	}
	f, err := os.Open(name) //nolint:gosec // naming a file is what the argument is for
	if err != nil {
		return nil, 0, fmt.Errorf("reading users: %w", err)
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return f, -1, nil //nolint:nilerr // a pipe, say: its end will be seen
	}
	return f, info.Size(), nil
}

func printReport(out io.Writer, r transfer.Report) {
	done := "Took"
	if r.DryRun {
		done = "Would take"
	}
	_, _ = fmt.Fprintf(out, "%s %s: %d created, %d updated, %d skipped, %d failed.\n",
		done, number(int64(r.Lines), "line"), r.Created, r.Updated, r.Skipped, r.Failed)
	for _, e := range r.Errors {
		_, _ = fmt.Fprintf(out, "line %d %s: %s (%s)\n", e.Line, cli.Printable(e.Pointer), cli.Printable(e.Detail), cli.Printable(e.Code))
	}
	if more := r.Failed - len(r.Errors); more > 0 {
		_, _ = fmt.Fprintf(out, "and %s more\n", number(int64(more), "line"))
	}
}

func exportCommand() *cobra.Command {
	var file string
	var credentials bool
	cmd := &cobra.Command{
		Use: "export", Short: "Write all users as JSON lines", Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := "/users/export"
			if credentials {
				path += "?include=credentials"
			}
			return exportUsers(cmd, path, file)
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "write into this new file, which only you can read (default: standard output)")
	cmd.Flags().BoolVar(&credentials, "credentials", false, "also digests of passwords and seeds of second factors")
	return cmd
}

// exportUsers leaves no file that is not whole.
func exportUsers(cmd *cobra.Command, path, file string) error {
	c, err := connect(cmd)
	if err != nil {
		return err
	}
	request, err := c.request(cmd.Context(), http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	if file == "" {
		return c.patient().download(request, cmd.OutOrStdout())
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // naming a file is what the flag is for
	if err != nil {
		return fmt.Errorf("writing users: %w", err)
	}
	if err := errors.Join(c.patient().download(request, f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}

// patient is the client for an exchange that takes as long as it takes.
func (c *client) patient() *client {
	p := *c
	h := *c.http
	h.Timeout = 0
	p.http = &h
	return &p
}

// request makes a request with a body of any length.
func (c *client) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.url+"/api/v1/admin"+path, body)
	if err != nil {
		return nil, fmt.Errorf("asking the server: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	return request, nil
}

// download copies an answer. It fails if the answer ends too early.
func (c *client) download(request *http.Request, out io.Writer) error {
	response, err := c.http.Do(request)
	if err != nil {
		return c.unanswered(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode/100 != 2 {
		return c.decode(response, nil)
	}
	if _, err := io.Copy(out, response.Body); err != nil {
		return fmt.Errorf("the answer is not whole: %w", err)
	}
	return nil
}

// moved shows how much of a file has been sent: a bar on a terminal, a line now
// and then elsewhere, nothing where the answer is JSON.
type moved struct {
	out       io.Writer
	bar       *progressbar.ProgressBar
	quiet     bool
	sent, all int64
	last      time.Time
}

func newMoved(cmd *cobra.Command, size int64) *moved {
	m := &moved{out: cmd.ErrOrStderr(), quiet: wantsJSON(cmd), all: size, last: time.Now()}
	if f, ok := m.out.(*os.File); ok && !m.quiet && isatty.IsTerminal(f.Fd()) {
		m.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(m.out), progressbar.OptionClearOnFinish(),
			progressbar.OptionShowBytes(true), progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond))
	}
	return m
}

// Write implements io.Writer: it counts.
func (m *moved) Write(p []byte) (int, error) {
	m.sent += int64(len(p))
	switch {
	case m.bar != nil:
		_ = m.bar.Set64(m.sent)
	case !m.quiet && time.Since(m.last) >= lineEvery:
		m.last = time.Now()
		if m.all > 0 {
			_, _ = fmt.Fprintf(m.out, "Sent %d of %d bytes (%d%%)\n", m.sent, m.all, m.sent*100/m.all)
		} else {
			_, _ = fmt.Fprintf(m.out, "Sent %d bytes\n", m.sent)
		}
	}
	return len(p), nil
}

func (m *moved) end() {
	if m.bar != nil {
		_ = m.bar.Clear()
	}
}
