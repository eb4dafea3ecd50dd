package mail

import (
	"cmp"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	texttemplate "text/template"
	"time"
	"unicode"
)

// letter is what a message says.
type letter struct{ subject, text, html string }

// executor is a template of either package.
type executor interface {
	Execute(w io.Writer, data any) error
}

// part is one of the three files of a kind.
type part int

const (
	subjectPart part = iota
	textPart
	htmlPart
)

var extensions = map[string]part{".subject": subjectPart, ".txt": textPart, ".html": htmlPart}

// override is what the files of a folder say for one kind; nil where there is
// no file.
type override [3]executor

// templates are all letters: the built-in ones, and the files that win over
// them.
type templates struct {
	builtin  *builtin
	files    map[string]map[Kind]*override // by locale, lower case; "" is the top of the folder
	fallback string
}

var localeForm = regexp.MustCompile(`^[a-zA-Z]{2,3}([-_][a-zA-Z0-9]{2,8}){0,3}$`)

// loadTemplates reads the folder of templates; empty for none. It refuses what
// would fail later: files of no kind, and templates that cannot be filled in.
func loadTemplates(dir, fallback string) (*templates, error) {
	b, err := loadBuiltin()
	if err != nil {
		return nil, err
	}
	t := &templates{builtin: b, files: map[string]map[Kind]*override{}, fallback: canonical(cmp.Or(fallback, "en"))}
	if dir == "" {
		return t, nil
	}
	if err := t.readDir(dir, ""); err != nil {
		return nil, fmt.Errorf("reading the templates of mail: %w", err)
	}
	return t, nil
}

func (t *templates) readDir(dir, locale string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err //nolint:wrapcheck // names the folder
	}
	t.files[locale] = map[Kind]*override{}
	for _, e := range entries {
		place := filepath.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case isDir(place, e) && locale == "" && localeForm.MatchString(e.Name()):
			err = t.readDir(place, canonical(e.Name()))
		case isDir(place, e):
			err = fmt.Errorf("%s: a folder in here is named by a locale, such as de or pt-BR", place)
		default:
			err = t.readFile(place, locale)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// isDir follows symbolic links, as volumes of containers have them.
func isDir(place string, e fs.DirEntry) bool {
	info, err := os.Stat(place)
	return e.IsDir() || err == nil && info.IsDir()
}

func (t *templates) readFile(place, locale string) error {
	extension := filepath.Ext(place)
	which, ok := extensions[extension]
	if !ok {
		return nil // a README, say
	}
	kind := Kind(strings.TrimSuffix(filepath.Base(place), extension))
	if !kind.known() {
		return fmt.Errorf("%s: there is no such kind of message; the kinds are %s", place, names(kinds))
	}
	text, err := os.ReadFile(place) //nolint:gosec // a file that the operator named
	if err != nil {
		return err //nolint:wrapcheck // names the file
	}
	parsed, err := parse(which, place, string(text))
	if err != nil {
		return err
	}
	if t.files[locale][kind] == nil {
		t.files[locale][kind] = &override{}
	}
	t.files[locale][kind][which] = parsed
	return nil
}

// parse reads a template, and fills it in once with everything and once with
// nothing: some mistakes show only then. Errors have the file and the line.
func parse(which part, name, text string) (executor, error) {
	var t executor
	var err error
	if which == htmlPart {
		t, err = htmltemplate.New(name).Parse(text)
	} else {
		t, err = texttemplate.New(name).Parse(text)
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // names file and line
	}
	for _, v := range []Vars{sample(), {}} {
		filled, err := execute(t, v)
		if err != nil {
			return nil, err
		}
		if which == subjectPart && v.Token != "" && oneLine(filled) == "" {
			return nil, fmt.Errorf("%s:1: a subject cannot be empty", name)
		}
	}
	return t, nil
}

func execute(t executor, v Vars) (string, error) {
	var b strings.Builder
	if err := t.Execute(&b, v); err != nil {
		return "", err //nolint:wrapcheck // names file and line
	}
	return b.String(), nil
}

func sample() Vars {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return Vars{
		ConfirmationURL: "https://example.com/verify?token=x", Token: "123456", TokenHash: "abc", SiteURL: "https://example.com",
		RedirectTo: "https://example.com/welcome", Email: "a@example.com", NewEmail: "b@example.com", OldEmail: "a@example.com",
		Phone: "+491701234567", Provider: "email", FactorType: "totp", Data: map[string]any{}, SendingTo: "a@example.com",
		Locale: "en", Device: "Firefox on Linux", Address: "192.0.2.1", ExpiresIn: "10 minutes", ExpiresAt: at, At: at,
	}
}

// locale returns the locale that a message of a kind is written in: the first of
// those wanted that there are templates for, by itself or by its language. Files
// that the operator has written without a locale win over the built-in letters
// of every other language, so that no message leaves without what they say.
func (t *templates) locale(k Kind, wanted string) string {
	for tag := range strings.SplitSeq(wanted, ",") {
		tag, _, _ = strings.Cut(strings.TrimSpace(tag), ";")
		if !localeForm.MatchString(tag) {
			continue
		}
		tag = canonical(tag)
		for _, candidate := range []string{tag, base(tag)} {
			if t.files[candidate][k] != nil || candidate == t.fallback || t.files[""][k] == nil && t.builtin.words[candidate] != nil {
				return candidate
			}
		}
	}
	return t.fallback
}

// render fills in the letter of a message.
func (t *templates) render(r record, v Vars) (letter, error) {
	w := cmp.Or(t.builtin.in(r.locale), t.builtin.in(t.fallback), t.builtin.in("en"))
	v.Locale, v.ExpiresAt = r.locale, r.expiresAt
	v.ExpiresIn = cmp.Or(v.ExpiresIn, w.duration(r.expiresAt.Sub(r.createdAt)))
	if v.At.IsZero() {
		v.At = r.createdAt
	}
	l, err := t.builtin.letter(w, r.kind, v)
	if err != nil {
		return letter{}, err
	}
	for which, into := range map[part]*string{subjectPart: &l.subject, textPart: &l.text, htmlPart: &l.html} {
		file := t.file(r, which)
		if file == nil {
			continue
		}
		if *into, err = execute(file, v); err != nil {
			return letter{}, err
		}
	}
	if l.subject = oneLine(l.subject); l.subject == "" {
		return letter{}, errors.New("the subject is empty")
	}
	return l, nil
}

// file returns the operator's template of a part; nil if the built-in one is to
// be used. A locale's own comes first, then the built-in words of the language,
// and then the files without a locale.
func (t *templates) file(r record, which part) executor {
	if o := t.files[r.locale][r.kind]; o != nil && o[which] != nil {
		return o[which]
	}
	if r.locale != t.fallback && t.builtin.in(r.locale) != nil {
		return nil
	}
	if o := t.files[""][r.kind]; o != nil {
		return o[which]
	}
	return nil
}

// maxSubject is the longest subject, in characters.
const maxSubject = 200

// oneLine makes a line of what may hold anything: what a header must not have
// becomes a space.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxSubject {
		text = string(runes[:maxSubject-1]) + "…"
	}
	return text
}

// canonical is the spelling of a locale by which it is looked up.
func canonical(locale string) string { return strings.ToLower(strings.ReplaceAll(locale, "_", "-")) }

// base is the language of a locale.
func base(locale string) string {
	language, _, _ := strings.Cut(locale, "-")
	return language
}

func names(kinds []Kind) string {
	list := make([]string, len(kinds))
	for i, k := range kinds {
		list[i] = string(k)
	}
	return strings.Join(list, ", ")
}
