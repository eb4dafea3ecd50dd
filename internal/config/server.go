package config

import (
	"net/netip"
	"time"
)

// Server is the section server.
type Server struct {
	// Address is the host:port to listen on; default 127.0.0.1:8080. Port 0 picks a free one.
	Address string `key:"address" default:"127.0.0.1:8080" check:"address" doc:"The host:port to listen on. An empty host is every interface; port 0 picks a free one."`
	// AdminAddress is the host:port of the admin listener; empty, none, by default.
	AdminAddress string `key:"admin_address" check:"admin_address" example:"127.0.0.1:9090" doc:"The host:port of a second listener, for whoever runs the server: /metrics, /livez and /readyz. It asks nobody who they are, so keep it inside your network. Empty is none."`
	// MaxBodySize is in bytes, 1KiB to 1GiB; default 1MiB.
	MaxBodySize Size `key:"max_body_size" default:"1MiB" min:"1KiB" max:"1GiB" doc:"The largest request body."`
	// ReadHeaderTimeout is 1ms to 1h; default 5s.
	ReadHeaderTimeout time.Duration `key:"read_header_timeout" default:"5s" min:"1ms" max:"1h" doc:"How long a client may take to send the request line and headers."`
	// ReadTimeout is 1ms to 1h; default 30s.
	ReadTimeout time.Duration `key:"read_timeout" default:"30s" min:"1ms" max:"1h" doc:"How long a client may take to send the whole request."`
	// MinBodyRate is in bytes a second, 0 to 1MiB; default 1KiB, 0 is any.
	MinBodyRate Size `key:"min_body_rate" default:"1KiB" min:"0" max:"1MiB" doc:"How much of a body of any length (an import) has to come each second, on average and beyond the first nine tenths of write_timeout; 0 is any. All other bodies have read_timeout."`
	// MaxConnectionsPerAddress is 0 to 1000000; default 1000, 0 is any number.
	MaxConnectionsPerAddress int `key:"max_connections_per_address" default:"1000" min:"0" max:"1000000" doc:"How many connections one address (in IPv6 one network of 64 bits) may have open; more are closed at once. Addresses of trusted_proxies, and those that are not of the public Internet, are not limited: there may be anybody behind them. 0 is any number."`
	// WriteTimeout is 1ms to 1h; default 60s.
	WriteTimeout time.Duration `key:"write_timeout" default:"60s" min:"1ms" max:"1h" doc:"How long answering may take, from the end of the request headers."`
	// IdleTimeout is 1ms to 1h; default 2m.
	IdleTimeout time.Duration `key:"idle_timeout" default:"2m" min:"1ms" max:"1h" doc:"How long an idle connection is kept open for the next request."`
	// ShutdownDelay is 0 to 5m; default 0s.
	ShutdownDelay time.Duration `key:"shutdown_delay" default:"0s" min:"0s" max:"5m" doc:"How long the server goes on as before once it is told to stop, while /readyz answers that it is not ready: time for a load balancer to send requests elsewhere. It comes before server.shutdown_timeout."`
	// ShutdownTimeout is 1ms to 1h; default 15s.
	ShutdownTimeout time.Duration `key:"shutdown_timeout" default:"15s" min:"1ms" max:"1h" doc:"How long requests in flight may take to finish once the server is told to stop."`
	// TrustedProxies are the networks whose forwarded headers are believed; default none.
	TrustedProxies []netip.Prefix `key:"trusted_proxies" example:"10.0.0.0/8, fd00::/8" doc:"The networks (CIDR) of your own reverse proxies. X-Forwarded-For is believed from these only, and so is a PROXY header where proxy_protocol is on."`
	// ProxyProtocol says whether connections begin with a PROXY header; default false.
	ProxyProtocol bool `key:"proxy_protocol" default:"false" doc:"Whether a balancer says with a PROXY header (version 1 or 2) for whom each connection is. Every connection has to begin with one then and has to come from one of trusted_proxies; all others are closed. Needs trusted_proxies."`
	// SecurityHeaders change the built-in ones, by canonical header name; an empty value removes the header. Default none.
	SecurityHeaders map[string]string `key:"security_headers" check:"headers" example:"X-Frame-Options=DENY|Strict-Transport-Security=max-age=31536000; includeSubDomains" doc:"Response headers that are set on every answer, over the built-in ones. An empty value (\"\") removes a built-in header. A Content-Security-Policy is sent beside the built-in one, and browsers hold to both; pages of the server keep their own alone. Strict-Transport-Security is only sent where public_url is https."`

	TLS  TLS  `key:"tls" doc:"HTTPS without a proxy in front: certificates from files, or from an authority by ACME. Without either the server speaks HTTP."`
	CORS CORS `key:"cors" doc:"Which web pages of other origins may read answers."`
}

// TLS is the section server.tls.
type TLS struct {
	// CertFile is a certificate with its chain, PEM; empty, none, by default.
	CertFile string `key:"cert_file" example:"/etc/fluxbase/tls.crt" doc:"The certificate with its chain, PEM. It and key_file are read again when they change, without ending a connection; files that are not whole leave the certificate before in use."`
	// KeyFile is the private key of CertFile, PEM; empty by default.
	KeyFile string `key:"key_file" example:"/etc/fluxbase/tls.key" doc:"The private key of cert_file, PEM."`
	// RedirectAddress is the host:port of the listener for plain HTTP; empty, none, by default.
	RedirectAddress string `key:"redirect_address" check:"admin_address" example:":80" doc:"The host:port of a second listener, for plain HTTP, which sends browsers to public_url and answers the challenges (http-01) of an authority. Empty is none."`

	ACME ACME `key:"acme" doc:"Certificates of an authority such as Let's Encrypt, ordered and renewed by the server and kept sealed in the database for all instances."`
}

// ACME is the section server.tls.acme.
type ACME struct {
	// Domains are the exact names to have certificates for; empty, which turns ACME off, by default.
	Domains []string `key:"domains" check:"domains" example:"api.example.com" doc:"The names to have certificates for, that of public_url among them; no wildcards. Empty turns ACME off. With cert_file as well, that is for every other name, and for these until there is one."`
	// Email is where the authority may write to; empty by default.
	Email string `key:"email" check:"contact" example:"operators@example.com" doc:"Where the authority may write to. May be empty."`
	// DirectoryURL is the authority's; default Let's Encrypt.
	DirectoryURL string `key:"directory_url" default:"https://acme-v02.api.letsencrypt.org/directory" check:"directory_url" doc:"The authority's directory (RFC 8555)."`
	// AcceptTerms says that its terms of service are accepted; default false.
	AcceptTerms bool `key:"accept_terms" default:"false" example:"true" doc:"Whether you accept the authority's terms of service. Nothing is ordered without."`
	// CAFile are certificates to trust the directory by, PEM; empty, those of the system, by default.
	CAFile string `key:"ca_file" example:"/etc/fluxbase/acme-ca.pem" doc:"Certificates, PEM, by which the server of directory_url is trusted, for an authority of your own. When empty, those of the system."`
}

// Enabled reports whether the server speaks HTTPS itself.
func (t TLS) Enabled() bool { return t.CertFile != "" || len(t.ACME.Domains) > 0 }

// CORS is the section server.cors.
type CORS struct {
	// AllowedOrigins are exact origins (scheme://host[:port]); default none. The origin * is refused outside development.
	AllowedOrigins []string `key:"allowed_origins" check:"origins" example:"https://app.example.com" doc:"The exact origins (scheme://host, with the port if it is not the usual one) whose pages may read answers. A single * is every origin and is refused outside development."`
}

// Database is the section database.
type Database struct {
	// URL is the owner's postgres:// URL; empty by default, which in development is a PostgreSQL of the server's own.
	URL Secret `key:"url" secret:"password" check:"database_url" example:"${DATABASE_URL}" doc:"The postgres:// URL of the owner of the database, who runs migrations and owns the server's own tables. Required outside development; when empty in development the server runs a PostgreSQL of its own in data_dir."`
	// UserURL is the login of user traffic; empty (derived from URL) by default.
	UserURL Secret `key:"user_url" secret:"password" check:"database_url" example:"${DATABASE_USER_URL}" doc:"The postgres:// URL of the login for the traffic of users, which can become only anonymous and authenticated. When empty, a login is made and derived from url."`
	// ServiceURL is the login of service traffic; empty (derived from URL) by default.
	ServiceURL Secret `key:"service_url" secret:"password" check:"database_url" example:"${DATABASE_SERVICE_URL}" doc:"The postgres:// URL of the login for the traffic of service keys, which can become only service_role. When empty, a login is made and derived from url."`
	// MaxConnections is for each pool of user traffic, 1 to 1000; default 10.
	MaxConnections int `key:"max_connections" default:"10" min:"1" max:"1000" doc:"The most connections in each pool of user traffic. There is one pool for each database role."`
	// BinDir has initdb and postgres; empty (searched for) by default. Used only without URL.
	BinDir string `key:"bin_dir" example:"/usr/lib/postgresql/17/bin" doc:"Where initdb and postgres are, for the server's own PostgreSQL. When empty they are searched for."`
	// DataDir is the directory of the server's own PostgreSQL; default .fluxbase. Used only without URL.
	DataDir string `key:"data_dir" default:".fluxbase" check:"required" doc:"The directory of the server's own PostgreSQL, relative to the working directory. Used only when url is empty."`
	// StatementTimeout is 1ms to 1h; default 10s.
	StatementTimeout time.Duration `key:"statement_timeout" default:"10s" min:"1ms" max:"1h" doc:"How long one statement of a request may run."`
	// Pooler is none or transaction; default none.
	Pooler string `key:"pooler" default:"none" enum:"none|transaction" doc:"What stands between this server and PostgreSQL: transaction for PgBouncer and the like in transaction mode, where no statement can stay prepared."`
}
