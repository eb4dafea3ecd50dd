package config

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/fluxbase/fluxbase/internal/config/rule"
)

// validateOpenings refuses what lets others listen, or look in.
func (c *Config) validateOpenings(refuse func(key, detail string)) {
	for _, d := range c.databases() {
		if mode := sslMode(d.url); remote(d.url) && slices.Contains([]string{"disable", "allow"}, mode) {
			refuse(d.key, "has sslmode="+mode+", and the database is not on this machine: write sslmode=verify-full, or require where there is no authority to verify it by")
		}
	}
	if isPublic(c.Server.AdminAddress) {
		refuse("server.admin_address", "is every interface or a public address, and asks nobody who they are: name an address of this machine or of your private network, such as 127.0.0.1:9090")
	}
}

// Warnings returns what is accepted, and should not stay as it is.
func (c *Config) Warnings() []Problem {
	var problems []Problem
	warn := func(key, detail string) {
		problems = append(problems, Problem{Place: c.place(key), Key: key, Detail: detail})
	}
	if c.Environment == Development {
		if weak := weakSecret(c.Auth.JWT.Secret.Reveal()); weak != "" {
			warn("auth.jwt.secret", weak+": fit for development only, and staging and production refuse it; openssl rand -base64 48 makes one")
		}
		return problems
	}
	if !c.RateLimit.Enabled {
		warn("ratelimit.enabled", "is false: passwords and codes can be guessed as fast as anybody likes; say true")
	}
	if c.Mail.SMTP.Host == "" {
		warn("mail.smtp.host", "is not set: links, codes and notices reach nobody, and passwords cannot be reset")
	}
	for _, d := range c.databases() {
		if remote(d.url) && slices.Contains([]string{"", "prefer"}, sslMode(d.url)) {
			warn(d.key, "goes on without TLS where the database does not offer it: write sslmode=verify-full")
		}
	}
	if c.Environment == Production && c.Data.PlanEnabled {
		warn("data.plan_enabled", "is true: plans show the conditions of policies, and numbers drawn from rows that they hide")
	}
	if c.Environment == Production && strings.HasPrefix(c.Data.TxEnd, "rollback") {
		warn("data.tx_end", "undoes what requests write")
	}
	return problems
}

type databaseURL struct{ key, url string }

// databases are the URLs that are set.
func (c *Config) databases() []databaseURL {
	d := c.Database
	return slices.DeleteFunc([]databaseURL{
		{"database.url", d.URL.Reveal()}, {"database.user_url", d.UserURL.Reveal()}, {"database.service_url", d.ServiceURL.Reveal()},
	}, func(d databaseURL) bool { return d.url == "" })
}

// sslMode is the parameter of a database URL; "" is the driver's own, prefer.
func sslMode(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Query().Get("sslmode")
}

// remote says that a database is reached over a network: its host is neither a
// socket nor this machine. A URL without a host is a socket's or this machine's.
func remote(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	hosts := u.Host
	if named := u.Query().Get("host"); named != "" {
		hosts = named
	}
	for part := range strings.SplitSeq(hosts, ",") {
		host := part
		if name, _, err := net.SplitHostPort(part); err == nil {
			host = name
		}
		host = strings.Trim(host, "[]")
		if host != "" && !strings.HasPrefix(host, "/") && !rule.IsLoopback(host) {
			return true
		}
	}
	return false
}

// isPublic says that an address to listen on is not of this machine or of a
// private network alone. A name is for whoever gave it.
func isPublic(address string) bool {
	if address == "" {
		return false
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	ip = ip.Unmap().WithZone("")
	shared := netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
	return !ip.IsLoopback() && !ip.IsPrivate() && !ip.IsLinkLocalUnicast() && !shared.Contains(ip)
}
