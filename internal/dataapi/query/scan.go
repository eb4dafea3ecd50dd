package query

import (
	"strconv"
	"strings"
)

// scanner walks the text of one parameter.
type scanner struct {
	param string
	text  string
	at    int

	aggregates bool // a name ends where .sum() or its like begins
}

func (s *scanner) fail(expected string) error { return &Error{s.param, s.at, expected} }

func (s *scanner) done() bool { return s.at >= len(s.text) }

// sees says whether a prefix is next.
func (s *scanner) sees(prefix string) bool { return strings.HasPrefix(s.text[s.at:], prefix) }

// take consumes a prefix.
func (s *scanner) take(prefix string) bool {
	if !s.sees(prefix) {
		return false
	}
	s.at += len(prefix)
	return true
}

// space consumes spaces.
func (s *scanner) space() {
	for s.take(" ") {
		continue
	}
}

// until consumes text up to one of the stops, or the end.
func (s *scanner) until(stops string) string {
	rest := s.text[s.at:]
	n := strings.IndexAny(rest, stops)
	if n < 0 {
		n = len(rest)
	}
	s.at += n
	return rest[:n]
}

// plain consumes text up to one of the stops, an arrow, or the end.
func (s *scanner) plain(stops string) string {
	start := s.at
	for !s.done() && !s.sees("->") && strings.IndexByte(stops, s.text[s.at]) < 0 {
		if s.aggregates && s.text[s.at] == '.' {
			if _, n := s.aggregate(); n > 0 {
				break
			}
		}
		s.at++
	}
	return strings.TrimSpace(s.text[start:s.at])
}

// quoted consumes a double-quoted string, in which a backslash makes the next
// character plain. The opening quote has been seen but not consumed.
func (s *scanner) quoted() (string, error) {
	s.at++
	var b strings.Builder
	for !s.done() {
		c := s.text[s.at]
		s.at++
		switch {
		case c == '"':
			return b.String(), nil
		case c == '\\' && !s.done():
			b.WriteByte(s.text[s.at])
			s.at++
		default:
			b.WriteByte(c)
		}
	}
	return "", s.fail(`a closing "`)
}

// name consumes a column name, quoted or plain.
func (s *scanner) name(stops string) (string, error) {
	if s.sees(`"`) {
		return s.quoted()
	}
	n := s.plain(stops)
	if n == "" {
		return "", s.fail("a column name")
	}
	return n, nil
}

// field consumes a column name and the path that may follow it.
func (s *scanner) field(stops string) (Field, error) {
	column, err := s.name(stops)
	if err != nil {
		return Field{}, err
	}
	path, err := s.path(stops)
	return Field{Column: column, Path: path}, err
}

// path consumes ->key, ->0 and ->>key, as long as there is another one.
func (s *scanner) path(stops string) ([]Step, error) {
	var steps []Step
	for s.take("->") {
		if len(steps) == maxSteps {
			return nil, s.fail("at most " + strconv.Itoa(maxSteps) + " steps")
		}
		step := Step{Text: s.take(">")}
		if s.sees(`"`) {
			key, err := s.quoted()
			if err != nil {
				return nil, err
			}
			step.Key = key
		} else {
			key := s.plain(stops)
			if key == "" {
				return nil, s.fail("a key or an index")
			}
			if step.Index, step.Element = index(key); !step.Element {
				step.Key = key
			}
		}
		if steps = append(steps, step); step.Text {
			break
		}
	}
	return steps, nil
}

// index reads the position of an element. A number that is none is a key.
func index(key string) (int, bool) {
	digits := strings.TrimPrefix(key, "-")
	if digits == "" || len(digits) > 9 || digits[0] == '+' || digits[0] == '-' {
		return 0, false
	}
	n, err := strconv.Atoi(key)
	return n, err == nil
}

// list calls f for each member of a comma-separated list, until the end.
func (s *scanner) list(f func() error) error {
	for {
		if err := f(); err != nil {
			return err
		}
		if s.done() {
			return nil
		}
		if !s.take(",") {
			return s.fail("a comma or the end")
		}
	}
}

func (s *scanner) end() error {
	if !s.done() {
		return s.fail("the end")
	}
	return nil
}
