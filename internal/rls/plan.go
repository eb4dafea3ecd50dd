package rls

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
)

// planNode is a node of EXPLAIN (FORMAT JSON, VERBOSE).
type planNode struct {
	Type      string     `json:"Node Type"`
	Operation string     `json:"Operation"`
	Relation  string     `json:"Relation Name"`
	Schema    string     `json:"Schema"`
	Alias     string     `json:"Alias"`
	Filter    string     `json:"Filter"`
	Output    []string   `json:"Output"`
	Conflict  string     `json:"Conflict Resolution"`
	Plans     []planNode `json:"Plans"`
}

// scan is one table in a plan, with what is done to it.
type scan struct {
	schema, name, alias string
	command             string // SELECT, INSERT, UPDATE or DELETE
	filter              string // on rows of this table alone
	reads               bool   // a change that looks at rows as well
	upserts             bool
	locks               bool // what is read, so that the policies about UPDATE bind too
	mayLock             bool // as locks, of this table or another one
}

// order puts what is changed before what is read.
func (s *scan) order(o *scan) int {
	rank := func(s *scan) int { return strings.Index("SELECT", s.command) } // -1 for a change
	return cmp.Or(rank(s)-rank(o), strings.Compare(s.schema+"."+s.name, o.schema+"."+o.name), strings.Compare(s.alias, o.alias))
}

// readPlan returns the command of a plan and the tables in it.
func readPlan(text []byte) (command string, scans []scan, err error) {
	var documents []struct{ Plan planNode }
	if err := json.Unmarshal(text, &documents); err != nil || len(documents) != 1 {
		return "", nil, fmt.Errorf("reading a plan: %w", err)
	}
	root := documents[0].Plan
	command = "SELECT"
	if root.Type == "ModifyTable" {
		command = commands[root.Operation]
	}
	scans = root.scans(nil)
	return command, scans, nil
}

var commands = map[string]string{"Insert": "INSERT", "Update": "UPDATE", "Delete": "DELETE", "Merge": "MERGE"}

// scans collects the tables of a node and all beneath it. The scan of the table
// that is being changed is part of the change.
func (n *planNode) scans(changing *scan) []scan {
	var found []scan
	switch {
	case n.Type == "ModifyTable":
		target := scan{schema: n.Schema, name: n.Relation, alias: n.Alias, command: commands[n.Operation], reads: len(n.Output) > 0, upserts: n.Conflict == "UPDATE"}
		for i := range n.Plans {
			found = append(found, n.Plans[i].scans(&target)...)
		}
		return append([]scan{target}, found...)
	case n.Relation != "" && changing != nil && changing.command != "INSERT" && n.Schema == changing.schema && n.Alias == changing.alias:
		changing.filter = n.Filter
		changing.reads = changing.reads || n.Filter != ""
	case n.Relation != "":
		found = append(found, scan{schema: n.Schema, name: n.Relation, alias: n.Alias, command: "SELECT", filter: n.Filter})
	}
	for i := range n.Plans {
		found = append(found, n.Plans[i].scans(changing)...)
	}
	if n.Type == "LockRows" { // which does not say what it locks
		for i := range found {
			found[i].locks, found[i].mayLock = len(found) == 1, len(found) > 1
		}
	}
	return found
}

// changes says that a plan writes anywhere.
func changes(scans []scan) bool {
	for _, s := range scans {
		if s.command != "SELECT" {
			return true
		}
	}
	return false
}
