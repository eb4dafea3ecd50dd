package telemetry

// Severity is how much a finding matters.
type Severity string

// The severities.
const (
	Fine    Severity = "ok"
	Warning Severity = "warning" // works, and should be looked after
	Problem Severity = "error"   // does not work, or is about to stop working
)

// Finding is what a look at one part of an installation has found.
type Finding struct {
	Severity Severity `json:"severity"`
	Subject  string   `json:"subject"` // "encryption keys"
	Detail   string   `json:"detail"`
	Fix      string   `json:"fix"` // what to do about it; empty where all is well
}
