package operator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/cli"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/rotation"
	"github.com/fluxbase/fluxbase/internal/server"
)

// desk is where keys and secrets are kept: a running server, or the database
// itself. Both answer the same requests.
type desk struct {
	*client

	// do waits until a run is over, and works on it where that is for this
	// program to do.
	do    func(ctx context.Context, run rotation.Run, progress func(rotation.Run)) (rotation.Run, error)
	close func()
}

// openDesk takes the server that the flags or the environment name, or else the
// database of the configuration. A flag that names a database wins over an
// environment that names a server.
func openDesk(cmd *cobra.Command, changes bool) (*desk, error) {
	served, err := remote(cmd)
	if err != nil {
		return nil, err
	}
	if served != nil {
		return &desk{client: served, do: served.await, close: func() {}}, nil
	}
	c, databaseURL, err := cli.Database(cmd)
	if err != nil {
		return nil, err
	}
	c.Log.Level, c.Log.Format = "warn", "text" // for a person, beside what the command prints
	d, err := server.OpenDesk(cmd.Context(), c, databaseURL, changes, cli.Logger(c, cmd.ErrOrStderr()))
	if err != nil {
		return nil, err
	}
	do := func(ctx context.Context, run rotation.Run, progress func(rotation.Run)) (rotation.Run, error) {
		return d.Rotation.Do(ctx, run.ID, progress)
	}
	return &desk{client: inProcess(d.Handler), do: do, close: d.Close}, nil
}

// remote returns a client of the server that the flags or the environment name, or
// nil if a database is meant.
func remote(cmd *cobra.Command) (*client, error) {
	address, err := cmd.Flags().GetString("url")
	if err != nil {
		return nil, fmt.Errorf("reading flags: %w", err)
	}
	database := cmd.Flags().Changed("data-dir") || cmd.Flags().Changed("config")
	if database && cmd.Flags().Changed("url") {
		return nil, errors.New("a server or a database? --url names the one, --config and --data-dir the other")
	}
	if address == "" || database {
		return nil, nil //nolint:nilnil // a database is meant
	}
	return connect(cmd)
}

// inProcess returns a client of a handler of this process.
func inProcess(h http.Handler) *client {
	return &client{url: "http://fluxbase", http: &http.Client{Transport: handler{h}}}
}

// withDesk runs f with a desk that uses the encryption keys as they are.
func withDesk(cmd *cobra.Command, f func(*desk) error) error { return atDesk(cmd, false, f) }

// atDesk runs f with an open desk, at which keys may be changed or not.
func atDesk(cmd *cobra.Command, changes bool, f func(*desk) error) error {
	d, err := openDesk(cmd, changes)
	if err != nil {
		return err
	}
	defer d.close()
	return f(d)
}

// await follows a run of a server. The server works on it whether or not
// anybody watches.
func (c *client) await(ctx context.Context, run rotation.Run, progress func(rotation.Run)) (rotation.Run, error) {
	for !run.Over() {
		select {
		case <-ctx.Done():
			return run, context.Cause(ctx)
		case <-time.After(300 * time.Millisecond):
		}
		if err := c.call(ctx, http.MethodGet, "/keys/runs/"+run.ID.String(), &run); err != nil {
			return run, err
		}
		progress(run)
	}
	return run, nil
}

// handler is a transport that ends in this process.
type handler struct{ http.Handler }

// RoundTrip implements http.RoundTripper.
func (h handler) RoundTrip(r *http.Request) (*http.Response, error) {
	a := &answer{header: http.Header{}, status: http.StatusOK}
	h.ServeHTTP(a, r)
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Header: a.header,
		Body: io.NopCloser(&a.body), ContentLength: int64(a.body.Len()), Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

type answer struct {
	header http.Header
	body   bytes.Buffer
	status int
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }
func (a *answer) WriteHeader(status int)      { a.status = status }

// tenantQuery is the sub-tenant that a flag names, as a query. An empty one is
// refused: it is a variable that is not set, and not the whole installation.
func tenantQuery(cmd *cobra.Command) (url.Values, error) {
	query := url.Values{}
	tenant, err := cmd.Flags().GetString("sub-tenant")
	if err != nil || !cmd.Flags().Changed("sub-tenant") {
		return query, err
	}
	if _, err := id.Parse(tenant); err != nil {
		return nil, errTenant
	}
	query.Set("sub_tenant_id", tenant)
	return query, nil
}
