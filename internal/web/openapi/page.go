package openapi

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/web"
	"github.com/fluxbase/fluxbase/internal/web/problem"
)

// redoc is the browser of the reference page, as its authors publish it
// (MIT; the licence lies beside it), compressed.
//
//go:embed redoc.standalone.js.gz
var redoc []byte

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Fluxbase API reference</title>
<link rel="icon" href="data:,">
<style>body { margin: 0 } a[href^="https://redocly.com/"] { display: none !important }</style>
</head>
<body>
<redoc spec-url="/api/v1/openapi.json" disable-search="false" hide-download-button="false"></redoc>
<noscript><p>The machine-readable description is at <a href="/api/v1/openapi.json">/api/v1/openapi.json</a>.</p></noscript>
<script src="/docs/redoc.js"></script>
</body>
</html>
`

// policy is what the page needs: its own script, styles that the script makes,
// and a worker for its search.
const policy = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src 'self' data:; " +
	"font-src 'self'; connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// plainPolicy is that of a page without scripts.
const plainPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Routes returns the routes that serve the document and the page.
func Routes(document []byte) []web.Route {
	return []web.Route{
		{
			Method: http.MethodGet, Path: "/api/v1/openapi.json", Hidden: true, Scope: principal.AnyScope,
			Serve: func(w http.ResponseWriter, _ *http.Request, _ *web.Call) error {
				return web.WriteJSON(w, http.StatusOK, document)
			},
		},
		{
			Method: http.MethodGet, Path: "/docs", Hidden: true, Scope: principal.AnyScope,
			Serve: func(w http.ResponseWriter, _ *http.Request, _ *web.Call) error {
				w.Header().Set("Content-Security-Policy", policy)
				return send(w, "text/html; charset=utf-8", []byte(page))
			},
		},
		{Method: http.MethodGet, Path: "/docs/redoc.js", Hidden: true, Scope: principal.AnyScope, Serve: serveScript},
		{
			Method: http.MethodGet, Path: problem.Page, Hidden: true, Scope: principal.AnyScope,
			Serve: func(w http.ResponseWriter, _ *http.Request, _ *web.Call) error {
				w.Header().Set("Content-Security-Policy", plainPolicy)
				return send(w, "text/html; charset=utf-8", problem.HTML())
			},
		},
	}
}

func serveScript(w http.ResponseWriter, r *http.Request, _ *web.Call) error {
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Header().Add("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		return send(w, "text/javascript; charset=utf-8", redoc)
	}
	z, err := gzip.NewReader(bytes.NewReader(redoc))
	if err != nil {
		return fmt.Errorf("unpacking the reference page: %w", err)
	}
	script, err := io.ReadAll(z)
	if err != nil {
		return fmt.Errorf("unpacking the reference page: %w", err)
	}
	return send(w, "text/javascript; charset=utf-8", script)
}

func send(w http.ResponseWriter, media string, body []byte) error {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
	return nil
}
