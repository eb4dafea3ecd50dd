package problem

import "github.com/fluxbase/fluxbase/internal/fault"

var rows = Group{"Data of the caller's", "What a statement is refused for where no report of PostgreSQL's is shown, and bodies of rows.", []Code{
	{"application_error", []fault.Kind{fault.Misbehaved}, "A function or trigger of the application failed.", ""},
	{"constraint_violation", []fault.Kind{fault.Invalid}, "A constraint of the table refused the row.", ""},
	{"foreign_key_violation", []fault.Kind{fault.Conflict}, "A row refers to another that is not there, or is referred to.", ""},
	{"insufficient_privilege", []fault.Kind{fault.Forbidden}, "The role has no privilege for this, or a policy refused the row.", ""},
	{"invalid_statement", []fault.Kind{fault.Invalid}, "PostgreSQL does not take the statement.", ""},
	{"read_only_transaction", []fault.Kind{fault.MethodNotAllowed}, "The request may only read.", ""},
	{"row_too_large", []fault.Kind{fault.TooLarge}, "One row of a body is longer than it may be.", "server.max_body_size is the largest row."},
	{"too_many_bodies", []fault.Kind{fault.Unavailable}, "Large bodies take up the space that there is for them.", "Try again after Retry-After."},
	{"undefined_column", []fault.Kind{fault.Invalid}, "There is no such column.", ""},
	{"undefined_object", []fault.Kind{fault.NotFound}, "There is no such table or function.", ""},
	{"unique_violation", []fault.Kind{fault.Conflict}, "There is a row with this key already.", ""},
}}
