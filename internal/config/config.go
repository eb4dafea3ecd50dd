// Package config fills one typed Config from, in rising precedence, defaults,
// a YAML file, the environment and command-line flags, and remembers where
// each value came from.
//
// Struct tags on Config say everything about a key; setting reads them. This
// package says which keys there are, what each accepts, what goes together, and
// what an environment refuses.
//
// The rule that matters: nothing is guessed and nothing is skipped. An unknown,
// duplicate or ill-typed key is an error, all errors are reported together, and
// no error repeats a value, since any value may be a secret.
//
// It does not derive values from one another and opens no connection; what is
// left empty is for the caller to derive.
package config

import "time"

// Environment is what kind of installation this is; it decides what Validate
// refuses.
type Environment string

// The environments, from the most to the least forgiving.
const (
	Development Environment = "development" // one person's machine; open defaults are fine
	Staging     Environment = "staging"     // like production, but http is accepted in public_url
	Production  Environment = "production"
)

// Config is every setting of the server. Use Load to make one: the zero value
// has none of the defaults. It is not changed after start-up, so reading it
// from many goroutines is safe.
type Config struct {
	// Environment is development, staging or production; default production.
	Environment Environment `key:"environment" env:"FLUXBASE_ENV" default:"production" enum:"development|staging|production" doc:"What kind of installation this is. Staging and production refuse values that are only fit for development, naming each. The dev command uses development unless told otherwise."`
	// PublicURL is the origin that people and other servers reach this one at: scheme, host and port, nothing after. Empty by default.
	PublicURL string `key:"public_url" check:"public_url" example:"https://api.example.com" doc:"The origin at which people and other servers reach this one: http or https, host, port, nothing after it. Links in mail are made from it, never from a request. When empty it follows server.address; production needs https, staging accepts http."`
	// SecretKeyText is secret_key as it was written, the key of version 1; EncryptionKeys has the keys of all places. Empty by default.
	SecretKeyText Secret `key:"secret_key" secret:"key" check:"secret_key" example:"${SECRET_KEY}" doc:"The 32-byte key that seals what the server stores, as its version 1: 64 hexadecimal digits (openssl rand -hex 32), base64, exactly 32 characters, or a Vault reference. Required outside development, unless security.encryption names other keys. Losing it loses everything sealed under it."`

	Log        Log        `key:"log" doc:"What the server writes about itself."`
	Telemetry  Telemetry  `key:"telemetry" doc:"What is told to whoever collects traces and metrics. Where that is, and how much, is said by the standard variables OTEL_*; see docs/operations/observability.md."`
	Server     Server     `key:"server" doc:"The HTTP listener and what it answers with."`
	Database   Database   `key:"database" doc:"The PostgreSQL behind this server."`
	Auth       Auth       `key:"auth" doc:"Sign-up, passwords, tokens and sessions."`
	Mail       Mail       `key:"mail" doc:"The messages that the server sends to people: links, codes and notices."`
	Audit      Audit      `key:"audit" doc:"The record of what happened."`
	Data       Data       `key:"data" doc:"Which tables and functions the data API offers."`
	Security   Security   `key:"security" doc:"What protects the server and what it stores."`
	RateLimit  RateLimit  `key:"ratelimit" doc:"How often callers may come."`
	Migrations Migrations `key:"migrations" doc:"The migrations of your own tables."`

	sources map[string]string // key path -> where its value came from
}

// Log is the section log.
type Log struct {
	// Level is the least severe record that is written: debug, info, warn or error; default info.
	Level string `key:"level" default:"info" enum:"debug|info|warn|error" doc:"The least severe record that is written."`
	// Format is auto, json or text; default auto.
	Format string `key:"format" default:"auto" enum:"auto|json|text" doc:"json writes one object a line; text is for people; auto is text on a terminal and json otherwise."`
}

// Telemetry is the section telemetry.
type Telemetry struct {
	// TrustTraceparent lets requests decide about traces; default false.
	TrustTraceparent bool `key:"trust_traceparent" default:"false" doc:"Whether the field traceparent of a request (W3C Trace Context) decides which trace the request belongs to, and whether it is recorded. Set it only where nobody but your own services can reach the server, or a proxy writes the field anew: whoever sends it can have every request recorded, and join any trace. If false, the two traces are linked."`
}

// Migrations is the section migrations.
type Migrations struct {
	// Dir is the directory of the application's own migrations; default migrations.
	Dir string `key:"dir" default:"migrations" check:"required" doc:"The directory of your own SQL migrations, relative to the working directory."`
}

// Data is the section data.
type Data struct {
	// Schemas are the schemas whose tables are offered; default public. Never auth, pg_*, information_schema or fluxbase*.
	Schemas []string `key:"schemas" default:"public" check:"schemas" doc:"The schemas whose tables, views and functions are offered, the first being the default one. The system's own (auth, information_schema, names that begin with pg_ or fluxbase) can never be listed."`
	// AllowWithoutRLS are tables offered although Row-Level Security is off, as table or schema.table; default none.
	AllowWithoutRLS []string `key:"allow_without_rls" check:"tables" example:"public.countries" doc:"Tables that are offered although Row-Level Security is not enabled on them, as table or schema.table. Every row of such a table is for everybody who may use the table at all."`
	// MaxRows bounds the rows of one answer; default 1000, 0 is unlimited.
	MaxRows int `key:"max_rows" default:"1000" min:"0" doc:"The most rows in one answer; 0 is unlimited."`
	// Aggregates says whether requests may use functions over rows; default false.
	Aggregates bool `key:"aggregates" default:"false" doc:"Whether requests may use functions over rows in select: count(), sum(), avg(), min() and max(). They look at every row that the caller may see, so a table needs policies and limits that suit."`
	// MaxBodySize is in bytes, 1KiB to 16GiB; default 128MiB.
	MaxBodySize Size `key:"max_body_size" default:"128MiB" min:"1KiB" max:"16GiB" doc:"The largest body of an insert. What is larger than 1 MiB waits in a file of the directory for temporary files (TMPDIR), up to eight times this size for all requests together. server.max_body_size is the largest single row, and the largest body of other writes."`
	// TxEnd says whether writes of the data API last; default commit.
	TxEnd string `key:"tx_end" default:"commit" enum:"commit|commit-allow-override|rollback|rollback-allow-override" doc:"Whether what a request writes is kept (commit) or undone after it has been answered (rollback, for tests). With allow-override, a request may say so itself: Prefer: tx=commit or tx=rollback."`
	// IsolationOverride lets requests choose the isolation of their transaction; default false.
	IsolationOverride bool `key:"isolation_override" default:"false" doc:"Whether a request may choose the isolation of its transaction: Prefer: isolation=read-committed, repeatable-read or serializable. It costs one network round trip more, and repeatable-read and serializable may fail with 40001, to be repeated."`
	// PlanEnabled lets requests ask how PostgreSQL would run them; default false.
	PlanEnabled bool `key:"plan_enabled" default:"false" doc:"Whether a request may ask for its plan: Accept: application/vnd.pgrst.plan+json or +text. A plan shows the conditions of policies, and numbers that are drawn from rows which they hide, so this is not for production."`
	// PreRequest is a function without arguments that runs first in each transaction of the data API, as schema.function; empty, none, by default.
	PreRequest string `key:"pre_request" check:"function" example:"public.check_request" doc:"A function without arguments, as schema.function, that runs before the statement of each request for data: as the caller, in the same transaction. It refuses a request by raising an error, and may set response.headers and response.status. The server does not start without it."`

	Limits DataLimits `key:"limits" doc:"What requests for data may cost, by the role that they run as. Each role falls back to what holds for all."`
}

// DataLimits is the section data.limits.
type DataLimits struct {
	Anonymous     RoleLimits `key:"anonymous" doc:"Requests of nobody in particular."`
	Authenticated RoleLimits `key:"authenticated" doc:"Requests of people who are signed in."`
	Service       RoleLimits `key:"service_role" doc:"Requests with a service key."`
}

// RoleLimits is each section of data.limits.
type RoleLimits struct {
	// StatementTimeout is 0 to 1h; default 0, which is database.statement_timeout.
	StatementTimeout time.Duration `key:"statement_timeout" default:"0s" min:"0s" max:"1h" doc:"How long a statement of a request may take; 0s is database.statement_timeout."`
	// MaxRows bounds the rows of one answer; default 0, which is data.max_rows.
	MaxRows int `key:"max_rows" default:"0" min:"0" doc:"The most rows in one answer; 0 is data.max_rows."`
	// MaxCost is in the planner's units; default 0, no limit.
	MaxCost int `key:"max_cost" default:"0" min:"0" doc:"The most that PostgreSQL may expect a statement to cost, in the units of EXPLAIN; 0 is no limit. Each request is then explained first, which takes two network round trips more."`
}
