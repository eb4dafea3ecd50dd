package postgres

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/fluxbase/fluxbase/internal/fault"
)

// ErrUnavailable is the fault of a database that does not answer.
var ErrUnavailable = &fault.Error{
	Kind: fault.Unavailable, Code: "database_unavailable",
	Detail: "The database does not answer at the moment.", RetryAfter: time.Second,
}

// ErrStatementTimeout is the fault of a statement that ran for too long.
var ErrStatementTimeout = fault.New(fault.Timeout, "statement_timeout", "The statement took longer than it may.")

// Fault turns an error of the driver at one of our own statements into a fault:
// an outage, a time-out, two transactions in each other's way. Whatever else
// PostgreSQL refuses is our defect, and internal; who expects a refusal asks
// Report. Faults and nil pass unchanged.
func Fault(err error) error { return faultOf(err, kindOfOurs) }

// faultOf is Fault with a table of kinds by SQLSTATE.
func faultOf(err error, kindOf func(state string) (fault.Kind, string)) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	var connect *pgconn.ConnectError
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && !errors.As(err, &connect) {
		return reported(pgErr, kindOf)
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	if _, ok := errors.AsType[*pgproto3.ExceededMaxBodyLenErr](err); ok {
		return fault.Newf(fault.TooLarge, "answer_too_large",
			"The answer is larger than %d bytes; ask for less at a time. A write has been done all the same.", maxAnswer).Because(err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return ErrStatementTimeout.Because(err)
	}
	var network net.Error
	if errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) || lost(err) {
		return ErrUnavailable.Because(err)
	}
	return err
}

// reported sorts what PostgreSQL says by its SQLSTATE.
func reported(err *pgconn.PgError, kindOf func(string) (fault.Kind, string)) error {
	kind, code := kindOf(err.Code)
	switch kind {
	case fault.Unavailable:
		return ErrUnavailable.Because(err)
	case fault.Timeout:
		return ErrStatementTimeout.Because(err)
	default:
	}
	return fault.New(kind, code, "The database refused the statement.").Because(err)
}

// Report returns what PostgreSQL said in err's chain, or nil. It is for callers
// who run statements as themselves, and for the refusals that a statement of
// ours is made for.
func Report(err error) *fault.SQL {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return &fault.SQL{State: pgErr.Code, Message: pgErr.Message, Details: pgErr.Detail, Hint: pgErr.Hint, Position: int(pgErr.Position), Context: pgErr.Where}
	}
	return nil
}

// kindOfOurs maps an SQLSTATE (PostgreSQL, appendix A) of a statement of ours to
// a kind and a code.
func kindOfOurs(state string) (fault.Kind, string) {
	if state == "25006" || strings.HasPrefix(state, "28") {
		return fault.Unavailable, "" // a standby, until it is promoted; our own login is refused
	}
	switch kind, code := kindOfCallers(state); {
	case kind == fault.Unavailable, kind == fault.Timeout, code == "serialization_failure", code == "lock_not_available":
		return kind, code
	default:
		return fault.Internal, "database_error"
	}
}

// kindOfCallers maps an SQLSTATE of a statement that the caller wrote, and may
// correct, to a kind and a code. The classes are those of PostgREST's table of
// statuses, but for what may succeed when it is repeated, and time-outs.
func kindOfCallers(state string) (fault.Kind, string) {
	switch state {
	case "23505":
		return fault.Conflict, "unique_violation"
	case "23503":
		return fault.Conflict, "foreign_key_violation"
	case "42501":
		return fault.Forbidden, "insufficient_privilege"
	case "42P01", "42883":
		return fault.NotFound, "undefined_object"
	case "42703":
		return fault.Invalid, "undefined_column"
	case "25006":
		return fault.MethodNotAllowed, "read_only_transaction"
	case "57014":
		return fault.Timeout, "statement_timeout"
	case "40001", "40P01":
		return fault.Conflict, "serialization_failure"
	case "55P03":
		return fault.Conflict, "lock_not_available"
	case "P0001":
		return fault.Invalid, "invalid_statement"
	case "42P17", "53400":
		return fault.Misbehaved, "application_error"
	case "57P01", "57P02", "57P03", "57P05", "3D000":
		return fault.Unavailable, ""
	}
	switch state[:min(2, len(state))] {
	case "08", "53":
		return fault.Unavailable, ""
	case "22":
		return fault.Invalid, "invalid_value"
	case "23":
		return fault.Invalid, "constraint_violation"
	case "0L", "0P", "28":
		return fault.Forbidden, "insufficient_privilege"
	case "09", "25", "2D", "38", "39", "3B", "40", "54", "55", "P0":
		return fault.Misbehaved, "application_error"
	case "57", "58", "F0", "HV", "XX":
		return fault.Internal, "database_error"
	default: // also what applications make up
		return fault.Invalid, "invalid_statement"
	}
}
