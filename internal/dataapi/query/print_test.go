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
	if q.Select != nil {
		params = append(params, "select="+url.QueryEscape(join(q.Select, printItem)))
	}
	return strings.Join(append(params, printRest(q, "")...), "&")
}

// printRest is print without select, of an embedding whose name is prefix.
func printRest(q Query, prefix string) []string {
	params := []string{}
	add := func(name, value string) {
		params = append(params, url.QueryEscape(prefix+name)+"="+url.QueryEscape(value))
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
	if q.OnConflict != nil {
		add("on_conflict", join(q.OnConflict, quote))
	}
	for _, item := range q.Select {
		if item.Embed != nil && q.Embedded(item.Key()) == item.Embed {
			params = append(params, printRest(item.Embed.Query, prefix+quote(item.Key())+".")...)
		}
	}
	return params
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
	switch {
	case i.Embed != nil:
		text = printEmbed(i.Embed)
	case i.Aggregate != "" && i.Column == "":
		text = string(i.Aggregate) + "()" + printType(i.Result)
	case i.Aggregate != "":
		text += printType(i.Cast) + "." + string(i.Aggregate) + "()" + printType(i.Result)
	default:
		text += printType(i.Cast)
	}
	if i.Alias != "" {
		text = quote(i.Alias) + ":" + text
	}
	return text
}

func printEmbed(e *Embed) string {
	text := quote(e.Relation)
	if e.Spread {
		text = "..." + text
	}
	if e.Hint != "" {
		text += "!" + quote(e.Hint)
	}
	if e.Inner {
		text += "!inner"
	}
	return text + "(" + join(e.Query.Select, printItem) + ")"
}

func printType(t *Type) (text string) {
	if t != nil {
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
	text := printField(t.Field)
	if t.Relation != "" {
		text = quote(t.Relation) + "(" + text + ")"
	}
	text += map[bool]string{false: ".asc", true: ".desc"}[t.Descending]
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
