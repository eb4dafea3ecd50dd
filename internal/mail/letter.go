package mail

import (
	"bytes"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"path"
	"strings"
	texttemplate "text/template"
	"time"

	"github.com/go-json-experiment/json"
)

//go:embed builtin
var builtinFiles embed.FS

// wording is what the built-in letters say in one language. Its texts are
// templates.
type wording struct {
	Minute    string             `json:"minute"`
	Minutes   string             `json:"minutes"`
	Hour      string             `json:"hour"`
	Hours     string             `json:"hours"`
	Day       string             `json:"day"`
	Days      string             `json:"days"`
	Link      string             `json:"link"`
	Code      string             `json:"code"`
	CodeAlone string             `json:"code_alone"`
	Expires   string             `json:"expires"`
	From      string             `json:"from"`
	Happened  string             `json:"happened"`
	Footer    string             `json:"footer"`
	Kinds     map[Kind]kindWords `json:"kinds"`

	lang string
}

// kindWords are of one kind of message.
type kindWords struct {
	Subject string `json:"subject"`
	Title   string `json:"title"`
	Lead    string `json:"lead"`
	Button  string `json:"button"`
	Note    string `json:"note"`
}

// page is what the layouts are filled with. All of it is text; the layout of
// HTML escapes it.
type page struct {
	Lang, Subject, Title, Lead, Button, URL, LinkHint, CodeLabel, Code, Expires, Origin, Note, Footer string
}

// builtin are the letters that need no files, by language.
type builtin struct {
	words map[string]*wording
	html  *htmltemplate.Template
	text  *texttemplate.Template
}

func loadBuiltin() (*builtin, error) {
	b := &builtin{words: map[string]*wording{}}
	var err error
	if b.html, err = htmltemplate.ParseFS(builtinFiles, "builtin/layout.html"); err != nil {
		return nil, fmt.Errorf("reading the built-in templates: %w", err)
	}
	if b.text, err = texttemplate.ParseFS(builtinFiles, "builtin/layout.txt"); err != nil {
		return nil, fmt.Errorf("reading the built-in templates: %w", err)
	}
	for _, lang := range []string{"en", "de"} {
		text, err := builtinFiles.ReadFile(path.Join("builtin", lang+".json"))
		if err != nil {
			return nil, fmt.Errorf("reading the built-in templates: %w", err)
		}
		w := &wording{lang: lang}
		if err := json.Unmarshal(text, w, json.RejectUnknownMembers(true)); err != nil {
			return nil, fmt.Errorf("reading the built-in templates of %s: %w", lang, err)
		}
		b.words[lang] = w
	}
	return b, nil
}

// in returns the words of a language, or of the language that a locale is one
// of; nil if there are none.
func (b *builtin) in(locale string) *wording {
	if w := b.words[locale]; w != nil {
		return w
	}
	return b.words[base(locale)]
}

// isNotice says that a kind tells what has happened, rather than asks for
// something.
func (k Kind) isNotice() bool {
	switch k {
	case Confirmation, Invite, Recovery, MagicLink, EmailChange, EmailChangeCurrent, Reauthentication:
		return false
	default:
		return true
	}
}

// page fills in what a letter says.
func (w *wording) page(k Kind, v Vars) (page, error) {
	words := w.Kinds[k]
	p := page{Lang: w.lang, LinkHint: w.Link, Code: v.Token, CodeLabel: w.Code, URL: v.ConfirmationURL, Button: words.Button}
	if p.URL == "" {
		p.CodeLabel = w.CodeAlone
	}
	pieces := []piece{{words.Subject, &p.Subject}, {words.Title, &p.Title}, {words.Lead, &p.Lead}, {words.Note, &p.Note}, {w.Footer, &p.Footer}}
	switch {
	case k.isNotice():
		pieces = append(pieces, piece{w.Happened, &p.Origin})
	default:
		pieces = append(pieces, piece{w.Expires, &p.Expires})
		if v.Device != "" || v.Address != "" {
			pieces = append(pieces, piece{w.From, &p.Origin})
		}
	}
	for _, x := range pieces {
		text, err := fill(x.text, v)
		if err != nil {
			return page{}, err
		}
		*x.into = text
	}
	p.Subject = oneLine(p.Subject)
	return p, nil
}

type piece struct {
	text string
	into *string
}

func fill(text string, v Vars) (string, error) {
	t, err := texttemplate.New("built-in").Parse(text)
	if err != nil {
		return "", err //nolint:wrapcheck // a defect in an embedded file, found by any test
	}
	var b strings.Builder
	if err := t.Execute(&b, v); err != nil {
		return "", err //nolint:wrapcheck // as above
	}
	return b.String(), nil
}

// letter makes the built-in letter of a kind.
func (b *builtin) letter(w *wording, k Kind, v Vars) (letter, error) {
	p, err := w.page(k, v)
	if err != nil {
		return letter{}, err
	}
	var html, text bytes.Buffer
	if err := b.html.Execute(&html, p); err != nil {
		return letter{}, fmt.Errorf("filling in the built-in layout: %w", err)
	}
	if err := b.text.Execute(&text, p); err != nil {
		return letter{}, fmt.Errorf("filling in the built-in layout: %w", err)
	}
	return letter{subject: p.Subject, html: html.String(), text: text.String()}, nil
}

// duration says how long something takes in the largest unit that is exact
// enough: 10 minutes, 1 hour, 3 days.
func (w *wording) duration(d time.Duration) string {
	const day = 24 * time.Hour
	say := func(unit time.Duration, one, many string) string {
		if n := int(d.Round(unit) / unit); n != 1 {
			return fmt.Sprintf(many, n)
		}
		return one
	}
	switch {
	case d >= 2*day || d == day:
		return say(day, w.Day, w.Days)
	case d >= 2*time.Hour || d == time.Hour:
		return say(time.Hour, w.Hour, w.Hours)
	default:
		return say(time.Minute, w.Minute, w.Minutes)
	}
}
