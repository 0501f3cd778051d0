//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"golang.org/x/net/html"

	"bonded/internal/blob"
	"bonded/internal/clock"
	"bonded/internal/ecosystem/cargo"
	"bonded/internal/ecosystem/composer"
	"bonded/internal/ecosystem/maven"
	"bonded/internal/ecosystem/npm"
	"bonded/internal/ecosystem/pypi"
	"bonded/internal/events"
	"bonded/internal/identity"
	"bonded/internal/registry"
	"bonded/internal/store"
	"bonded/internal/web/webtest"
)

// stepTimeout bounds one step in the browser.
const stepTimeout = 30 * time.Second

// pagesShown are the pages that are checked, in every state that they can have.
var pagesShown = map[string]string{
	"home": "/", "list": "/packages/", "search": "/packages/?q=sample&repository=npm", "nothing": "/packages/?q=no+such+thing",
	"package": "/packages/npm/main/@acme/sample", "version": "/packages/npm/main/@acme/sample?version=0.9.0", "cargo": "/packages/cargo/main/sample_crate",
	"pypi": "/packages/pypi/main/sample-project", "maven": "/packages/maven/main/org.example:sample", "composer": "/packages/composer/main/acme/sample",
	"quarantined": "/packages/npm/main/quarantined", "blocked": "/packages/npm/main/blocked", "half": "/packages/npm/main/half",
	"yanked": "/packages/npm/main/yanked", "archived": "/packages/npm/main/archived", "deprecated": "/packages/npm/main/deprecated",
	"message": "/packages/npm/main/oldstyle", "setup": "/setup", "security": "/security", "api": "/api/docs", "missing": "/packages/npm/main/missing",
}

// TestWebPages looks at the pages of a running server through a real browser.
func TestWebPages(t *testing.T) {
	data := t.TempDir()
	stockData(t, data)
	base := startServer(t, data)
	browser := openBrowser(t)

	t.Run("accessible", func(t *testing.T) { testAccessible(t, browser, base) })
	t.Run("narrow", func(t *testing.T) { testNarrow(t, browser, base) })
	t.Run("by keyboard", func(t *testing.T) { testKeyboard(t, browser, base) })
	t.Run("nothing from elsewhere", func(t *testing.T) { testNothingFromElsewhere(t, browser, base) })
	t.Run("copy buttons", func(t *testing.T) { testCopy(t, browser, base) })
	if dir := os.Getenv("BONDED_TEST_SCREENSHOTS"); dir != "" {
		takeScreenshots(t, browser, base, dir)
	}
}

// testAccessible runs axe over every page, in light and in dark.
func testAccessible(t *testing.T, browser context.Context, base string) {
	axe := axeScript(t)
	for name, path := range pagesShown {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(name+"/"+scheme, func(t *testing.T) {
				show(t, browser, base+path, 1280, 900, scheme)
				do(t, browser, chromedp.Evaluate[json.RawMessage](axe+"; null"))
				raw := do(t, browser, chromedp.Evaluate[string](`axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]})
					.then(r => JSON.stringify({passes: r.passes.length, violations: r.violations.map(v => v.id + ": " + v.nodes.map(n => n.html + " " + n.failureSummary).join(" | "))}))`,
					chromedp.EvalAwaitPromise))
				var result struct {
					Passes     int
					Violations []string
				}
				if err := json.Unmarshal([]byte(raw), &result); err != nil {
					t.Fatal(err)
				}
				if result.Passes < 15 {
					t.Errorf("axe passed %d rules only: it did not look at the page", result.Passes)
				}
				for _, v := range result.Violations {
					t.Error(v)
				}
			})
		}
	}
}

// testNarrow: on a telephone, nothing but a table or code of its own scrolls sideways.
func testNarrow(t *testing.T, browser context.Context, base string) {
	for name, path := range pagesShown {
		show(t, browser, base+path, 390, 844, "light")
		if width := do(t, browser, chromedp.Evaluate[int](`document.documentElement.scrollWidth`)); width > 390 {
			t.Errorf("%s is %d pixels wide on a screen of 390", name, width)
		}
	}
}

// focused describes what has the focus, and whether one sees that.
const focused = `(() => {
	const e = document.activeElement, s = getComputedStyle(e);
	return {name: (e.tagName + (e.id ? "#" + e.id : "")).toLowerCase(), text: e.textContent.trim(), href: e.getAttribute("href") || "",
		visible: s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2 && e.getBoundingClientRect().width > 1};
})()`

type focus struct {
	Name, Text, Href string
	Visible          bool
}

// testKeyboard goes from the home page to a package without a mouse.
func testKeyboard(t *testing.T, browser context.Context, base string) {
	show(t, browser, base+"/", 1280, 900, "light")
	tab := func() focus {
		t.Helper()
		do(t, browser, chromedp.KeyEvent(kb.Tab))
		f := do(t, browser, chromedp.Evaluate[focus](focused))
		if !f.Visible {
			t.Errorf("one does not see that %s %q has the focus", f.Name, f.Text)
		}
		return f
	}
	until := func(what string, ok func(focus) bool) focus {
		t.Helper()
		for range 80 {
			if f := tab(); ok(f) {
				return f
			}
		}
		t.Fatalf("Tab does not reach %s", what)
		return focus{}
	}
	if f := tab(); f.Href != "#main" {
		t.Fatalf("the first stop is %+v, not the skip link", f)
	}
	do(t, browser, chromedp.KeyEvent(kb.Enter))
	until("the search field", func(f focus) bool { return f.Name == "input#home-search" })
	do(t, browser, chromedp.KeyEvent("acme sample"))
	follow(t, browser)
	if at := do(t, browser, chromedp.Location()); at != base+"/packages/?q=acme+sample" {
		t.Fatalf("the search led to %s", at)
	}
	until("the first result", func(f focus) bool { return f.Text == "@acme/sample" })
	follow(t, browser)
	if at := do(t, browser, chromedp.Location()); at != base+"/packages/npm/main/@acme/sample" {
		t.Fatalf("the first result led to %s", at)
	}
	until("the versions", func(f focus) bool { return f.Name == "select#version" })
	do(t, browser, chromedp.KeyEvent("0.9"))
	until("the button beside the versions", func(f focus) bool { return f.Text == "Show" })
	follow(t, browser)
	if at := do(t, browser, chromedp.Location()); at != base+"/packages/npm/main/@acme/sample?version=0.9.0" {
		t.Fatalf("choosing a version led to %s", at)
	}
}

// follow presses Enter, which leads to another page, and waits until that is there.
func follow(t *testing.T, browser context.Context) {
	t.Helper()
	loaded := func(page.EventLoadEventFired) bool { return true }
	do(t, browser, chromedp.WaitEvent(page.LoadEventFired, loaded, chromedp.KeyEvent(kb.Enter)))
}

// testNothingFromElsewhere: a page with a hostile readme asks nobody but us for anything, and no rule of ours stops anything of our own.
func testNothingFromElsewhere(t *testing.T, browser context.Context, base string) {
	ctx, cancel := chromedp.NewContext(browser)
	defer cancel()
	var asked []string
	done := make(chan struct{})
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil { // without a deadline: it would end the tab
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	listening, stop := context.WithCancel(ctx)
	sent := chromedp.Events(listening, network.RequestWillBeSent)
	go func() {
		defer close(done)
		for e, err := range sent {
			if err != nil {
				return
			}
			asked = append(asked, e.Request.URL)
		}
	}()
	var complaints []string
	told := make(chan struct{})
	messages := chromedp.Console(listening)
	go func() {
		defer close(told)
		for m, err := range messages {
			if err != nil {
				return
			}
			complaints = append(complaints, m.String())
		}
	}()
	do(t, ctx, chromedp.Navigate(base+"/packages/npm/main/@acme/sample"))
	do(t, ctx, chromedp.Poll[bool](`document.readyState === "complete"`))
	text := do(t, ctx, chromedp.Text(chromedp.CSS(".readme")))
	stop()
	<-done
	<-told
	if len(asked) < 3 {
		t.Errorf("the browser asked for %q only: the listener did not listen", asked)
	}
	for _, url := range asked {
		if !strings.HasPrefix(url, base+"/") {
			t.Errorf("the page asks for %s", url)
		}
	}
	for _, c := range complaints {
		t.Errorf("the browser complains: %s", c)
	}
	if !strings.Contains(text, "a pixel") {
		t.Errorf("the image's alternative text is missing in %q", text)
	}
}

// testCopy: the script shows the buttons where copying is possible, and says so when it copied.
func testCopy(t *testing.T, browser context.Context, base string) {
	show(t, browser, base+"/packages/npm/main/@acme/sample", 1280, 900, "light")
	do(t, browser, chromedp.Click(chromedp.CSS(`button[data-copy="copy-npm-main-install"]`)))
	said := do(t, browser, chromedp.Poll[string](`document.getElementById("copied").textContent`))
	if said != "Copied." && !strings.Contains(said, "selected") {
		t.Errorf("the page said %q", said)
	}
}

func takeScreenshots(t *testing.T, browser context.Context, base, dir string) {
	for name, path := range pagesShown {
		for _, v := range []struct {
			suffix, scheme string
			width          int64
		}{{"light", "light", 1280}, {"dark", "dark", 1280}, {"narrow", "light", 390}} {
			show(t, browser, base+path, v.width, 900, v.scheme)
			png := do(t, browser, chromedp.FullScreenshot(100))
			if err := os.WriteFile(filepath.Join(dir, name+"-"+v.suffix+".png"), png, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestTheLinesOfThePagesWork publishes and installs with the real clients, by the lines of the set-up page and of the packages' own pages.
func TestTheLinesOfThePagesWork(t *testing.T) {
	s := newShopper(t, "cargo", "pip", "twine", "uv", "pyproject-build", "npm", "pnpm", "mvn", "composer")
	s.wares()
	n := newNode(t)
	token := n.client("alice").Token
	n.start()
	base := "http://" + n.addr
	s.set("BONDED_TOKEN=%s", token)
	s.set("TWINE_PASSWORD=%s", token) // twine asks for it
	setup := snippetsOf(t, base+"/setup")
	line := func(page map[string]string, id string) string {
		t.Helper()
		if page["copy-"+id] == "" {
			t.Fatalf("there is no %s among %v", id, page)
		}
		return page["copy-"+id] + "\n"
	}
	page := func(path string) map[string]string { t.Helper(); return snippetsOf(t, base+"/packages/"+path) }

	t.Run("cargo", func(t *testing.T) {
		s.file("cargo/.cargo/config.toml", line(setup, "cargo-main-use"))
		s.file("cargo-app/.cargo/config.toml", line(setup, "cargo-main-use"))
		s.shell(t, "cargo", "printf '%s\\n' \"$BONDED_TOKEN\" | { "+line(setup, "cargo-main-publish")+"}")
		s.shell(t, "cargo-app", line(page("cargo/main/hello"), "cargo-main-install")+"cargo build")
	})
	t.Run("pypi", func(t *testing.T) {
		s.shell(t, "pypi", line(setup, "pypi-main-publish")+line(setup, "pypi-main-publish-uv"))
		s.shell(t, "pypi", "python3 -m venv --without-pip ../venv; export VIRTUAL_ENV=../venv\n"+line(page("pypi/main/hello"), "pypi-main-install")+"../venv/bin/python -c 'import hello'")
		s.shell(t, "pypi", line(setup, "pypi-main-use")+"python3 -m venv --without-pip ../venv2; VIRTUAL_ENV=../venv2 pip install hello")
		s.shell(t, "pypi", line(setup, "pypi-main-use-uv")+"uv venv -q ../venv3; VIRTUAL_ENV=../venv3 uv pip install hello")
		s.file("uv-app/pyproject.toml", "[project]\nname = \"app\"\nversion = \"0\"\nrequires-python = \">=3.8\"\n")
		s.shell(t, "uv-app", line(page("pypi/main/hello"), "pypi-main-install-uv"))
	})
	t.Run("npm", func(t *testing.T) {
		s.file("npm/.npmrc", line(setup, "npm-main-token"))
		s.shell(t, "npm", line(setup, "npm-main-publish"))
		hello := page("npm/main/hello")
		s.shell(t, "npm-app", line(hello, "npm-main-install")+"node -e 'require(\"hello\")'")
		s.shell(t, "pnpm-app", line(hello, "npm-main-install-pnpm")+"node -e 'require(\"hello\")'")
		s.file("again/package.json", `{"name": "again", "version": "0.0.0", "private": true}`)
		s.file("again/.npmrc", line(setup, "npm-main-use"))
		s.shell(t, "again", "npm install hello")
	})
	t.Run("maven", func(t *testing.T) {
		inner := strings.NewReplacer("<settings>", "", "</settings>", "").Replace(line(setup, "maven-main-token"))
		s.file("home/.m2/settings.xml", strings.Replace(s.pluginSettings(), "<settings>", "<settings>"+inner, 1))
		whole := mavenProject("hello", line(setup, "maven-main-target"))
		before, rest, _ := strings.Cut(whole, "<distributionManagement><repository><id>bonded</id><url>${bonded.url}</url></repository></distributionManagement>")
		s.file("maven/pom.xml", before+rest)
		s.shell(t, "maven", line(setup, "maven-main-publish"))
		s.file("maven-app/pom.xml", mavenProject("app", line(setup, "maven-main-use")+"<dependencies>"+line(page("maven/main/org.example:hello"), "maven-main-install")+"</dependencies>"))
		s.shell(t, "maven-app", "rm -rf ../home/.m2/repository/org/example; mvn compile")
	})
	t.Run("composer", func(t *testing.T) {
		s.shell(t, "composer", line(setup, "composer-main-publish"))
		s.shell(t, "composer-app", line(setup, "composer-main-use")+line(page("composer/main/example/hello"), "composer-main-install")+"test -e vendor/example/hello/hello.php")
	})
}

// snippetsOf reads what a page gives to copy, by id.
func snippetsOf(t *testing.T, url string) map[string]string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, res.Status)
	}
	doc, err := html.Parse(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for n := range doc.Descendants() {
		if n.Data != "pre" {
			continue
		}
		var text strings.Builder
		for d := range n.Descendants() {
			if d.Type == html.TextNode {
				text.WriteString(d.Data)
			}
		}
		for _, a := range n.Attr {
			if a.Key == "id" {
				found[a.Val] = text.String()
			}
		}
	}
	return found
}

// show opens a page on a screen of a size, in a colour scheme.
func show(t *testing.T, browser context.Context, url string, width, height int64, scheme string) {
	t.Helper()
	do(t, browser, chromedp.EmulateViewport(width, height))
	ctx, cancel := context.WithTimeout(browser, stepTimeout)
	defer cancel()
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	do(t, browser, chromedp.Navigate(url))
}

// do runs one step with a deadline and returns what it found.
func do[T any](t *testing.T, browser context.Context, step chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(browser, stepTimeout)
	defer cancel()
	v, err := chromedp.Run(ctx, step)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func openBrowser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("no chromium here: scripts/clients system installs one: %v", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	browser, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	if err := chromedp.Do(browser, chromedp.Navigate("about:blank")); err != nil { // without a deadline: it would end the browser
		t.Fatal(err)
	}
	return browser
}

func axeScript(t *testing.T) string {
	t.Helper()
	all := installedClients(t)["axe"]
	if len(all) == 0 {
		t.Fatal("axe is not installed here; install it: make clients")
	}
	script, err := exec.CommandContext(t.Context(), all[0].path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}

// stockData fills a data folder before its server starts, as an offline verb would.
func stockData(t *testing.T, data string) {
	t.Helper()
	ctx, log := t.Context(), slog.New(slog.NewTextHandler(t.Output(), nil))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	db, err := store.Open(ctx, store.Options{Dir: data})
	must(err)
	defer func() { must(db.Close()) }()
	_, err = db.Migrate(ctx, 0)
	must(err)
	blobs, err := blob.OpenDir(filepath.Join(data, "blobs"))
	must(err)
	defer func() { must(blobs.Close()) }()
	feed, err := events.NewFeed(ctx, db, clock.System{}, log)
	must(err)
	reg, err := registry.New(ctx, registry.Options{DB: db, Feed: feed, Blobs: blobs, Clock: clock.System{}, Formats: []registry.Format{
		cargo.NewFormat(), pypi.NewFormat(), npm.NewFormat(), maven.NewFormat(), composer.NewFormat(),
	}})
	must(err)
	must(reg.Bootstrap(ctx))
	ada, err := identity.New(db, clock.System{}).Add(ctx, "ada", "ada@example.test", false)
	must(err)
	must(webtest.Fill(ctx, reg, blobs, registry.Actor{Name: ada.Name, Pseudonym: ada.Pseudonym, AccountID: ada.ID}))
}

// startServer runs the program under test on a data folder until the test ends, and returns its address.
func startServer(t *testing.T, data string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	base := "http://" + address
	cmd := exec.Command(bondedBinary, "serve", "--data", data, "--listen", address, "--url", base)
	cmd.Env = []string{"HOME=" + data, "PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := startBoundToThisProcess(cmd); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Errorf("bonded serve ended with %v", err)
		}
	})
	ask := &http.Client{Timeout: time.Second}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(readyWithin)
	for {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("bonded serve ended before it was ready: %v", err)
		case <-deadline:
			t.Fatal(fmt.Errorf("bonded serve was not ready after %v", readyWithin))
		case <-tick.C:
		}
		res, err := ask.Get(base + "/readyz")
		if err != nil {
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return base
		}
	}
}
