package catalog

// Returns is the kind of a function's answer.
type Returns int

// The kinds of answers.
const (
	Void      Returns = iota
	Scalar            // one value, of any type without known columns
	Composite         // a row with columns
)

// Volatility is what a function promises about itself.
type Volatility string

// The volatilities.
const (
	Immutable Volatility = "immutable"
	Stable    Volatility = "stable"
	Volatile  Volatility = "volatile"
)

// Function is a function that callers may use as far as their privileges go:
// no procedure, aggregate, trigger function or member of an extension.
type Function struct {
	Schema     string
	Name       string
	Comment    string
	Arguments  []Argument
	Returns    Returns
	Set        bool // any number of them
	Type       *Type
	Volatility Volatility

	// Result is how the answer looks for Composite: the table whose rows they
	// are, or one made up of the columns of the type or of the OUT arguments.
	Result *Table
	// OfTable says that Result is a table of the catalog, with its relations.
	OfTable bool

	oneRow  bool // declared as ROWS 1
	columns []Column
}

// One says that there is at most one row or value.
func (f *Function) One() bool { return !f.Set || f.oneRow }

// Argument is something that goes into a function.
type Argument struct {
	Name     string // "" if it has none
	Type     *Type  // of a variadic argument: the array
	Default  bool   // may be left out
	Variadic bool
}
