package telemetry

// Severity is how much a finding matters.
type Severity string

// The severities.
const (
	Fine    Severity = "ok"
	Note    Severity = "note"    // may be meant so
	Warning Severity = "warning" // works, and should be looked after
	Problem Severity = "error"   // does not work, or is about to stop working
)

// Finding is what a look at one part of an installation has found. It never
// holds a secret.
type Finding struct {
	Severity Severity `json:"severity"`
	Subject  string   `json:"subject"` // "encryption keys"
	Where    string   `json:"where"`   // a table, role, setting or address; empty where it is the subject as a whole
	Detail   string   `json:"detail"`
	Fix      string   `json:"fix"`  // a command, SQL, or what to do; empty where all is well
	Docs     string   `json:"docs"` // the part of the documentation about it
}
