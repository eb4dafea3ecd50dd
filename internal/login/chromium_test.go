package login_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// browser is a Chromium without a window, spoken to over two pipes in its
// DevTools protocol.
type browser struct {
	t       *testing.T
	to      *os.File
	mu      sync.Mutex
	last    int
	waiting map[int]chan json.RawMessage
	session string
}

// chromium starts one, or skips the test where there is none.
func chromium(t *testing.T) *browser {
	t.Helper()
	program := os.Getenv("CHROMIUM")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); program == "" && err == nil {
			program = found
		}
	}
	if program == "" {
		t.Skip("there is no Chromium here")
	}
	fromUs, toIt, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fromIt, toUs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	profile, err := os.MkdirTemp("", "chromium-") //nolint:usetesting // its children write while they end
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--user-data-dir="+profile,
		"--remote-debugging-pipe", "--hide-scrollbars", "about:blank")
	c.ExtraFiles = []*os.File{fromUs, toUs}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = fromUs.Close(), toUs.Close()
	t.Cleanup(func() {
		_, _ = toIt.Write([]byte(`{"id":1000000,"method":"Browser.close"}` + "\x00")) // and its children with it
		late := time.AfterFunc(10*time.Second, func() { _ = c.Process.Kill() })
		_ = c.Wait()
		late.Stop()
		_, _, _ = toIt.Close(), fromIt.Close(), os.RemoveAll(profile)
	})
	b := &browser{t: t, to: toIt, waiting: map[int]chan json.RawMessage{}}
	go b.read(fromIt)
	var target struct{ TargetID, SessionID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target)
	b.session = target.SessionID
	return b
}

func (b *browser) read(from *os.File) {
	lines := bufio.NewReaderSize(from, 1<<20)
	for {
		text, err := lines.ReadBytes(0)
		if err != nil {
			return
		}
		var m struct {
			ID     int
			Result json.RawMessage
			Error  json.RawMessage
		}
		if json.Unmarshal(text[:len(text)-1], &m) != nil || m.ID == 0 {
			continue
		}
		b.mu.Lock()
		c := b.waiting[m.ID]
		b.mu.Unlock()
		if m.Error != nil {
			m.Result = nil
		}
		if c != nil {
			c <- m.Result
		}
	}
}

func (b *browser) call(method string, params map[string]any, into any) {
	b.t.Helper()
	b.mu.Lock()
	b.last++
	c := make(chan json.RawMessage, 1)
	b.waiting[b.last] = c
	request := map[string]any{"id": b.last, "method": method, "params": params}
	if b.session != "" {
		request["sessionId"] = b.session
	}
	b.mu.Unlock()
	text, err := json.Marshal(request)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		b.t.Fatal(err)
	}
	select {
	case result := <-c:
		if result == nil {
			b.t.Fatalf("%s was refused", method)
		}
		if into != nil && json.Unmarshal(result, into) != nil {
			b.t.Fatalf("%s: %s", method, result)
		}
	case <-time.After(30 * time.Second):
		b.t.Fatalf("%s: no answer", method)
	}
}

// eval runs a script in the page, as its reader's tools do, and returns its text.
func (b *browser) eval(script string) string {
	b.t.Helper()
	var r struct{ Result struct{ Value any } }
	b.call("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true}, &r)
	return fmt.Sprint(r.Result.Value)
}

// until waits for a script to return true.
func (b *browser) until(script string) {
	b.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for b.eval(script) != "true" {
		if time.Now().After(deadline) {
			b.t.Fatalf("never: %s, at %s: %.500s", script, b.eval("location.href"), b.eval("document.body && document.body.innerText"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (b *browser) open(url, heading string) {
	b.t.Helper()
	b.call("Page.navigate", map[string]any{"url": url}, nil)
	b.see(heading)
}

func (b *browser) see(heading string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`document.readyState == "complete" && !!document.querySelector("h1") && document.querySelector("h1").innerText == %q`, heading))
}

// click presses a button with the mouse, as a reader would.
func (b *browser) click(words string) {
	b.t.Helper()
	var at struct{ X, Y float64 }
	place := b.eval(fmt.Sprintf(`(() => { const e = [...document.querySelectorAll("button")].find(e => e.innerText == %q); const r = e.getBoundingClientRect();
		return JSON.stringify({x: r.x + r.width / 2, y: r.y + r.height / 2}) })()`, words))
	if json.Unmarshal([]byte(place), &at) != nil {
		b.t.Fatalf("there is no button %s", words)
	}
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		b.call("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}, nil)
	}
}

func (b *browser) fill(id, text string) {
	b.t.Helper()
	b.eval(fmt.Sprintf(`document.getElementById(%q).focus()`, id))
	b.call("Input.insertText", map[string]any{"text": text}, nil)
}

// shoot looks at the page in both colours: nothing may be wider than it, and
// all text has to stand out from what is behind it. With PICTURES set it leaves
// pictures there.
func (b *browser) shoot(name string) {
	b.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		b.call("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme", "value": scheme}}}, nil)
		for _, width := range []int{800, 320} {
			b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
			if over := b.eval(`document.documentElement.scrollWidth - document.documentElement.clientWidth`); over != "0" {
				b.t.Errorf("%s, %s, %d wide: %s pixels too wide", name, scheme, width, over)
			}
			if low := b.eval(contrast); low != "" {
				b.t.Errorf("%s, %s: hard to read: %s", name, scheme, low)
			}
			folder := os.Getenv("PICTURES")
			if folder == "" {
				continue
			}
			var picture struct{ Data string }
			b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &picture)
			data, err := base64.StdEncoding.DecodeString(picture.Data)
			if err == nil {
				err = os.WriteFile(filepath.Join(folder, fmt.Sprintf("%s-%s-%d.png", name, scheme, width)), data, 0o600)
			}
			if err != nil {
				b.t.Error(err)
			}
		}
	}
}

// contrast lists texts under the ratio of WCAG 2.2, 1.4.3.
const contrast = `(() => {
	const lum = c => { const [r, g, b] = c.match(/[\d.]+/g).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b };
	const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\)$/.test(c) && c != "transparent") return c } return "rgb(255, 255, 255)" };
	return [...document.querySelectorAll("p, h1, dt, dd, label, button")].filter(e => {
		const a = lum(getComputedStyle(e).color), b = lum(behind(e));
		return (Math.max(a, b) + .05) / (Math.min(a, b) + .05) < 4.5;
	}).map(e => e.innerText).join(", ");
})()`

// reader is somebody who follows links in a browser.
type reader struct {
	*browser

	s *servertest.Server
}

// TestPageInABrowser goes through each state of the page behind a link as its
// reader does, with the protections that a browser enforces.
func TestPageInABrowser(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a browser takes a while")
	}
	r := reader{chromium(t), servertest.New(t, required)}
	r.call("Page.enable", nil, nil)
	r.call("Runtime.enable", nil, nil)
	r.signsIn()
	r.goesOn()
	r.denies()
	r.choosesPassword()
	r.isInvited()
	r.changesAddress()
}

// ask asks for a link as Firefox would, and returns it with what a page waits on.
func (r reader) ask(path, email string, pairs ...any) (flow, link string) {
	r.t.Helper()
	a := r.s.Do("POST", base+path, "", j(append(pairs, "email", email)...),
		"User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0")
	if a.Status/100 != 2 {
		r.t.Fatalf("%d %s", a.Status, a.Body)
	}
	return str(r.t, a, "flow_id"), r.mailedTo(email)
}

func (r reader) mailedTo(email string) string {
	r.t.Helper()
	_, token, _ := mailed(r.t, r.s, email, 1)
	return r.s.URL + "/verify?token=" + token
}

func (r reader) text() string { return r.eval("document.body.innerText") }

func (r reader) signsIn() {
	flow, link := r.ask("/magiclink", "somebody.with.a.rather.long.name.indeed@mail.department.example.com")
	r.open(link, "Sign in")
	if text := r.text(); !strings.Contains(text, "Firefox on Windows") || !strings.Contains(text, "127.0.0.1") || !strings.Contains(text, "less than a minute ago") {
		r.t.Error(text)
	}
	r.shoot("magic-link")
	r.click("Sign in where it was asked for")
	r.see("Done")
	r.shoot("done")
	r.s.Person("", post(r.s, "/flow", "flow_id", flow))
	r.open(link, "This link does not work")
	r.shoot("over")
}

// goesOn goes over to another origin, which learns the token from the fragment
// and nothing from the referrer.
func (r reader) goesOn() {
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, `<!doctype html><h1>The application</h1><p id=r>%s</p>`, html.EscapeString(q.Header.Get("Referer")))
	}))
	defer application.Close()
	_, link := r.ask("/magiclink", "b@example.com", "redirect_to", application.URL+"/in?x=1")
	r.open(link, "Sign in")
	r.shoot("magic-link-application")
	r.click("Sign in here")
	r.see("The application")
	from := r.eval(`document.getElementById("r").innerText`)
	rest, ok := strings.CutPrefix(r.eval("location.href"), application.URL+"/in?x=1#token=")
	if !ok || from != "" {
		r.t.Errorf("%s, referred from %s", r.eval("location.href"), from)
	}
	token, _, _ := strings.Cut(rest, "&")
	r.s.Person("", post(r.s, "/magiclink/verify", "token", token))
}

func (r reader) denies() {
	_, link := r.ask("/signup", "c@example.com", "password", "a-long-password")
	r.open(link, "Confirm your address")
	r.shoot("sign-up")
	r.click("This was not me")
	r.see("Thank you")
	r.shoot("denied")
}

func (r reader) choosesPassword() {
	p := confirmed(r.t, r.s, "d@example.com")
	reset := next(r.t, r.s, p.Email, func() { want(r.t, post(r.s, "/password/reset", "email", p.Email), 202, "") })
	choose := func(word, again string) {
		r.fill("password", word)
		r.fill("again", again)
		r.click("Set the password")
	}
	problem := func(words string) {
		r.until(fmt.Sprintf(`!!document.querySelector(".problem") && document.querySelector(".problem").innerText.includes(%q)`, words))
	}
	r.open(r.s.URL+"/verify?token="+reset.token, "Choose a new password")
	r.shoot("new-password")
	choose("a-brand-new-password", "a-different-password")
	problem("differ")
	r.shoot("passwords-differ")
	choose("password1", "password1")
	problem("common")
	r.shoot("weak-password")
	choose("a-brand-new-password", "a-brand-new-password")
	r.see("Your password is set")
	want(r.t, in(r.s, p.Email, "a-brand-new-password"), 200, "")
}

func (r reader) isInvited() {
	want(r.t, r.s.Do("POST", "/api/v1/admin/users/invite", r.s.ServiceKey, j("email", "guest@example.com")), 201, "")
	r.open(r.mailedTo("guest@example.com"), "Accept the invitation")
	if text := r.text(); strings.Contains(text, "127.0.0.1") {
		r.t.Errorf("it says where the administrator sits: %s", text)
	}
	r.shoot("invitation")
}

func (r reader) changesAddress() {
	p := confirmed(r.t, r.s, "e@example.com")
	current := next(r.t, r.s, p.Email, func() { want(r.t, as(r.s, p, "PUT", "/user/email", "email", "f@example.com"), 200, "") })
	r.open(r.s.URL+"/verify?token="+current.token, "Change your address")
	if text := r.text(); !strings.Contains(text, "f@example.com") {
		r.t.Errorf("it does not say which address is wanted: %s", text)
	}
	r.shoot("change-current")
	r.click("Agree")
	r.see("Done")
	r.shoot("agreed")
	r.open(r.mailedTo("f@example.com"), "Confirm your new address")
	r.shoot("change-new")
	r.click("Confirm")
	r.see("Done")
	want(r.t, in(r.s, "f@example.com", servertest.Password), 200, "")
}
