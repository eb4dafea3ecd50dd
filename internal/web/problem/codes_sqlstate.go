package problem

import "github.com/fluxbase/fluxbase/internal/fault"

// sqlStates are the SQLSTATEs of PostgreSQL (its documentation, appendix A) as
// requests for data are answered with. An entry that ends in xxx is that of a
// class, for what has none of its own.
var sqlStates = Group{"SQLSTATE", "What PostgreSQL says of the statement of a request for data. What it says of its own health is `database_unavailable` or `internal_error`. " +
	"Functions of yours may raise any other code, and choose the status: `PT402` has status 402, and so on.", []Code{
	{"22xxx", []fault.Kind{fault.Invalid}, "A value does not fit its type, or a function cannot compute with it.", ""},
	{"23503", []fault.Kind{fault.Conflict}, "A row refers to another that is not there, or is referred to.", "Write the other row first, or delete what refers to it."},
	{"23505", []fault.Kind{fault.Conflict}, "There is a row with this key already.", "Change that one, or say what becomes of it: Prefer: resolution=merge-duplicates."},
	{"23xxx", []fault.Kind{fault.Invalid}, "A constraint of the table refuses the row.", ""},
	{"0Lxxx", []fault.Kind{fault.Forbidden}, "The role may not grant this.", ""},
	{"0Pxxx", []fault.Kind{fault.Forbidden}, "There is no such role.", ""},
	{"25006", []fault.Kind{fault.MethodNotAllowed}, "The method may only read, and the statement would write.", "Call the function by POST."},
	{"28xxx", []fault.Kind{fault.Forbidden}, "The role may not do this.", ""},
	{"40001", []fault.Kind{fault.Conflict}, "Another request came in between. Nothing was done.", "Send the request again, after Retry-After."},
	{"40P01", []fault.Kind{fault.Conflict}, "Two requests waited for each other. Nothing was done.", "Send the request again, after Retry-After."},
	{"42501", []fault.Kind{fault.Forbidden, fault.Unauthenticated}, "The role has no privilege for this, or a policy refuses the row; 401 if nobody is signed in.", "Sign in; fluxbase-cli rls explain says which policy it is."},
	{"42703", []fault.Kind{fault.Invalid}, "There is no such column.", ""},
	{"42704", []fault.Kind{fault.Invalid}, "There is no such type.", ""},
	{"42883", []fault.Kind{fault.NotFound, fault.Invalid}, "There is no such function; 400 if it is an operator that does not fit a column.", ""},
	{"42P01", []fault.Kind{fault.NotFound}, "A function or view reads a table that there is not.", "Correct the function."},
	{"42P17", []fault.Kind{fault.Misbehaved}, "The policies of a table lead back to themselves.", "fluxbase-cli rls lint names the policy."},
	{"53400", []fault.Kind{fault.Misbehaved}, "A limit that a function has set was reached.", "Correct the function."},
	{"55P03", []fault.Kind{fault.Conflict}, "A lock is held by somebody else. Nothing was done.", "Send the request again, after Retry-After."},
	{"57014", []fault.Kind{fault.Timeout}, "The statement took longer than it may.", "Ask for less, or have an index made."},
	{"P0001", []fault.Kind{fault.Invalid}, "A function of the application has raised an exception.", ""},
	{"09xxx", []fault.Kind{fault.Misbehaved}, "A trigger failed.", "Correct the trigger."},
	{"25xxx", []fault.Kind{fault.Misbehaved}, "A function has left the transaction in a state that it must not be in.", "Correct the function."},
	{"2Dxxx", []fault.Kind{fault.Misbehaved}, "A function ends the transaction.", "Correct the function."},
	{"38xxx", []fault.Kind{fault.Misbehaved}, "A function in another language failed.", "Correct the function."},
	{"39xxx", []fault.Kind{fault.Misbehaved}, "A function in another language returned what it must not.", "Correct the function."},
	{"3Bxxx", []fault.Kind{fault.Misbehaved}, "A function uses savepoints that there are not.", "Correct the function."},
	{"40xxx", []fault.Kind{fault.Misbehaved}, "The transaction was undone, and would be again.", "Correct the function, or the deferred constraint."},
	{"54xxx", []fault.Kind{fault.Misbehaved}, "The statement is larger than PostgreSQL takes, or a function calls itself without end.", "Correct the function, or ask for less."},
	{"55xxx", []fault.Kind{fault.Misbehaved}, "An object is not in the state that a function needs.", "Correct the function."},
	{"P0xxx", []fault.Kind{fault.Misbehaved}, "A function in PL/pgSQL found no row, or several, or an assertion failed.", "Correct the function."},
	{anyState, []fault.Kind{fault.Invalid}, "Any other SQLSTATE: PostgreSQL does not take the statement.", ""},
}}
