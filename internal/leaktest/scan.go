package leaktest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	// minimum is the shortest text that is looked for, in bytes: it is what a
	// place in a log is told by.
	minimum = 8
	// block is the length of the pieces in which a random secret is looked for, so
	// that one which has been cut is found.
	block = 16
)

// Leak is a secret in a log.
type Leak struct {
	File string
	Line int
	Kind string
	Text string // the line
}

// String names the place.
func (l Leak) String() string {
	return fmt.Sprintf("%s:%d: a %s: %.400s", filepath.Base(l.File), l.Line, l.Kind, l.Text)
}

// Found is what Scan has looked at, and what it has found.
type Found struct {
	Leaks []Leak
	Lines int
	Files int            // of logs
	Kinds map[string]int // how many secrets there were of each
}

// index finds texts by their first 8 bytes. Its time does not depend on how many
// there are, as long as few places in a log begin like one.
type index struct {
	filter []uint64            // a bit for each hash of a beginning that there is
	by     map[uint64][]string // texts by their beginning
	kinds  map[string]string   // by text
}

const filterBits = 22

func hash(beginning uint64) uint64 { return beginning * 0x9e3779b97f4a7c15 >> (64 - filterBits) }

func newIndex() *index {
	return &index{filter: make([]uint64, 1<<filterBits/64), by: map[uint64][]string{}, kinds: map[string]string{}}
}

var random = regexp.MustCompile(`^[\w-]{32,}$`)

// add adds a secret, as it is and as logs write it.
func (x *index) add(kind, secret string) {
	if kind == AccessToken || kind == Credential {
		for _, part := range strings.Split(secret, ".") {
			x.pieces(kind, part)
		}
	}
	x.pieces(kind, secret)
	quoted := strconv.Quote(secret)
	for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), quoted[1 : len(quoted)-1]} {
		x.text(kind, form)
	}
}

// pieces adds the blocks of a secret that is random.
func (x *index) pieces(kind, secret string) {
	if !random.MatchString(secret) || strings.HasPrefix(secret, "eyJ") && strings.Contains(secret, "InR5cCI6") { // the header of a token is no secret
		return
	}
	for ; len(secret) >= block; secret = secret[block:] {
		x.text(kind, secret[:block])
	}
}

func (x *index) text(kind, text string) {
	if _, known := x.kinds[text]; known || len(text) < minimum || monotonous(text) {
		return
	}
	x.kinds[text] = kind
	beginning := binary.LittleEndian.Uint64([]byte(text))
	x.by[beginning] = append(x.by[beginning], text)
	h := hash(beginning)
	x.filter[h/64] |= 1 << (h % 64)
}

// in returns the kind of the first secret in a line, or "".
func (x *index) in(line []byte) string {
	for i := 0; i+minimum <= len(line); i++ {
		beginning := binary.LittleEndian.Uint64(line[i:])
		if h := hash(beginning); x.filter[h/64]&(1<<(h%64)) == 0 {
			continue
		}
		for _, text := range x.by[beginning] {
			if bytes.HasPrefix(line[i:], []byte(text)) {
				return x.kinds[text]
			}
		}
	}
	return ""
}

// number is a value of six digits. Other numbers have dots, letters or further
// digits beside them: times, durations, ids.
var number = regexp.MustCompile(`(?:^|[^\w.-])(\d{6})(?:[^\w.:-]|$)`)

// coded returns whether a line has a code as a value of its own. Numbers that
// count something are no codes.
func coded(codes map[string]bool, line []byte) bool {
	if len(codes) == 0 {
		return false
	}
	for _, m := range number.FindAllSubmatchIndex(line, -1) {
		before := line[:m[2]]
		if codes[string(line[m[2]:m[3]])] && !counts.Match(before) {
			return true
		}
	}
	return false
}

var counts = regexp.MustCompile(`(?:bytes|job_id|pid|process|sequence|took)"?[=: ]$`)

// Scan looks for every secret of a folder in every line of it. Codes of six digits
// are looked for in the logs of the process that used them only, since others may
// count up to there.
func Scan(folder string) (Found, error) {
	found := Found{Kinds: map[string]int{}}
	x, codes := newIndex(), map[string]map[string]bool{}
	files, err := filepath.Glob(filepath.Join(folder, "*"+secretsSuffix))
	if err != nil {
		return found, fmt.Errorf("looking for secrets: %w", err)
	}
	for _, file := range files {
		process := strings.TrimSuffix(filepath.Base(file), secretsSuffix)
		codes[process] = map[string]bool{}
		err := lines(file, func(_ int, line []byte) error {
			kind, quoted, _ := strings.Cut(string(line), "\t")
			secret, err := strconv.Unquote(quoted)
			if err != nil {
				return fmt.Errorf("reading %s: %w", file, err)
			}
			found.Kinds[kind]++
			if kind == Code && digits.MatchString(secret) {
				codes[process][secret] = true
				return nil
			}
			x.add(kind, secret)
			return nil
		})
		if err != nil {
			return found, err
		}
	}
	logs, err := filepath.Glob(filepath.Join(folder, "*"+logSuffix))
	if err != nil {
		return found, fmt.Errorf("looking for logs: %w", err)
	}
	slices.Sort(logs)
	for _, file := range logs {
		found.Files++
		process, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(filepath.Base(file), logSuffix), "program-"), "-")
		err := lines(file, func(n int, line []byte) error {
			found.Lines++
			kind := x.in(line)
			if kind == "" && coded(codes[process], line) {
				kind = Code
			}
			if kind != "" {
				found.Leaks = append(found.Leaks, Leak{file, n, kind, string(line)})
			}
			return nil
		})
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

// lines calls f for each line of a file, from 1 on.
func lines(file string, f func(n int, line []byte) error) error {
	text, err := os.Open(file) //nolint:gosec // of the test runner's folder
	if err != nil {
		return fmt.Errorf("opening what was put down: %w", err)
	}
	defer func() { _ = text.Close() }()
	scanner := bufio.NewScanner(text)
	scanner.Buffer(nil, 16<<20)
	for n := 1; scanner.Scan(); n++ {
		if err := f(n, scanner.Bytes()); err != nil {
			return err
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	return nil
}
