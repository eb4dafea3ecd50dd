// Package rule says what the value of a setting must be on its own: addresses,
// URLs, names, schedules. What values must be together, or for an environment, is
// not its business.
//
// The error of a rule is the rest of a sentence about the setting, and never
// repeats the value.
package rule

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/fluxbase/fluxbase/internal/config/setting"
)

// Rules are what a check tag can name. A rule takes a value of the setting's
// type.
var Rules = map[string]func(value any) error{
	"required":   checkRequired,
	"public_url": checkPublicURL,
	"address":    checkAddress,
	"admin_address": func(value any) error {
		if value == "" {
			return nil
		}
		return checkAddress(value)
	},
	"headers":       checkHeaders,
	"origins":       checkOrigins,
	"domains":       checkDomains,
	"contact":       checkContact,
	"directory_url": checkDirectoryURL,
	"database_url":  checkDatabaseURL,
	"redirect_urls": checkRedirectURLs,
	"schemas":       checkSchemas,
	"tables":        checkTables,
	"function":      checkFunction,

	"word": checkWord, "region": checkRegion, "mount": checkMount, "endpoint": checkEndpoint,
	"mailbox": checkMailbox, "host": checkHost, "locale": checkLocale,
	"breach_url": checkBreachURL,
	"rate":       checkRate, "redis_url": checkRedisURL,

	"syslog_url": checkSyslogURL,
	"webhook":    checkWebhook, "webhook_secret": checkWebhookSecret, "schedule": checkSchedule,
}

func checkRequired(value any) error {
	if text, _ := value.(string); strings.TrimSpace(text) == "" {
		return errors.New("must not be empty")
	}
	return nil
}

// checkRedirectURLs wants URLs that can be compared exactly.
func checkRedirectURLs(value any) error {
	list, _ := value.([]string)
	for _, text := range list {
		u, err := url.Parse(text)
		if err != nil || u.Scheme == "" || u.Host == "" && u.Opaque == "" && u.Path == "" || u.User != nil || strings.Contains(text, "#") ||
			(u.Scheme == "http" || u.Scheme == "https") && u.Host == "" || u.Scheme == "javascript" || u.Scheme == "data" {
			return errors.New("must be whole URLs such as https://app.example.com/welcome, without a fragment")
		}
	}
	return nil
}

func checkAddress(value any) error {
	text, _ := value.(string)
	_, port, err := net.SplitHostPort(text)
	if err != nil || !isPort(port) {
		return errors.New("must be host:port, such as 127.0.0.1:8080 or [::1]:8080")
	}
	return nil
}

func isPort(text string) bool {
	n, err := setting.ParseInt(text)
	return err == nil && n >= 0 && n <= 65535
}

// maxIdentifier is the longest name in PostgreSQL, in bytes.
const maxIdentifier = 63

func checkSchemas(value any) error {
	schemas, _ := value.([]string)
	if len(schemas) == 0 {
		return errors.New("must name at least one schema")
	}
	for i, schema := range schemas {
		lower := strings.ToLower(schema)
		switch {
		case lower == "auth" || lower == "information_schema" ||
			strings.HasPrefix(lower, "pg_") || strings.HasPrefix(lower, "fluxbase"):
			return fmt.Errorf("must not list auth, information_schema, pg_* or fluxbase*, as element %d does", i+1)
		case len(schema) > maxIdentifier:
			return fmt.Errorf("has a name over 63 bytes (element %d)", i+1)
		case slices.Contains(schemas[:i], schema):
			return errors.New("names a schema twice (element " + strconv.Itoa(i+1) + ")")
		}
	}
	return nil
}

func checkFunction(value any) error {
	text, _ := value.(string)
	schema, name, qualified := strings.Cut(text, ".")
	if text != "" && (!qualified || schema == "" || name == "" || strings.Contains(name, ".") || len(schema) > maxIdentifier || len(name) > maxIdentifier) {
		return errors.New("must be schema.function")
	}
	return nil
}

func checkTables(value any) error {
	tables, _ := value.([]string)
	for i, table := range tables {
		schema, name, qualified := strings.Cut(table, ".")
		if !qualified {
			schema, name = "public", table
		}
		if schema == "" || name == "" || strings.Contains(name, ".") || len(schema) > maxIdentifier || len(name) > maxIdentifier {
			return fmt.Errorf("must be names such as countries or public.countries (element %d)", i+1)
		}
	}
	return nil
}
