package lint

import (
	"strconv"
	"strings"
)

// node is a node of PostgreSQL's parsed form of an expression (pg_node_tree):
// {KIND :field value ...}. A value is any number of nodes, lists and words.
type node struct {
	kind   string
	fields map[string][]any // *node, []any, string
}

// parseTree reads a pg_node_tree. What it does not understand it takes for
// words, so that a newer PostgreSQL makes it see less, and never fail.
func parseTree(text string) *node {
	p := treeParser{text: text}
	for _, v := range p.values('\x00') {
		if n, ok := v.(*node); ok {
			return n
		}
	}
	return nil
}

type treeParser struct {
	text string
	at   int
}

// values reads up to a closing character; of a node's fields up to the next one.
func (p *treeParser) values(end byte) []any {
	var found []any
	for p.at < len(p.text) {
		switch c := p.text[p.at]; c {
		case ' ', '\n', '\t':
			p.at++
		case '{':
			p.at++
			found = append(found, p.node())
		case '(', '[':
			p.at++
			found = append(found, p.values(map[byte]byte{'(': ')', '[': ']'}[c]))
		case ')', '}', ']':
			if c != '}' || end != ':' {
				p.at++
			}
			return found
		case ':':
			if end == ':' {
				return found
			}
			found = append(found, p.word())
		default:
			found = append(found, p.word())
		}
	}
	return found
}

func (p *treeParser) node() *node {
	n := &node{kind: p.word(), fields: map[string][]any{}}
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\n', '\t':
			p.at++
		case '}':
			p.at++
			return n
		case ':':
			p.at++
			name := p.word()
			n.fields[name] = p.values(':')
		default:
			p.values(':')
		}
	}
	return n
}

func (p *treeParser) word() string {
	var b strings.Builder
	quoted := false
	for start := p.at; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '\\' && p.at+1 < len(p.text):
			p.at++
			b.WriteByte(p.text[p.at])
		case c == '"':
			quoted = !quoted
		case !quoted && (strings.IndexByte(" \n\t", c) >= 0 || strings.IndexByte("(){}[]", c) >= 0 && p.at > start):
			return b.String()
		case !quoted && strings.IndexByte("(){}[]", c) >= 0:
			p.at++
			return string(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// word returns the first word of a field.
func (n *node) word(field string) string {
	for _, v := range n.fields[field] {
		if s, ok := v.(string); ok {
			return s
		}
	}
	return ""
}

func (n *node) number(field string) int64 {
	v, err := strconv.ParseInt(n.word(field), 10, 64)
	if err != nil {
		return -1
	}
	return v
}

// nodes returns the nodes of a field, those of its lists among them.
func (n *node) nodes(field string) []*node {
	var found []*node
	var add func([]any)
	add = func(values []any) {
		for _, v := range values {
			switch v := v.(type) {
			case *node:
				found = append(found, v)
			case []any:
				add(v)
			}
		}
	}
	add(n.fields[field])
	return found
}

// children returns the nodes of all fields.
func (n *node) children() []*node {
	var found []*node
	for field := range n.fields {
		found = append(found, n.nodes(field)...)
	}
	return found
}

// each visits a node and all beneath it, with the number of queries around it.
func (n *node) each(depth int64, visit func(n *node, depth int64)) {
	if n == nil {
		return
	}
	visit(n, depth)
	if n.kind == "QUERY" {
		depth++
	}
	for _, c := range n.children() {
		c.each(depth, visit)
	}
}

// text returns the value of a constant as text, without the header that
// PostgreSQL puts before values of any length.
func (n *node) text() string {
	if n.kind != "CONST" {
		return ""
	}
	var b []byte
	for _, v := range n.fields["constvalue"] {
		list, ok := v.([]any)
		if !ok {
			continue
		}
		for _, item := range list {
			word, ok := item.(string)
			c, err := strconv.ParseInt(word, 10, 16)
			if !ok || err != nil {
				return ""
			}
			b = append(b, byte(c)) //nolint:gosec // bytes are printed signed
		}
	}
	if n.word("constlen") == "-1" && len(b) >= 4 {
		b = b[4:]
	}
	return string(b)
}

// outer says that something beneath n refers to a query around n, which stands
// within that many queries itself.
func (n *node) outer() bool {
	found := false
	n.each(0, func(m *node, depth int64) {
		found = found || m.kind == "VAR" && m.number("varlevelsup") >= depth
	})
	return found
}
