package setting

import (
	"fmt"
	"slices"
	"strings"
)

// Page is what the page of documentation says beyond the tags.
type Page struct {
	Preface string
	Notes   map[string]string // by section, after its table
	Needed  []string          // keys that the example has although they have no default
}

// Reference returns the page of documentation for every key, in Markdown: a
// table for each section and a complete example file.
func (s *Schema) Reference(p Page) string {
	var b strings.Builder
	b.WriteString(p.Preface + "\n## General\n\n")
	s.table(&b, "")
	for _, section := range s.sections {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", section.Key, section.Doc)
		if s.hasFields(section.Key) {
			b.WriteByte('\n')
			s.table(&b, section.Key)
		}
		b.WriteString(p.Notes[section.Key])
	}
	b.WriteString("\n## Complete example\n\nEvery key there is, with its default where it has one. Lines that begin with `#` can be left out.\n\n```yaml\n" + s.Example(p) + "```\n")
	return b.String()
}

func (s *Schema) hasFields(section string) bool {
	return slices.ContainsFunc(s.fields, func(f *Field) bool { return parent(f.Key) == section })
}

func (s *Schema) table(b *strings.Builder, section string) {
	b.WriteString("| Key | Type | Default | Variable | Meaning |\n|---|---|---|---|---|\n")
	for _, f := range s.fields {
		if parent(f.Key) != section {
			continue
		}
		def := "none"
		if f.Default != "" {
			def = "`" + f.Default + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | `%s` | %s |\n", f.Key, f.describe(), def, f.Env[0], f.meaning())
	}
}

func (f *Field) meaning() string {
	text := f.Doc
	if limits := f.limits(); limits != "" {
		text += " Allowed: " + limits + "."
	}
	if len(f.Aliases) > 0 {
		text += " Also read as `" + strings.Join(f.Aliases, "`, `") + "`."
	}
	if f.fallback != "" {
		text += " When nothing else is said, the variable `" + f.fallback + "` counts."
	}
	if f.Secret != "" {
		text += " Secret."
	}
	return strings.NewReplacer("|", `\|`, "*", `\*`, "<", "&lt;").Replace(text)
}

// Example is a file with every key; the ones that have neither a default nor are
// needed are commented out.
func (s *Schema) Example(p Page) string {
	var b strings.Builder
	open := ""
	for _, f := range s.fields {
		if section := parent(f.Key); section != open {
			openSections(&b, open, section)
			open = section
		}
		indent := strings.Repeat("  ", strings.Count(f.Key, "."))
		for _, line := range f.exampleLines(slices.Contains(p.Needed, f.Key)) {
			b.WriteString(indent + line + "\n")
		}
	}
	return b.String()
}

// openSections writes the headings between two neighbouring keys' sections.
func openSections(b *strings.Builder, from, to string) {
	path := ""
	for depth, name := range strings.Split(to, ".") {
		path = join(path, name)
		if from == path || strings.HasPrefix(from, path+".") {
			continue
		}
		if depth == 0 {
			b.WriteString("\n")
		}
		b.WriteString(strings.Repeat("  ", depth) + name + ":\n")
	}
}

func (f *Field) exampleLines(needed bool) []string {
	name := f.Key[strings.LastIndexByte(f.Key, '.')+1:] + ":"
	switch {
	case f.kind == kindForm:
		return f.form().Example
	case f.example != "" && f.kind == kindMap:
		lines := []string{"# " + name}
		for _, entry := range split(f.example, "|") {
			header, value, _ := strings.Cut(entry, "=")
			lines = append(lines, "#   "+header+": \""+value+"\"")
		}
		return lines
	case f.example != "" && f.kind == kindList:
		return []string{"# " + name + " [\"" + strings.ReplaceAll(f.example, ", ", "\", \"") + "\"]"}
	case f.example != "" && f.kind == kindBool:
		return []string{"# " + name + " " + f.example}
	case f.example != "" && needed:
		return []string{name + " \"" + f.example + "\""}
	case f.example != "":
		return []string{"# " + name + " \"" + f.example + "\""}
	case f.kind == kindList:
		return []string{name + " [" + f.Default + "]"}
	}
	return []string{name + " " + f.Default}
}

func parent(key string) string {
	return key[:max(strings.LastIndexByte(key, '.'), 0)]
}
