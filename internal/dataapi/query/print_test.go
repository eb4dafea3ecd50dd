package query

import (
	"net/url"
	"strconv"
	"strings"
)

// print writes a query in the dialect, so that reading it again can be compared
// with the first reading.
func print(q Query) string {
	params := []string{}
	add := func(name, value string) {
		params = append(params, url.QueryEscape(name)+"="+url.QueryEscape(value))
	}
	if q.Select != nil {
		add("select", join(q.Select, printItem))
	}
	for _, c := range q.Where {
		if c.Filter != nil {
			add("and", "("+printCond(c)+")")
			continue
		}
		name, text, _ := strings.Cut(printCond(c), "(")
		add(name, "("+text)
	}
	if q.Order != nil {
		add("order", join(q.Order, printTerm))
	}
	if q.Limit != nil {
		add("limit", strconv.FormatInt(*q.Limit, 10))
	}
	if q.Offset != nil {
		add("offset", strconv.FormatInt(*q.Offset, 10))
	}
	if q.Columns != nil {
		add("columns", join(q.Columns, quote))
	}
	return strings.Join(params, "&")
}

func join[T any](list []T, f func(T) string) string {
	var texts []string
	for _, t := range list {
		texts = append(texts, f(t))
	}
	return strings.Join(texts, ",")
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func printField(f Field) string {
	text := quote(f.Column)
	for _, step := range f.Path {
		text += "->"
		if step.Text {
			text += ">"
		}
		if step.Element {
			text += strconv.Itoa(step.Index)
		} else {
			text += quote(step.Key)
		}
	}
	return text
}

func printItem(i Item) string {
	text := printField(i.Field)
	if i.Alias != "" {
		text = quote(i.Alias) + ":" + text
	}
	if t := i.Cast; t != nil {
		text += "::"
		if t.Schema != "" {
			text += quote(t.Schema) + "."
		}
		text += quote(t.Name)
		if t.Modifiers != nil {
			text += "(" + join(t.Modifiers, strconv.Itoa) + ")"
		}
		if t.Array {
			text += "[]"
		}
	}
	return text
}

func printTerm(t Term) string {
	text := printField(t.Field) + ".asc"
	if t.Descending {
		text = printField(t.Field) + ".desc"
	}
	if t.Nulls != "" {
		text += ".nulls" + t.Nulls
	}
	return text
}

func printCond(c Cond) string {
	not := map[bool]string{true: "not."}
	if f := c.Filter; f != nil {
		text := printField(f.Field) + "." + not[f.Negated] + string(f.Op)
		switch {
		case f.Quantifier != "":
			text += "(" + f.Quantifier + ")"
		case f.Language != "":
			text += "(" + f.Language + ")"
		}
		if f.List != nil {
			return text + ".(" + join(f.List, quote) + ")"
		}
		return text + "." + quote(f.Value)
	}
	return not[c.Negated] + map[bool]string{true: "or", false: "and"}[c.Or] + "(" + join(c.Members, printCond) + ")"
}
