package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// Roles finds logins that can do what requests must not: the server's own that
// is a superuser, and others that can become service_role or that Row-Level
// Security does not bind. The logins of the configuration are looked at when
// the server opens them; but names that of service traffic.
func Roles(ctx context.Context, q postgres.Querier, but ...string) ([]telemetry.Finding, error) {
	rows, err := selectRoles(ctx, q, but)
	if err != nil {
		return nil, err
	}
	var found []telemetry.Finding
	for _, r := range rows {
		f := telemetry.Finding{Severity: telemetry.Warning, Where: "role " + r.Name}
		name := quote(r.Name)
		switch {
		case r.Own && r.Super:
			f.Detail = "The server logs in as a superuser: a defect of it, or of a function that its owner made, is one of the whole cluster."
			f.Fix = "create role fluxbase_owner login createrole; alter database ... owner to fluxbase_owner; and database.url with that login (docs/operations/production.md)"
		case r.Own:
			continue // the owner of the tables makes the roles, and may become them
		case r.Service:
			f.Severity, f.Detail = telemetry.Problem, "Whoever logs in as it can become service_role, which no policy binds."
			f.Fix = "revoke service_role from " + name + ";"
		case r.Bypasses:
			f.Detail = "Row-Level Security does not bind it, and it can log in."
			f.Fix = "alter role " + name + " nobypassrls; -- unless it is for backups"
		}
		found = append(found, f)
	}
	return found, nil
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// endOfLife says until when each major version of PostgreSQL is supported
// (https://www.postgresql.org/support/versioning/).
var endOfLife = map[int]time.Time{
	13: time.Date(2025, 11, 13, 0, 0, 0, 0, time.UTC), 14: time.Date(2026, 11, 12, 0, 0, 0, 0, time.UTC),
	15: time.Date(2027, 11, 11, 0, 0, 0, 0, time.UTC), 16: time.Date(2028, 11, 9, 0, 0, 0, 0, time.UTC),
	17: time.Date(2029, 11, 8, 0, 0, 0, 0, time.UTC), 18: time.Date(2030, 11, 14, 0, 0, 0, 0, time.UTC),
}

// soon is how long before its end a version is spoken of.
const soon = 180 * 24 * time.Hour

// Needs is what the server needs of PostgreSQL.
type Needs struct {
	Connections int  // at most, of one instance; 0 for not known
	Development bool // data may be lost
}

// Settings finds settings of PostgreSQL that lose data, weaken passwords, or do
// not suffice.
func Settings(ctx context.Context, q postgres.Querier, now time.Time, needs Needs) ([]telemetry.Finding, error) {
	settings, err := selectSettings(ctx, q)
	if err != nil {
		return nil, err
	}
	remote, encrypted, err := selectConnection(ctx, q)
	if err != nil {
		return nil, err
	}
	found := version(settings, now)
	if remote && !encrypted {
		found = append(found, telemetry.Finding{
			Severity: telemetry.Warning, Where: "database.url", Detail: "The connection to the database goes over a network and is not encrypted.",
			Fix: "database.url with sslmode=verify-full, and in postgresql.conf: ssl = on",
		})
	}
	if needs.Development {
		return found, nil
	}
	for _, wrong := range []struct {
		setting, value string
		severity       telemetry.Severity
		detail, should string
	}{
		{"fsync", "off", telemetry.Problem, "A crash of the machine destroys the database.", "on"},
		{"full_page_writes", "off", telemetry.Problem, "A crash of the machine can destroy pages of the database.", "on"},
		{"zero_damaged_pages", "on", telemetry.Problem, "Damaged pages are emptied without a word.", "off"},
		{"row_security", "off", telemetry.Problem, "Queries that policies would filter fail instead.", "on"},
		{"autovacuum", "off", telemetry.Warning, "Tables grow without end, and transaction ids run out.", "on"},
		{"password_encryption", "md5", telemetry.Warning, "New passwords of roles are kept as MD5, which is broken.", "scram-sha-256"},
		{"log_statement", "all", telemetry.Note, "Every statement is in PostgreSQL's log, with what passes through it.", "ddl"},
	} {
		if settings[wrong.setting] == wrong.value {
			found = append(found, telemetry.Finding{
				Severity: wrong.severity, Where: wrong.setting + " = " + wrong.value, Detail: wrong.detail,
				Fix: fmt.Sprintf("alter system set %s = '%s'; select pg_reload_conf();", wrong.setting, wrong.should),
			})
		}
	}
	return append(found, room(settings, needs)...), nil
}

func version(settings map[string]string, now time.Time) []telemetry.Finding {
	number, _ := strconv.Atoi(settings["server_version_num"])
	major := number / 10000
	end, known := endOfLife[major]
	f := telemetry.Finding{Where: fmt.Sprintf("PostgreSQL %d", major), Fix: "pg_upgrade to a version that is supported: https://www.postgresql.org/support/versioning/"}
	switch {
	case !known && major > 13:
		return nil // later than this program
	case !known || now.After(end):
		f.Severity, f.Detail = telemetry.Warning, "The version is no longer supported: holes in it stay open."
		if known {
			f.Detail = "The version is no longer supported since " + end.Format(time.DateOnly) + ": holes in it stay open."
		}
	case now.Add(soon).After(end):
		f.Severity, f.Detail = telemetry.Note, "The version is supported until "+end.Format(time.DateOnly)+"."
	default:
		return nil
	}
	return []telemetry.Finding{f}
}

// room finds that one instance may want more connections than there are.
func room(settings map[string]string, needs Needs) []telemetry.Finding {
	most, err := strconv.Atoi(settings["max_connections"])
	reserved, _ := strconv.Atoi(settings["superuser_reserved_connections"])
	if err != nil || needs.Connections <= most-reserved {
		return nil
	}
	return []telemetry.Finding{{
		Severity: telemetry.Warning, Where: fmt.Sprintf("max_connections = %d", most),
		Detail: fmt.Sprintf("One instance of this server may open %d connections, and %d are to be had: under load requests are refused.", needs.Connections, most-reserved),
		Fix:    fmt.Sprintf("alter system set max_connections = %d; and restart PostgreSQL, or lower database.max_connections", needs.Connections+reserved+20),
	}}
}

const (
	oldWarning = 1_000_000_000 // of 2,147,483,648 transaction ids
	oldProblem = 1_800_000_000
	keptLog    = 10 << 30 // bytes of write-ahead log
	idleLimit  = 15 * time.Minute
)

// Storage finds what lets a database run full or come to a halt.
func Storage(ctx context.Context, q postgres.Querier) ([]telemetry.Finding, error) {
	s, err := selectStorage(ctx, q, keptLog)
	if err != nil {
		return nil, err
	}
	return s.findings(), nil
}

func (s storage) findings() []telemetry.Finding {
	var found []telemetry.Finding
	if s.Age >= oldWarning {
		f := telemetry.Finding{
			Severity: telemetry.Warning, Where: "database " + s.Database,
			Detail: fmt.Sprintf("Its oldest transaction id is %d million transactions old; at 2,147 million PostgreSQL refuses every write.", s.Age/1_000_000),
			Fix:    "vacuumdb --all --freeze --jobs 2, after ending what holds it back: old transactions, prepared ones, replication slots",
		}
		if s.Age >= oldProblem {
			f.Severity = telemetry.Problem
		}
		found = append(found, f)
	}
	for _, slot := range s.Slots {
		found = append(found, telemetry.Finding{
			Severity: telemetry.Warning, Where: "replication slot " + slot,
			Detail: fmt.Sprintf("Nobody reads from it, and more than %d GiB of the write-ahead log are kept for it: the disk fills up.", keptLog>>30),
			Fix:    "select pg_drop_replication_slot('" + strings.ReplaceAll(slot, "'", "''") + "'); -- if its replica is gone",
		})
	}
	for _, gid := range s.Prepared {
		found = append(found, telemetry.Finding{
			Severity: telemetry.Warning, Where: "prepared transaction " + gid,
			Detail: "It has been waiting for more than an hour, holds its locks, and keeps old rows from being removed.",
			Fix:    "rollback prepared '" + strings.ReplaceAll(gid, "'", "''") + "'; -- or commit prepared",
		})
	}
	if idle := time.Duration(s.Idle) * time.Second; idle >= idleLimit {
		found = append(found, telemetry.Finding{
			Severity: telemetry.Warning, Where: "pg_stat_activity",
			Detail: fmt.Sprintf("A transaction in which nothing happens has been open for %s: it holds its locks, and keeps old rows from being removed.", idle),
			Fix:    "select pid, usename, application_name, xact_start from pg_stat_activity where state = 'idle in transaction' order by xact_start; then pg_terminate_backend(pid)",
		})
	}
	return found
}

const (
	unusedAfter   = 30 * 24 * time.Hour
	expiresWithin = 14 * 24 * time.Hour
	rotateAfter   = 365 * 24 * time.Hour
	resealAfter   = 400 * 24 * time.Hour // "rotate quarterly" is for whoever wants to
)

// Keys finds keys of applications that fluxbase dev has made, that nobody has
// used, or that end soon, and keys of the server's own that are old.
func Keys(ctx context.Context, q postgres.Querier, now time.Time, development bool) ([]telemetry.Finding, error) {
	rows, err := selectLiveKeys(ctx, q)
	if err != nil {
		return nil, err
	}
	known, err := tracksUse(ctx, q)
	if err != nil {
		return nil, err
	}
	var found []telemetry.Finding
	for _, k := range rows {
		if f := k.finding(now, development, known); f != nil {
			f.Where = fmt.Sprintf("%s key %s (%s)", k.Kind, k.ID, k.Name)
			found = append(found, *f)
		}
	}
	old, err := selectAgedKeys(ctx, q, now.Add(-rotateAfter), now.Add(-resealAfter))
	for _, k := range old {
		f := telemetry.Finding{
			Severity: telemetry.Note, Where: k.What, Detail: fmt.Sprintf("It has been the active one since %s.", k.Since.Format(time.DateOnly)),
			Fix: "docs/operations/key-rotation.md says how keys are rotated.",
		}
		if strings.HasPrefix(k.What, "encryption") {
			f.Fix = "fluxbase-cli secrets rotate"
		}
		found = append(found, f)
	}
	return found, err
}

// DevelopmentName is the name of the keys that fluxbase dev makes.
const DevelopmentName = "development"

// DevelopmentKeys returns the ids of the keys in force that fluxbase dev has
// made, and printed.
func DevelopmentKeys(ctx context.Context, q postgres.Querier) ([]string, error) {
	rows, err := selectLiveKeys(ctx, q)
	var made []string
	for _, k := range rows {
		if k.Name == DevelopmentName {
			made = append(made, k.ID)
		}
	}
	return made, err
}

func (k keyRow) finding(now time.Time, development, tracked bool) *telemetry.Finding {
	const revoke = "fluxbase-cli keys revoke "
	switch {
	case k.Name == DevelopmentName && !development:
		return &telemetry.Finding{Severity: telemetry.Problem, Detail: "fluxbase dev has made it, and printed it at every start.", Fix: revoke + k.ID}
	case k.Expires != nil && k.Expires.After(now) && k.Expires.Before(now.Add(expiresWithin)):
		return &telemetry.Finding{Severity: telemetry.Warning, Detail: "It ends on " + k.Expires.Format(time.DateOnly) + ".", Fix: "Make another one, give it to whoever uses this one, and then: " + revoke + k.ID}
	case tracked && k.LastUsed == nil && now.Sub(k.CreatedAt) > unusedAfter && !development:
		return &telemetry.Finding{Severity: telemetry.Note, Detail: "Nobody has used it since it was made, on " + k.CreatedAt.Format(time.DateOnly) + ".", Fix: revoke + k.ID}
	}
	return nil
}

const (
	lately    = 7 * 24 * time.Hour
	enough    = 20 // sign-ins, to say anything about
	strangers = 5  // people who do not share a desk
)

// OneAddress finds that everybody seems to sign in from one address: a proxy
// that the configuration does not name. They then share its limits, and what
// is recorded of them says nothing.
func OneAddress(ctx context.Context, q postgres.Querier, now time.Time) ([]telemetry.Finding, error) {
	a, err := selectAddresses(ctx, q, now.Add(-lately))
	if err != nil || a.Sessions < enough || a.People < strangers || a.Addresses != 1 {
		return nil, err
	}
	proxy := parsed(a.Usual)
	return []telemetry.Finding{{
		Severity: telemetry.Warning, Where: "server.trusted_proxies",
		Detail: fmt.Sprintf("All %d sign-ins of the last 7 days, of %d people, come from one address, %s: that of a proxy, whose clients are taken for one.", a.Sessions, a.People, proxy),
		Fix:    fmt.Sprintf("FLUXBASE_SERVER_TRUSTED_PROXIES=%s/%d, and have the proxy set X-Forwarded-For", proxy, proxy.BitLen()),
	}}, nil
}
