//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

const httpUsage = "usage: http [-s CODE] [-H 'Name: value'] [-t TOKEN] [-u user:password] [-d TEXT|@FILE] [-F name=value|name=@FILE] [-o FILE] [-L] [-z] METHOD URL"

// exchange is one http command: the request as asked for, and what to do with the answer.
type exchange struct {
	method, url    string
	status         int
	header         http.Header
	user, secret   string
	body           []byte
	form           []string
	output         string
	follow, zipped bool
}

// http [flag…] METHOD URL
func cmdHTTP(ts *testscript.TestScript, neg bool, args []string) {
	x := readExchange(ts, args)
	res, body, err := x.do(ts)
	if err != nil {
		if neg {
			_, _ = fmt.Fprintln(ts.Stderr(), err)
			return
		}
		ts.Fatalf("http %s %s: %v", x.method, x.url, err)
	}
	var head strings.Builder
	fmt.Fprintf(&head, "%s %s\n", res.Proto, res.Status)
	for _, name := range slices.Sorted(maps.Keys(res.Header)) {
		for _, value := range res.Header[name] {
			fmt.Fprintf(&head, "%s: %s\n", name, value)
		}
	}
	answer := head.String()
	if x.output == "" {
		answer += "\n" + string(body)
	} else {
		ts.Check(os.WriteFile(ts.MkAbs(x.output), body, 0o644))
	}
	s := storyOf(ts)
	s.answer, s.body = answer, body
	_, _ = io.WriteString(ts.Stdout(), answer)
	if neg {
		ts.Fatalf("http %s %s was answered: %s", x.method, x.url, res.Status)
	}
	if x.status != 0 && x.status != res.StatusCode {
		ts.Fatalf("http %s %s: status is %d, want %d\n%s", x.method, x.url, res.StatusCode, x.status, answer)
	}
}

func readExchange(ts *testscript.TestScript, args []string) exchange {
	x := exchange{header: http.Header{}}
	next := func() string {
		if len(args) < 2 {
			ts.Fatalf("%s needs a value\n%s", args[0], httpUsage)
		}
		args = args[1:]
		return args[0]
	}
	for ; len(args) > 0 && strings.HasPrefix(args[0], "-"); args = args[1:] {
		switch args[0] {
		case "-s":
			code, err := strconv.Atoi(next())
			ts.Check(err)
			x.status = code
		case "-H":
			name, value, ok := strings.Cut(next(), ":")
			if !ok {
				ts.Fatalf("-H wants 'Name: value'")
			}
			x.header.Add(name, strings.TrimSpace(value))
		case "-t":
			x.header.Set("Authorization", "Bearer "+next())
		case "-u":
			x.user, x.secret, _ = strings.Cut(next(), ":")
		case "-d":
			x.body = []byte(textOrFile(ts, next()))
		case "-F":
			x.form = append(x.form, next())
		case "-o":
			x.output = next()
		case "-L":
			x.follow = true
		case "-z":
			x.zipped = true
		default:
			ts.Fatalf("%s", httpUsage)
		}
	}
	if len(args) != 2 {
		ts.Fatalf("%s", httpUsage)
	}
	x.method, x.url = args[0], args[1]
	if strings.HasPrefix(x.url, "/") {
		x.url = ts.Getenv("URL") + x.url
	}
	return x
}

func textOrFile(ts *testscript.TestScript, value string) string {
	if file, ok := strings.CutPrefix(value, "@"); ok {
		return ts.ReadFile(file)
	}
	return value
}

func (x exchange) do(ts *testscript.TestScript) (*http.Response, []byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	body := x.body
	if len(x.form) > 0 {
		var contentType string
		body, contentType = multipartBody(ts, x.form)
		x.header.Set("Content-Type", contentType)
	}
	req, err := http.NewRequestWithContext(ctx, x.method, x.url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header = x.header
	if host := x.header.Get("Host"); host != "" {
		req.Host = host
	}
	if x.user != "" || x.secret != "" {
		req.SetBasicAuth(x.user, x.secret)
	}
	// The transport neither asks for compression nor undoes it, so that the script sees what was sent.
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	if x.zipped {
		req.Header.Set("Accept-Encoding", "gzip")
	}
	c := &http.Client{Transport: transport}
	if !x.follow {
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	return res, got, err
}

func multipartBody(ts *testscript.TestScript, fields []string) ([]byte, string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, field := range fields {
		name, value, ok := strings.Cut(field, "=")
		if !ok {
			ts.Fatalf("-F wants name=value or name=@FILE")
		}
		if file, isFile := strings.CutPrefix(value, "@"); isFile {
			part, err := w.CreateFormFile(name, filepath.Base(file))
			ts.Check(err)
			_, _ = io.WriteString(part, ts.ReadFile(file))
			continue
		}
		ts.Check(w.WriteField(name, value))
	}
	ts.Check(w.Close())
	return b.Bytes(), w.FormDataContentType()
}
