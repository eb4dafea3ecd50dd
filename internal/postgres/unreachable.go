package postgres

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// Unreachable says why nobody is let into a database, and what to do, each in
// sentences for an operator; "" for any other error. Neither has the password.
func Unreachable(err error) (why, todo string) {
	failed, ok := errors.AsType[*pgconn.ConnectError](err)
	if !ok {
		return "", ""
	}
	c := failed.Config
	at := net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	if strings.HasPrefix(c.Host, "/") {
		at = c.Host
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return rejected(refused, c, at)
	}
	var name *net.DNSError
	var network net.Error
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("The host of the database, %s, is not known.", c.Host), "Correct database.url."
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT):
		return fmt.Sprintf("No PostgreSQL listens at %s.", at), "Start it, or correct database.url."
	case errors.As(err, &network) && network.Timeout():
		return fmt.Sprintf("The database at %s does not answer.", at), "Check database.url, and what stands between here and there."
	default:
		lines := strings.Split(failed.Unwrap().Error(), "\n") // one for each address and way that was tried
		return fmt.Sprintf("The database at %s cannot be reached: %s.", at, lines[0]), "Check database.url."
	}
}

// rejected is what a PostgreSQL says that answers.
func rejected(err *pgconn.PgError, c *pgconn.Config, at string) (why, todo string) {
	switch err.Code {
	case "28P01", "28000":
		return fmt.Sprintf("PostgreSQL at %s does not let the user %q in: %s.", at, c.User, err.Message),
			"Correct user and password in database.url, or allow that user in pg_hba.conf."
	case "3D000":
		return fmt.Sprintf("PostgreSQL at %s has no database %q.", at, c.Database), "Create it, or correct database.url."
	case "53300":
		return fmt.Sprintf("PostgreSQL at %s has no connection left.", at), "Raise max_connections there, or lower database.max_connections here."
	default:
		return fmt.Sprintf("PostgreSQL at %s takes no connections: %s.", at, err.Message), "Its log has more."
	}
}
