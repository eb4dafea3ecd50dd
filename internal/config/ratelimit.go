package config

import (
	"time"

	"github.com/fluxbase/fluxbase/internal/config/rule"
)

// The backends of rate limits.
const (
	BackendMemory   = "memory"   // of each instance
	BackendPostgres = "postgres" // an unlogged table of the server's database
	BackendRedis    = "redis"
)

// RateLimit is the section ratelimit. Rates are written 60/5m: so many requests
// in such a window; none is no limit. ParseRate reads them.
type RateLimit struct {
	// Enabled is whether there are limits at all; default true, and false for the dev command.
	Enabled bool `key:"enabled" default:"true" doc:"Whether requests are limited at all. The dev command leaves them out unless this says true."`
	// Backend is memory, postgres or redis; default memory.
	Backend string `key:"backend" default:"memory" enum:"memory|postgres|redis" doc:"What keeps the counts: memory is each instance for itself; postgres (a table of the database) and redis are for several instances. While they do not answer within timeout, each instance counts for itself."`
	// Timeout is 1ms to 5s; default 50ms.
	Timeout time.Duration `key:"timeout" default:"50ms" min:"1ms" max:"5s" doc:"How long the backend has for its answer. Beyond that each instance counts for itself until it answers again."`
	// GlobalRateLimit applies Limits to every route; default false.
	GlobalRateLimit bool `key:"global_rate_limit" default:"false" doc:"Whether limits apply, to all requests of a caller together. The limits of routes apply in any case."`
	// Limits are by role.
	Limits CallerLimits `key:"limits" doc:"How many requests a caller may make in the window, by role: anonymous ones by address, users with all their credentials together, service keys each. 0 is no limit."`
	// Window is 1s to 24h; default 1m.
	Window time.Duration `key:"window" alias:"ratelimit.limits.window" default:"1m" min:"1s" max:"24h" doc:"The window of limits. The whole limit may come at once; it grows back evenly, in one window."`
	// Address is a rate; default 18000/1m.
	Address string `key:"address" default:"18000/1m" check:"rate" doc:"How often one address may come at all, before anything else is looked at: against floods, in the memory of each instance. It is for everybody behind the address together, so keep it above limits.service_role."`
	// Routes are the limits of groups of routes.
	Routes RouteLimits `key:"routes" doc:"Limits of routes that are worth attacking, whoever calls them: NUMBER/WINDOW, such as 60/5m, or none."`
	// Redis is for the backend redis.
	Redis Redis `key:"redis" doc:"The Redis of the backend redis."`
}

// CallerLimits is the section ratelimit.limits.
type CallerLimits struct {
	// Anonymous is 0 to 1000000; default 100.
	Anonymous int `key:"anonymous" default:"100" min:"0" max:"1000000" doc:"Requests without a credential, or with one that is refused; by address."`
	// Authenticated is 0 to 1000000; default 1000.
	Authenticated int `key:"authenticated" default:"1000" min:"0" max:"1000000" doc:"Requests of a user."`
	// ServiceRole is 0 to 1000000; default 10000.
	ServiceRole int `key:"service_role" default:"10000" min:"0" max:"1000000" doc:"Requests with a service key."`
}

// RouteLimits is the section ratelimit.routes.
type RouteLimits struct {
	// SignIn is a rate; default 60/5m.
	SignIn string `key:"sign_in" default:"60/5m" check:"rate" doc:"Sign-ins and what proves a mailbox, by address."`
	// SignInAccount is a rate; default 30/15m.
	SignInAccount string `key:"sign_in_account" default:"30/15m" check:"rate" doc:"Sign-ins with a password, by account and address together, so that no stranger keeps the owner out. auth.password_max_failures is for all addresses together."`
	// SignUp is a rate; default 60/1h.
	SignUp string `key:"sign_up" default:"60/1h" check:"rate" doc:"Sign-ups, anonymous ones too, by address."`
	// Mail is a rate; default 60/1h.
	Mail string `key:"mail" default:"60/1h" check:"rate" doc:"Requests that have mail sent, by the address that they come from."`
	// MailRecipient is a rate; default 20/1h.
	MailRecipient string `key:"mail_recipient" default:"20/1h" check:"rate" doc:"Requests that have mail sent, by mailbox and address together. auth.mail_limit is for all addresses together."`
	// MFA is a rate; default 30/5m.
	MFA string `key:"mfa" default:"30/5m" check:"rate" doc:"Codes and passwords that prove who one is, by user, or by the sign-in that waits for one."`
	// Refresh is a rate; default 300/5m.
	Refresh string `key:"refresh" default:"300/5m" check:"rate" doc:"Refreshes, by session."`
}

// Redis is the section ratelimit.redis.
type Redis struct {
	// URL is redis:// or rediss://; default that of a Redis on this machine.
	URL Secret `key:"url" fallback:"REDIS_URL" default:"redis://127.0.0.1:6379/0" secret:"userinfo" check:"redis_url" example:"${REDIS_URL}" doc:"redis://USER:PASSWORD@HOST:PORT/DATABASE, or rediss:// for TLS. One Redis or the primary behind one name, not a cluster."`
	// CAFile is a PEM file; empty, the authorities of the system, by default.
	CAFile string `key:"ca_file" example:"/etc/ssl/certs/redis.pem" doc:"A PEM file of the authority that signed the certificate of Redis, for rediss://. When empty, the authorities of the system count."`
	// Prefix begins every key; default fluxbase:ratelimit.
	Prefix string `key:"prefix" default:"fluxbase:ratelimit" check:"required" doc:"What every key begins with, before a colon. Installations that share a Redis need one each."`
}

// ParseRate reads a rate; none is 0 and 0. It is an error only for text that Load
// would refuse.
func ParseRate(text string) (limit int, window time.Duration, err error) { return rule.ParseRate(text) }
