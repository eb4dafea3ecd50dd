package server_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/certificate/acmetest"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

// patience bounds all waiting for a server.
const patience = 30 * time.Second

func host(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

func dial(t *testing.T, url string) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", host(url), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// raw sends bytes and returns all that is answered until the connection ends.
func raw(t *testing.T, url, text string) string {
	t.Helper()
	conn := dial(t, url)
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		t.Fatalf("%.60q: the connection stays open", text)
	}
	return string(answer)
}

// TestBodiesAreRefusedByTheirFields before a credential is looked at: what
// announces too much, or is compressed, costs nobody anything.
func TestBodiesAreRefusedByTheirFields(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.With("data.max_body_size", "4MiB"))
	const bad = "Authorization: Bearer fb_service_000000000000000000000000000000000000000000000000\r\n"
	for name, c := range map[string]struct{ path, fields, want string }{
		"announced":           {"/api/v1/auth/signin", bad + "Content-Length: 9999999", "413 body_too_large"},
		"announced, inserts":  {"/api/v1/tables/todos", bad + "Content-Length: 9999999", "413 body_too_large"},
		"compressed":          {"/api/v1/auth/signin", bad + "Content-Encoding: gzip\r\nContent-Length: 20", "415 unsupported_content_encoding"},
		"compressed, inserts": {"/api/v1/tables/todos", bad + "Content-Encoding: br\r\nContent-Length: 20", "415 unsupported_content_encoding"},
		"compressed, imports": {"/api/v1/admin/users/import", bad + "Content-Encoding: zstd\r\nTransfer-Encoding: chunked", "415 unsupported_content_encoding"},
		"compressed twice":    {"/api/v1/auth/signin", bad + "Content-Encoding: identity\r\nContent-Encoding: gzip\r\nContent-Length: 20", "415 unsupported_content_encoding"},
		// Of what does not say how long it is nothing is read before the credential.
		"chunked":               {"/api/v1/auth/signin", bad + "Transfer-Encoding: chunked", "401 invalid_key"},
		"control: the length":   {"/api/v1/auth/signin", bad + "Content-Length: 20", "401 invalid_key"},
		"control: the encoding": {"/api/v1/auth/signin", bad + "Content-Encoding: identity\r\nContent-Length: 20", "401 invalid_key"},
	} {
		conn := dial(t, s.URL)
		body := strings.Repeat("{", 20) // less than is announced, where that is too much
		if strings.Contains(c.fields, "chunked") {
			body = "200000\r\n" + strings.Repeat("{", 2<<20) + "\r\n0\r\n\r\n"
		}
		go func() {
			_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n%s\r\n\r\n%s", c.path, c.fields, body)
		}()
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text, _ := io.ReadAll(io.LimitReader(answer.Body, answer.ContentLength))
		_ = conn.Close()
		_ = answer.Body.Close()
		code := regexp.MustCompile(`"code":"(\w+)"`).FindSubmatch(text)
		if got := fmt.Sprintf("%d %s", answer.StatusCode, code[1]); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	// A body that does not say so is cut at the limit.
	for name, size := range map[string]int{"over": 1<<20 + 1, "control: up to it": 1 << 20} {
		body := `{"email":"` + strings.Repeat("a", size-len(`{"email":""}`)) + `"}`
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/api/v1/auth/signin", io.MultiReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if over := answer.StatusCode == http.StatusRequestEntityTooLarge; over != (name == "over") {
			t.Errorf("%s: %d", name, answer.StatusCode)
		}
	}
}

func TestHeadersAreLimited(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for _, c := range []struct {
		size int
		want string
	}{{8 << 10, "HTTP/1.1 200"}, {64 << 10, "HTTP/1.1 431"}} {
		for name, request := range map[string]string{
			"a field":     "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-A: " + strings.Repeat("a", c.size) + "\r\n\r\n",
			"many fields": "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + strings.Repeat("X-A: a\r\n", c.size/8) + "\r\n",
			"the query":   "GET /livez?" + strings.Repeat("a", c.size) + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
		} {
			conn := dial(t, s.URL)
			go func() { _, _ = io.WriteString(conn, request) }()
			line, err := bufio.NewReader(conn).ReadString('\n')
			if err != nil || !strings.HasPrefix(line, c.want) {
				t.Errorf("%s of %d: %q, %v", name, c.size, line, err)
			}
			_ = conn.Close()
		}
	}
}

// slowly sends a text byte by byte for as long as somebody listens, and returns
// what was answered until then.
func slowly(conn net.Conn, text string) string {
	go func() {
		for i := 0; ; i++ {
			b := byte(' ')
			if i < len(text) {
				b = text[i]
			}
			if _, err := conn.Write([]byte{b}); err != nil {
				return
			}
			if i >= len(text) {
				time.Sleep(20 * time.Millisecond)
			}
		}
	}()
	return untilEnd(conn)
}

// untilEnd returns what is answered until the server ends a connection, or what
// is no answer if it does not.
func untilEnd(conn net.Conn) string {
	answer, err := io.ReadAll(conn)
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return "the connection stays open"
	}
	return string(answer)
}

// TestSlowSenders has 150 clients that dribble, while another one is served.
func TestSlowSenders(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.With("server.read_header_timeout", "700ms"), servertest.With("server.read_timeout", "1500ms"), servertest.With("server.write_timeout", "2s"))
	patient := servertest.New(t, servertest.With("server.read_header_timeout", "700ms"), servertest.With("server.read_timeout", "1h"))
	type end struct{ kind, answer string }
	kinds := map[string]struct{ text, answer string }{
		"fields, which have less time than a body": {"GET /livez HTTP/1.1\r\nHost: a\r\nX-A: ", ""},

		"fields":         {"GET /livez HTTP/1.1\r\nHost: a\r\nX-A: ", ""},
		"a body":         {"POST /api/v1/auth/signin HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n", "HTTP/1.1 408"},
		"an import":      {"POST /api/v1/admin/users/import HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + s.ServiceKey + "\r\nContent-Type: application/x-ndjson\r\nContent-Length: 1000000\r\n\r\n", "HTTP/1.1 408"},
		"rows":           {"POST /api/v1/tables/todos HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n", "HTTP/1.1 4"},
		"nothing at all": {"", ""},
	}
	const each = 30
	ends := make(chan end, len(kinds)*each)
	for name, kind := range kinds {
		for range each {
			to := s
			if strings.HasPrefix(name, "fields, ") {
				to = patient
			}
			conn := dial(t, to.URL)
			go func() {
				if name == "nothing at all" {
					ends <- end{name, untilEnd(conn)}
					return
				}
				ends <- end{name, slowly(conn, kind.text)}
			}()
		}
	}
	for range 20 {
		if a := s.Do("GET", "/livez", "", ""); a.Status != http.StatusOK {
			t.Errorf("meanwhile: %d", a.Status)
		}
	}
	late := time.After(2 * patience)
	for range len(kinds) * each {
		select {
		case e := <-ends:
			if want := kinds[e.kind].answer; !strings.HasPrefix(e.answer, want) || want == "" && e.answer != "" && !strings.HasPrefix(e.answer, "HTTP/1.1 4") {
				t.Errorf("%s: %.80q", e.kind, e.answer)
			}
		case <-late:
			t.Fatal("a slow sender is still listened to")
		}
	}
}

// secure is a server that speaks HTTPS, and a client that trusts it.
func secure(t *testing.T, options ...servertest.Option) (s *servertest.Server, client *http.Client, config *tls.Config) {
	t.Helper()
	cert, key := acmetest.Pair(t, "api.example.com", time.Now().Add(time.Hour))
	dir := t.TempDir()
	files := map[string][]byte{"cert_file": cert, "key_file": key}
	options = append(options, servertest.With("public_url", "https://api.example.com"))
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		options = append(options, servertest.With("server.tls."+name, path))
	}
	s = servertest.New(t, options...)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	config = &tls.Config{RootCAs: roots, ServerName: "api.example.com", MinVersion: tls.VersionTLS12}
	transport := &http.Transport{TLSClientConfig: config.Clone(), ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	never := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s, &http.Client{Transport: transport, Timeout: patience, CheckRedirect: never}, config
}

func TestHTTPS(t *testing.T) {
	t.Parallel()
	s, client, config := secure(t, servertest.With("server.read_timeout", "1s"), servertest.With("server.admin_address", "127.0.0.1:0"))
	answer, err := client.Get("https://" + host(s.URL) + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.ProtoMajor != 2 || answer.StatusCode != http.StatusOK || answer.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%s %d %v", answer.Proto, answer.StatusCode, answer.Header)
	}
	if got := raw(t, s.URL, "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.0 400") {
		t.Errorf("plain HTTP: %.60q", got)
	}
	for protocol, want := range map[string]string{"http/1.1": "http/1.1", "h2": "h2"} {
		c := config.Clone()
		c.NextProtos = []string{protocol}
		conn, err := tls.Dial("tcp", host(s.URL), c)
		if err != nil || conn.ConnectionState().NegotiatedProtocol != want {
			t.Errorf("%s: %v", protocol, err)
		}
	}

	// A body that dribbles ends in HTTP/2, too, and the connection goes on.
	body, feed := io.Pipe()
	defer func() { _ = body.Close() }()
	go func() {
		for {
			if _, err := feed.Write([]byte(" ")); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+host(s.URL)+"/api/v1/auth/signin", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if answer, err = client.Do(r); err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusRequestTimeout {
		t.Errorf("a slow body: %s", answer.Status)
	}
	if metrics := adminText(t, s, "/metrics"); !strings.Contains(metrics, `fluxbase_tls_certificate_expiry_seconds{name="api.example.com",source="files"}`) ||
		!strings.Contains(metrics, "fluxbase_connections_open") {
		t.Error("certificates and connections are not measured")
	}
}

// beside returns the address of a listener beside the one of clients.
func beside(t *testing.T, s *servertest.Server, name string) string {
	t.Helper()
	line := regexp.MustCompile(`msg="` + name + ` listener" address=(\S+)`)
	for began := time.Now(); time.Since(began) < patience; time.Sleep(10 * time.Millisecond) {
		if found := line.FindStringSubmatch(s.LogText()); found != nil {
			return found[1]
		}
	}
	t.Fatalf("there is no %s listener", name)
	return ""
}

func adminText(t *testing.T, s *servertest.Server, path string) string {
	t.Helper()
	answer, err := http.Get("http://" + beside(t, s, "admin") + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Plain HTTP leads to the public URL, wherever the request says that it was
// sent, and nowhere where it would do something.
func TestRedirects(t *testing.T) {
	t.Parallel()
	s, _, _ := secure(t, servertest.With("server.tls.redirect_address", "127.0.0.1:0"))
	plain := "http://" + beside(t, s, "redirect")
	for name, c := range map[string]struct{ request, status, location string }{
		"a page":               {"GET /docs?a=b%20c HTTP/1.1\r\nHost: api.example.com\r\n", "308", "https://api.example.com/docs?a=b%20c"},
		"another Host":         {"GET /docs HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nForwarded: host=evil.example\r\n", "308", "https://api.example.com/docs"},
		"a whole URL":          {"GET http://evil.example/docs HTTP/1.1\r\nHost: evil.example\r\n", "308", "https://api.example.com/docs"},
		"two slashes":          {"GET //evil.example/docs HTTP/1.1\r\nHost: a\r\n", "308", "https://api.example.com//evil.example/docs"},
		"user information":     {"GET /@evil.example HTTP/1.1\r\nHost: a\r\n", "308", "https://api.example.com/@evil.example"},
		"a line feed":          {"GET /%0d%0aSet-Cookie:a=b HTTP/1.1\r\nHost: a\r\n", "308", "https://api.example.com/%0d%0aSet-Cookie:a=b"},
		"HEAD":                 {"HEAD / HTTP/1.1\r\nHost: a\r\n", "308", "https://api.example.com/"},
		"a sign-in":            {"POST /api/v1/auth/signin HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n", "403", ""},
		"with a token":         {"GET /api/v1/auth/user HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n", "403", ""},
		"with a key":           {"GET /api/v1/tables/todos HTTP/1.1\r\nHost: a\r\napikey: x\r\n", "403", ""},
		"no path":              {"OPTIONS * HTTP/1.1\r\nHost: a\r\n", "403", ""},
		"a challenge, no ACME": {"GET /.well-known/acme-challenge/x HTTP/1.1\r\nHost: a\r\n", "308", "https://api.example.com/.well-known/acme-challenge/x"},
	} {
		got := raw(t, plain, c.request+"Connection: close\r\n\r\n")
		location := ""
		if found := regexp.MustCompile(`\r\nLocation: ([^\r]*)\r\n`).FindStringSubmatch(got); found != nil {
			location = found[1]
		}
		if !strings.HasPrefix(got, "HTTP/1.1 "+c.status) || location != c.location || strings.Contains(got, "Set-Cookie: ") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestServerOrdersItsCertificate from a real authority, which asks for the
// challenge over plain HTTP or in a handshake.
func TestServerOrdersItsCertificate(t *testing.T) {
	t.Parallel()
	httpPort := acmetest.FreePort(t)
	a := acmetest.NewAuthority(t, httpPort, 1) // nobody listens at the other port
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, []byte(a.CA), 0o600); err != nil {
		t.Fatal(err)
	}
	s := servertest.New(t, servertest.With("public_url", "https://api.example.com"), servertest.With("server.tls.redirect_address", fmt.Sprintf("127.0.0.1:%d", httpPort)),
		servertest.With("server.tls.acme.domains", "api.example.com"), servertest.With("server.tls.acme.accept_terms", "true"),
		servertest.With("server.tls.acme.directory_url", a.Directory), servertest.With("server.tls.acme.ca_file", ca))
	for began := time.Now(); !strings.Contains(s.LogText(), "a new certificate is in use"); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("there is no certificate:\n%s", s.LogText())
		}
	}
	transport := &http.Transport{TLSClientConfig: a.Client(t, "api.example.com"), ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	answer, err := (&http.Client{Transport: transport, Timeout: patience}).Get("https://" + host(s.URL) + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.ProtoMajor != 2 {
		t.Errorf("%s %s", answer.Proto, answer.Status)
	}
	if got := raw(t, fmt.Sprintf("http://127.0.0.1:%d", httpPort), "GET /.well-known/acme-challenge/x HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 404") {
		t.Errorf("a challenge that there is not: %s", got)
	}
}

// TestWhoseAddress has a balancer (PROXY protocol) and proxies behind it
// (X-Forwarded-For), together and apart: nobody chooses an address.
func TestWhoseAddress(t *testing.T) {
	t.Parallel()
	balanced := servertest.New(t, servertest.With("server.proxy_protocol", "true"), servertest.With("server.trusted_proxies", "127.0.0.0/8, 10.0.0.0/8"))
	proxied := servertest.New(t, servertest.With("server.trusted_proxies", "127.0.0.0/8, 10.0.0.0/8"))
	alone := servertest.New(t)
	for name, c := range map[string]struct {
		server                *servertest.Server
		header, forwarded, is string // "" is refused
	}{
		"a balancer":                              {balanced, "PROXY TCP4 203.0.113.7 10.0.0.1 1 80\r\n", "", "203.0.113.7"},
		"a client makes a list up":                {balanced, "PROXY TCP4 203.0.113.7 10.0.0.1 1 80\r\n", "1.1.1.1", "203.0.113.7"},
		"a client names a proxy":                  {balanced, "PROXY TCP4 203.0.113.7 10.0.0.1 1 80\r\n", "1.1.1.1, 10.0.0.1", "203.0.113.7"},
		"a proxy behind the balancer":             {balanced, "PROXY TCP4 10.0.0.9 10.0.0.1 1 80\r\n", "203.0.113.8", "203.0.113.8"},
		"and a client that makes a list up":       {balanced, "PROXY TCP4 10.0.0.9 10.0.0.1 1 80\r\n", "1.1.1.1, 203.0.113.8", "203.0.113.8"},
		"no header":                               {balanced, "", "", ""},
		"no header, with a list":                  {balanced, "", "1.1.1.1", ""},
		"a header that is wrong":                  {balanced, "PROXY TCP4 nobody 10.0.0.1 1 80\r\n", "1.1.1.1", ""},
		"a proxy alone":                           {proxied, "", "203.0.113.8", "203.0.113.8"},
		"a header where the protocol is off":      {proxied, "PROXY TCP4 203.0.113.7 10.0.0.1 1 80\r\n", "", ""},
		"a header to a server that trusts nobody": {alone, "PROXY TCP4 203.0.113.7 10.0.0.1 1 80\r\n", "", ""},
		"a list to a server that trusts nobody":   {alone, "", "1.1.1.1", "127.0.0.1"},
	} {
		dial(t, c.server.URL) // says nothing, and keeps nobody waiting
		request := "GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
		if c.forwarded != "" {
			request += "X-Forwarded-For: " + c.forwarded + "\r\n"
		}
		got := raw(t, c.server.URL, c.header+request+"\r\n")
		if c.is == "" {
			if strings.HasPrefix(got, "HTTP/1.1 404") {
				t.Errorf("%s: served: %.80q", name, got)
			}
			continue
		}
		if is := addressIn(c.server, got); !strings.HasPrefix(got, "HTTP/1.1 404") || is != c.is {
			t.Errorf("%s: %s, want %s: %.80q", name, is, c.is, got)
		}
	}
}

// addressIn is the one that the log has for what was answered so.
func addressIn(s *servertest.Server, answer string) string {
	id := regexp.MustCompile(`\r\nX-Request-Id: (\S+)`).FindStringSubmatch(answer)
	if id == nil {
		return ""
	}
	found := regexp.MustCompile(`request_id=` + id[1] + `\b.* remote_addr=(\S+)`).FindStringSubmatch(s.LogText())
	if found == nil {
		return ""
	}
	return found[1]
}

// TestWhoseAddressUnderTLS has the header before the handshake.
func TestWhoseAddressUnderTLS(t *testing.T) {
	t.Parallel()
	s, _, config := secure(t, servertest.With("server.proxy_protocol", "true"), servertest.With("server.trusted_proxies", "127.0.0.0/8"))
	conn := dial(t, s.URL)
	if _, err := io.WriteString(conn, "PROXY TCP4 203.0.113.7 10.0.0.1 1 443\r\n"); err != nil {
		t.Fatal(err)
	}
	client := tls.Client(conn, config)
	if _, err := io.WriteString(client, "GET /under-tls HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(client)
	if err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 404") || addressIn(s, string(text)) != "203.0.113.7" {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := tls.Dial("tcp", host(s.URL), config); err == nil {
		t.Error("a handshake without a header is answered")
	}
}
