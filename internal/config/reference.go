package config

import (
	"fmt"
	"slices"
	"strings"
)

const preface = `# Configuration

<!-- Made from internal/config by: go test ./internal/config -run TestReference -update -->

A setting is taken from, in rising precedence: its default, the file, the environment, a flag of the command.
The file is ` + "`fluxbase.yaml`" + ` in the working directory, or the one that ` + "`--config FILE`" + ` names.
` + "`fluxbase config show`" + ` prints every value in effect and where it came from.

- **Nothing is skipped.** An unknown or duplicate key, a value of the wrong type or outside its limits, and an unknown
  variable that begins with ` + "`FLUXBASE_`" + ` stop the server; all of them are reported together, and no report repeats a value.
  ` + "`FLUXBASE_URL` and `FLUXBASE_SERVICE_KEY`" + ` belong to fluxbase-cli and are ignored.
- **Variables.** Each key has the variable in its row. With ` + "`_FILE`" + ` after the name, the value is read from the file
  that the variable names, without the line break at its end; setting both is an error.
- **In the file**, ` + "`${NAME}`" + ` is the variable NAME, which must be set, and ` + "`${NAME:-default}`" + ` has a default for when it
  is unset or empty. ` + "`$$`" + ` is one dollar sign. Keys are never expanded.
- **Types.** A duration has a unit: ` + "`30s`, `15m`, `168h`, `7d`" + `. A size is a number of bytes or has a unit: ` + "`1048576`, `512KiB`, `1MiB`" + `.
  A list in the environment is separated by commas; a map is a JSON object: ` + "`{\"X-Frame-Options\":\"DENY\"}`" + `.
- **Other spellings** that a row names mean the same setting. Two names of one setting with different values, in the file
  or the environment, are an error.
- **Staging and production** refuse a missing ` + "`public_url`, `secret_key` (or another key, or a provider of keys) or `database.url`" + `,
  an ` + "`auth.jwt.secret`" + ` or key that is short, a pattern or a known example, ` + "`*` in `server.cors.allowed_origins`" + `, an
  ` + "`auth.bcrypt_cost`" + ` under 10 or an argon2id as cheap, and http to Vault, to a ` + "`kms_endpoint`" + `, to a ` + "`notification_webhook`" + ` or to
  the ` + "`password_breach_url`" + `. Production also refuses an http ` + "`public_url`" + `.
`

// notes are what a section needs to say beyond its table.
var notes = map[string]string{"security.encryption": encryptionNotes}

// Reference returns the page of documentation for every key, in Markdown: a
// table for each section and a complete example file.
func Reference() string {
	var b strings.Builder
	b.WriteString(preface + "\n## General\n\n")
	table(&b, "")
	for _, s := range keys().sections {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", s.key, s.doc)
		if s.hasFields() {
			b.WriteByte('\n')
			table(&b, s.key)
		}
		b.WriteString(notes[s.key])
	}
	b.WriteString("\n## Complete example\n\nEvery key there is, with its default where it has one. Lines that begin with `#` can be left out.\n\n```yaml\n" + exampleFile() + "```\n")
	return b.String()
}

func (s section) hasFields() bool {
	return slices.ContainsFunc(keys().fields, func(f *field) bool { return parent(f.key) == s.key })
}

func table(b *strings.Builder, sectionKey string) {
	b.WriteString("| Key | Type | Default | Variable | Meaning |\n|---|---|---|---|---|\n")
	for _, f := range keys().fields {
		if parent(f.key) != sectionKey {
			continue
		}
		def := "none"
		if f.def != "" {
			def = "`" + f.def + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | `%s` | %s |\n", f.key, f.describe(), def, f.env[0], f.meaning())
	}
}

func (f *field) meaning() string {
	text := f.doc
	if limits := f.limits(); limits != "" {
		text += " Allowed: " + limits + "."
	}
	if len(f.aliases) > 0 {
		text += " Also read as `" + strings.Join(f.aliases, "`, `") + "`."
	}
	if f.fallback != "" {
		text += " When nothing else is said, the variable `" + f.fallback + "` counts."
	}
	if f.secret != "" {
		text += " Secret."
	}
	return strings.NewReplacer("|", `\|`, "*", `\*`, "<", "&lt;").Replace(text)
}

// exampleFile is a fluxbase.yaml with every key; the ones that have neither a
// default nor a need in production are commented out.
func exampleFile() string {
	var b strings.Builder
	open := ""
	for _, f := range keys().fields {
		if section := parent(f.key); section != open {
			openSections(&b, open, section)
			open = section
		}
		indent := strings.Repeat("  ", strings.Count(f.key, "."))
		for _, line := range f.exampleLines() {
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

func (f *field) exampleLines() []string {
	name := f.key[strings.LastIndexByte(f.key, '.')+1:] + ":"
	switch {
	case f.kind == kindKeys:
		return keysExample
	case f.example != "" && f.kind == kindMap:
		lines := []string{"# " + name}
		for _, entry := range split(f.example, "|") {
			header, value, _ := strings.Cut(entry, "=")
			lines = append(lines, "#   "+header+": \""+value+"\"")
		}
		return lines
	case f.example != "" && f.kind == kindList:
		return []string{"# " + name + " [\"" + strings.ReplaceAll(f.example, ", ", "\", \"") + "\"]"}
	case f.example != "" && neededInProduction[f.key]:
		return []string{name + " \"" + f.example + "\""}
	case f.example != "":
		return []string{"# " + name + " \"" + f.example + "\""}
	case f.kind == kindList:
		return []string{name + " [" + f.def + "]"}
	}
	return []string{name + " " + f.def}
}

var neededInProduction = map[string]bool{"public_url": true, "secret_key": true, "database.url": true}

func parent(key string) string {
	return key[:max(strings.LastIndexByte(key, '.'), 0)]
}
