package config

import (
	"net/url"
	"strings"
	"time"

	"github.com/fluxbase/fluxbase/internal/config/rule"
)

// Audit is the section audit.
type Audit struct {
	// Retention is 0 to 876000h; default 8760h (a year). 0 keeps records for good.
	Retention time.Duration `key:"retention" default:"8760h" min:"0" max:"876000h" doc:"How long records are kept; 0 is for good. They are let go of by whole months (UTC), so the last of a month decides. Records hold the addresses that requests came from."`

	Syslog Syslog `key:"syslog" doc:"A syslog server that gets every record once it is sealed. See docs/audit.md."`
}

// Syslog is the section audit.syslog.
type Syslog struct {
	// URL is udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH; empty, none, by default.
	URL string `key:"url" check:"syslog_url" example:"tls://logs.example.com:6514" doc:"Where it is: tls://HOST:PORT, tcp://HOST:PORT, udp://HOST:PORT or unix:///PATH. When empty, nothing is sent. Outside development, udp and tcp are only accepted for this machine."`
	// CAFile is a PEM file; empty, the authorities of the system, by default.
	CAFile string `key:"ca_file" example:"/etc/ssl/certs/logs.pem" doc:"A PEM file of the authority that signed the server's certificate. When empty, the authorities of the system count."`
	// Timeout is 100ms to 5m; default 15s.
	Timeout time.Duration `key:"timeout" default:"15s" min:"100ms" max:"5m" doc:"How long sending the records of a seal may take, from connecting until the server has read them all."`
}

func (c *Config) validateAudit(refuse func(key, detail string)) {
	text := c.Audit.Syslog.URL
	u, err := url.Parse(text)
	if err == nil && (strings.HasPrefix(text, "udp://") || strings.HasPrefix(text, "tcp://")) && !rule.IsLoopback(u.Hostname()) {
		refuse("audit.syslog.url", "sends records in the clear, and the server is not on this machine")
	}
}
