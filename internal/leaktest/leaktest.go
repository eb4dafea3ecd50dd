// Package leaktest finds secrets in logs. While the tests of all packages run,
// their helpers put down here what is logged and which secrets are used: passwords,
// tokens, keys, codes, addresses. When they are over, Scan looks for each of these
// in every line; see scripts/test-go. So no test has to think of it, and what is
// logged by one test and secret in another is found as well.
//
// Where the variable SECRETS_SEEN names no folder, nothing is put down.
package leaktest

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
)

// Variable names the folder.
const Variable = "SECRETS_SEEN"

// notebook is what this process puts down.
type notebook struct {
	folder       string
	mu           sync.Mutex
	log, secrets *os.File
	known        map[[2]string]bool // kind and text
}

// opened is nil where nothing is to be put down. It panics if nothing can be:
// a test that sees nothing would pass.
var opened = sync.OnceValue(func() *notebook {
	folder := os.Getenv(Variable)
	if folder == "" {
		return nil
	}
	open := func(suffix string) *os.File {
		f, err := os.OpenFile(filepath.Join(folder, strconv.Itoa(os.Getpid())+suffix), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // the folder is the test runner's
		if err != nil {
			panic(fmt.Errorf("putting down what is logged: %w", err))
		}
		return f
	}
	return &notebook{folder: folder, log: open(logSuffix), secrets: open(secretsSuffix), known: map[[2]string]bool{}}
})

const (
	logSuffix     = ".log"
	secretsSuffix = ".secrets"
)

// Log puts down what has been logged, in whole lines.
func Log(lines []byte) {
	if n := opened(); n != nil {
		_, err := n.log.Write(lines)
		must(err)
	}
}

// Tee puts down what is written to w.
func Tee(w io.Writer) io.Writer { return tee{w} }

type tee struct{ io.Writer }

// Write implements io.Writer.
func (t tee) Write(p []byte) (int, error) {
	Log(p)
	return t.Writer.Write(p) //nolint:wrapcheck // of the writer below
}

var linked atomic.Int64

// File puts down a file that a program of its own logs into, whatever it may yet
// write there.
func File(path string) {
	if n := opened(); n != nil {
		must(os.Link(path, filepath.Join(n.folder, fmt.Sprintf("program-%d-%d%s", os.Getpid(), linked.Add(1), logSuffix))))
	}
}

// Secret puts down a text that is to be in no log, and what kind of secret it is.
func Secret(kind, text string) {
	n := opened()
	if n == nil || tooCommon(kind, text) {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if of := [2]string{kind, text}; !n.known[of] {
		n.known[of] = true
		_, err := fmt.Fprintf(n.secrets, "%s\t%s\n", kind, strconv.Quote(text))
		must(err)
	}
}

func must(err error) {
	if err != nil {
		panic(fmt.Errorf("putting down what is logged: %w", err))
	}
}
