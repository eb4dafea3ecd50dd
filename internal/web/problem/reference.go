package problem

import (
	"fmt"
	"html"
	"strconv"
	"strings"
)

// Limit is a size, depth, count or time that the server keeps to.
type Limit struct {
	What  string
	Value string // with its unit
	Where string // the setting that changes it, or "" for none
}

const preface = `# Errors

Generated from the code by ` + "`make generate`" + `; do not edit. Every server has this list at ` + "`" + Page + "`" + ` and, under ` + "`problem.Code`" + `, in its OpenAPI document.

An error is a document of RFC 9457, ` + "`application/problem+json`" + `:

` + "```json" + `
{
  "type": "` + Page + `#invalid_credentials",
  "title": "Unauthorized",
  "status": 401,
  "detail": "The e-mail address or the password is wrong.",
  "code": "invalid_credentials",
  "request_id": "0198c3f0-5d7e-7d0a-9c43-5d4f2b6f9a10"
}
` + "```" + `

- Decide by ` + "`code`" + `: it is stable. ` + "`detail`" + ` is a sentence for people, and may change. ` + "`type`" + ` leads to the code on the server's own page, relative
  to where the answer comes from; it is ` + "`about:blank`" + ` for codes that functions of yours have made up.
- ` + "`errors`" + ` says what is wrong where in the input: ` + "`[{\"pointer\": \"/email\", \"detail\": ...}]`" + `, a JSON pointer into the body, or ` + "`?NAME`" + ` for a parameter.
- ` + "`request_id`" + ` is that of the log line, and of the field X-Request-Id.
- ` + "`reason`" + ` says why a session is over. Requests for data have ` + "`message`, `details` and `hint`" + ` besides.
- 401 comes with WWW-Authenticate; 429 and 503, and a conflict that may pass, with Retry-After.
`

// Reference returns the page of documentation, in Markdown.
func Reference(limits []Limit) string {
	var b strings.Builder
	b.WriteString(preface)
	for _, g := range Groups() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| Code | Status | When | What to do |\n|---|---|---|---|\n", g.Title, g.About)
		for _, c := range g.Codes {
			fmt.Fprintf(&b, "| <a id=%q></a>`%s` | %s | %s | %s |\n", c.Code, c.Code, c.statuses(), cell(c.When), cell(c.Advice()))
		}
	}
	b.WriteString("\n## Limits\n\nWhat has a setting shows its default.\n\n| What | Limit | Setting |\n|---|---|---|\n")
	for _, l := range limits {
		where := ""
		if l.Where != "" {
			where = "`" + l.Where + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", l.What, l.Value, where)
	}
	return b.String()
}

func (c Code) statuses() string {
	var texts []string
	for _, s := range c.Statuses() {
		texts = append(texts, strconv.Itoa(s))
	}
	return strings.Join(texts, ", ")
}

// cell is text in a table of Markdown.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

const htmlHead = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Fluxbase errors</title>
<link rel="icon" href="data:,">
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24 }
dt { font-family: ui-monospace, monospace; font-weight: 600; margin-top: 1rem } dt a { color: inherit; text-decoration: none } dt small { font-weight: 400; color: #57606a }
dd { margin-left: 1.5rem } dt, dd { overflow-wrap: anywhere } dt:target { background: #fff8c5 }
@media (prefers-color-scheme: dark) { body { background: #0d1117; color: #e6edf3 } dt small { color: #9198a1 } dt:target { background: #3b3000 } a { color: #79c0ff } }
</style>
</head>
<body>
<h1>Errors</h1>
<p>What the <code>code</code> of an <code>application/problem+json</code> means. The API itself is described at <a href="/docs">/docs</a>.</p>
`

// HTML returns the page that a server has of its errors, with an anchor for each
// entry.
func HTML() []byte {
	var b strings.Builder
	b.WriteString(htmlHead)
	for _, g := range Groups() {
		fmt.Fprintf(&b, "<h2>%s</h2>\n<p>%s</p>\n<dl>\n", html.EscapeString(g.Title), spans(g.About))
		for _, c := range g.Codes {
			fmt.Fprintf(&b, "<dt id=%q><a href=\"#%s\">%s</a> <small>%s</small></dt>\n<dd>%s %s</dd>\n", c.Code, c.Code, c.Code, c.statuses(), spans(c.When), spans(c.Advice()))
		}
		b.WriteString("</dl>\n")
	}
	b.WriteString("</body>\n</html>\n")
	return []byte(b.String())
}

// spans is text with `code` in it, as HTML.
func spans(text string) string {
	parts := strings.Split(html.EscapeString(text), "`")
	for i := 1; i < len(parts); i += 2 {
		parts[i] = "<code>" + parts[i] + "</code>"
	}
	return strings.Join(parts, "")
}
