package demo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// pip is how pip is called here: by its own name, or through the interpreter.
func (w *workshop) pip(ctx context.Context) (name string, args []string, version string) {
	for _, way := range [][]string{{"pip"}, {"pip3"}, {"python3", "-m", "pip"}} {
		if v := w.version(ctx, way[0], way[1:]...); v != "" {
			return way[0], way[1:], v
		}
	}
	return "", nil, ""
}

func findPython(ctx context.Context, w *workshop) (clients []string, missing string) {
	_, _, v := w.pip(ctx)
	if v == "" {
		return nil, "no working pip on the PATH"
	}
	if w.version(ctx, "python3") == "" {
		return nil, "no working python3 on the PATH"
	}
	clients = append(clients, "pip "+v)
	for _, name := range []string{"twine", "uv"} {
		if v := w.version(ctx, name); v != "" {
			clients = append(clients, name+" "+v)
		}
	}
	return clients, ""
}

const wheelName = "bonded_demo-1.0.0-py3-none-any.whl"

const wheelMetadata = "Metadata-Version: 2.1\nName: bonded-demo\nVersion: 1.0.0\nSummary: Says a sentence, to show that it came through.\n" +
	"License: Apache-2.0\nRequires-Python: >=3.7\n"

// wheel is a wheel with one module, which says words.
func wheel(words string) ([]byte, error) {
	entries := []entry{
		{"bonded_demo.py", "words = \"" + words + "\"\n"},
		{"bonded_demo-1.0.0.dist-info/METADATA", wheelMetadata},
		{"bonded_demo-1.0.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: bonded-demo\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
	}
	var record strings.Builder
	for _, e := range entries {
		sum := sha256.Sum256([]byte(e.text))
		fmt.Fprintf(&record, "%s,sha256=%s,%d\n", e.name, base64.RawURLEncoding.EncodeToString(sum[:]), len(e.text))
	}
	name := "bonded_demo-1.0.0.dist-info/RECORD"
	return pack(append(entries, entry{name, record.String() + name + ",,\n"}))
}

func tourPython(ctx context.Context, t *tour) error {
	if err := t.publishWheel(ctx, "publish", "a wheel out of bond", false); err != nil {
		return err
	}
	pip, args, _ := t.pip(ctx)
	install := func(folder string) []string {
		return append(append([]string{}, args...), "install", "--no-cache-dir", "--target", folder, "bonded-demo")
	}
	lib := filepath.Join(t.work, "lib")
	report := filepath.Join(t.work, "report.json")
	if _, err := t.do(ctx, "install", t.work, said{lines: regexp.MustCompile(`Downloading|Successfully`), most: 2, shown: "pip install bonded-demo"},
		pip, append(install(lib), "--report", report)...); err != nil {
		return err
	}
	if _, err := t.do(ctx, "use", lib, said{lines: regexp.MustCompile(`.`), shown: "python3 -c 'import bonded_demo; print(bonded_demo.words)'"},
		"python3", "-c", "import bonded_demo; print(bonded_demo.words)"); err != nil {
		return err
	}
	if err := t.verifyWheel(ctx, pip, args); err != nil {
		return err
	}
	if t.version(ctx, "uv") != "" {
		uv := []string{"pip", "install", "--no-cache", "--target", filepath.Join(t.work, "uv-lib"), "bonded-demo"}
		if _, err := t.do(ctx, "install", t.work, said{lines: regexp.MustCompile(`^ \+`), shown: "uv pip install bonded-demo"}, "uv", uv...); err != nil {
			return err
		}
	}
	if err := t.publishWheel(ctx, "replace", "other words", true); err != nil {
		return err
	}
	if err := t.quarantine(ctx, "bonded-demo"); err != nil {
		return err
	}
	return t.refused(ctx, "quarantine", t.work, said{lines: regexp.MustCompile(`^ERROR|quarantine`), most: 3, shown: "pip install bonded-demo"},
		pip, install(filepath.Join(t.work, "never"))...)
}

// publishWheel uploads with twine, else with uv, else as twine would.
func (t *tour) publishWheel(ctx context.Context, title, words string, refused bool) error {
	body, err := wheel(words)
	if err != nil {
		return err
	}
	dist := filepath.Join(t.work, title)
	if err := write(dist, map[string]string{wheelName: string(body)}); err != nil {
		return err
	}
	s := said{lines: regexp.MustCompile(`^Uploading|^View|100%|ERROR|HTTPError|[Rr]eason|error:|Caused|File|file`), most: 4}
	switch {
	case t.version(ctx, "twine") != "":
		if refused {
			s.lines = regexp.MustCompile(`^ERROR|^ +\S`)
		} else {
			s.lines, s.most = regexp.MustCompile(`^Uploading`), 2
		}
		_, err = t.step(ctx, title, dist, s, refused, "twine", "upload", "--disable-progress-bar", "--repository", "bonded", wheelName)
	case t.version(ctx, "uv") != "":
		s.lines = regexp.MustCompile(`^Uploading|^error|Caused|Server`)
		_, err = t.step(ctx, title, dist, s, refused, "uv", "publish", "--index", "bonded", wheelName)
	default:
		err = t.postWheel(ctx, title, body, refused)
	}
	return err
}

// postWheel sends the form that twine and uv send (pypi.md §2.2).
func (t *tour) postWheel(ctx context.Context, title string, body []byte, refused bool) error {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	sum := sha256.Sum256(body)
	for _, f := range []pairOf{
		{":action", "file_upload"},
		{"protocol_version", "1"},
		{"metadata_version", "2.1"},
		{"name", "bonded-demo"},
		{"version", "1.0.0"},
		{"filetype", "bdist_wheel"},
		{"pyversion", "py3"},
		{"summary", "Says a sentence, to show that it came through."},
		{"license", "Apache-2.0"},
		{"requires_python", ">=3.7"},
		{"sha256_digest", fmt.Sprintf("%x", sum)},
	} {
		if err := w.WriteField(f.key, f.value); err != nil {
			return err
		}
	}
	part, err := w.CreateFormFile("content", wheelName)
	if err != nil {
		return err
	}
	if _, err := part.Write(body); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL+"/pypi/main/legacy/", &form)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	began := t.Now()
	answer, err := t.send(req)
	s := step{title: title, what: "POST of the upload form (neither twine nor uv is here)", refused: refused, took: t.Now().Sub(began), went: (err != nil) == refused}
	if err != nil {
		s.words = []string{string(answer)}
	}
	t.steps = append(t.steps, s)
	if !s.went {
		return fmt.Errorf("%s: %w", title, err)
	}
	return nil
}

type pairOf struct{ key, value string }

// verifyWheel lets pip download the file itself, and compares.
func (t *tour) verifyWheel(ctx context.Context, pip string, args []string) error {
	folder := filepath.Join(t.work, "download")
	args = append(append([]string{}, args...), "download", "--no-cache-dir", "--no-deps", "--dest", folder, "bonded-demo")
	if out, err := t.command(ctx, t.work, pip, args...); err != nil {
		return t.failed("verify", fmt.Errorf("pip download: %w: %s", err, out))
	}
	sums, err := sumsOf(filepath.Join(folder, wheelName))
	if err != nil {
		return t.failed("verify", err)
	}
	raw, err := t.get(ctx, "/pypi/main/simple/bonded-demo/", "application/vnd.pypi.simple.v1+json")
	if err != nil {
		return t.failed("verify", err)
	}
	var index struct {
		Files []struct{ Hashes struct{ SHA256 string } }
	}
	if err := json.Unmarshal(raw, &index); err != nil || len(index.Files) != 1 {
		return t.failed("verify", fmt.Errorf("the index does not list one file: %s", raw))
	}
	_ = os.RemoveAll(folder) // a copy that has served
	return t.verified("sha256", sums.sha256, strings.ToLower(index.Files[0].Hashes.SHA256), "the wheel that pip downloads")
}
