package config

import "testing"

// What a listener needs to work, and not to believe everybody, is asked in every
// environment.
func TestListening(t *testing.T) {
	t.Parallel()
	const files = "server:\n  tls:\n    cert_file: /a.crt\n    key_file: /a.key\n"
	const ordered = "server:\n  tls:\n    acme:\n      accept_terms: true\n      domains: [a.example.com, b.example.com]\n"
	for name, c := range map[string]struct{ text, want string }{
		"plain":                  {"", ""},
		"proxies":                {"server:\n  proxy_protocol: true\n  trusted_proxies: [10.0.0.0/8]\n", ""},
		"no proxies":             {"server:\n  proxy_protocol: true\n", "fluxbase.yaml:2: server.proxy_protocol needs server.trusted_proxies: nobody else may say whose a connection is"},
		"files":                  {files + "    redirect_address: \":80\"\n", ""},
		"files, https":           {files + "public_url: https://a.example.com\n", ""},
		"files, http":            {files + "public_url: http://a.example.com\n", "fluxbase.yaml:5: public_url is http, and server.tls makes it https"},
		"no key":                 {"server:\n  tls:\n    cert_file: /a.crt\n", "fluxbase.yaml:3: server.tls.cert_file and server.tls.key_file go together"},
		"no certificate":         {"server:\n  tls:\n    key_file: /a.key\n", "server.tls.cert_file and server.tls.key_file go together"},
		"a redirect to nowhere":  {"server:\n  tls:\n    redirect_address: \":80\"\n", "fluxbase.yaml:3: server.tls.redirect_address leads to https, which needs server.tls.cert_file or server.tls.acme.domains"},
		"ordered":                {ordered + "public_url: https://b.example.com\n", ""},
		"ordered, for nobody":    {ordered + "public_url: https://c.example.com\n", "fluxbase.yaml:5: server.tls.acme.domains lacks the name in public_url"},
		"ordered, not the port":  {ordered + "public_url: https://b.example.com:8443\n", ""},
		"ordered, unread":        {"server:\n  tls:\n    acme:\n      domains: [a.example.com]\n", "server.tls.acme.accept_terms is not true: read the authority's terms of service and accept them"},
		"accepted, and no names": {"server:\n  tls:\n    acme:\n      accept_terms: true\n", ""},
	} {
		_, got := loadFile(t, c.text)
		if c.want == "" {
			wantProblems(t, got)
			continue
		}
		t.Log(name)
		wantProblems(t, got, c.want)
	}
}
