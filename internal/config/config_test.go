package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"bonded/internal/config"
	"bonded/internal/errs"
)

func load(t *testing.T, args, environ []string, yaml string) (*config.Config, error) {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.Bind(fs, config.Common, config.Serve)
	if yaml != "" {
		path := filepath.Join(t.TempDir(), "bonded.yaml")
		if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return config.Load(fs, environ)
}

func mustLoad(t *testing.T, args, environ []string, yaml string) *config.Config {
	t.Helper()
	c, err := load(t, args, environ, yaml)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEachPlaceIsStrongerThanTheOneBefore(t *testing.T) {
	for _, tc := range []struct {
		name         string
		args, env    []string
		yaml         string
		want, origin string
	}{
		{"the profile gives the value", nil, nil, "", "2GiB", "profile company"},
		{"another profile gives another", []string{"--profile", "public"}, nil, "", "100MiB", "profile public"},
		{"the profile may come from the file", nil, nil, "profile: public\n", "100MiB", "profile public"},
		{"the file beats the profile", nil, nil, "max-file-size: 3MiB\n", "3MiB", "file"},
		{"the environment beats the file", nil, []string{"BONDED_MAX_FILE_SIZE=4MiB"}, "max-file-size: 3MiB\n", "4MiB", "env BONDED_MAX_FILE_SIZE"},
		{"the flag beats the environment", []string{"--max-file-size=5MiB"}, []string{"BONDED_MAX_FILE_SIZE=4MiB"}, "max-file-size: 3MiB\n", "5MiB", "flag --max-file-size"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := mustLoad(t, tc.args, tc.env, tc.yaml)
			if got := c.MaxFileSize.String(); got != tc.want {
				t.Errorf("max-file-size = %s, want %s", got, tc.want)
			}
			if got := c.Origin("max-file-size"); !strings.HasPrefix(got, tc.origin) {
				t.Errorf("origin = %s, want %s", got, tc.origin)
			}
		})
	}
}

func TestTheFileAndTheEnvironmentTakeEveryKind(t *testing.T) {
	yaml := `
data: /srv/bonded
offline: true
job-workers: 7
stage-expiry: 2d
allow-private: [10.0.0.0/8, "fd00::/8"]
extra-urls:
  - https://b.example.com
url: https://a.example.com/pkg/
no-proxy: internal.example.com,10.0.0.0/8
listen: "[::1]:9000"
`
	c := mustLoad(t, nil, []string{"HTTPS_PROXY=proxy.example.com:3128", "PATH=/bin"}, yaml)
	if c.Data != "/srv/bonded" || !c.Offline || c.JobWorkers != 7 || c.StageExpiry != 48*time.Hour || len(c.AllowPrivate) != 2 || len(c.NoProxy) != 2 {
		t.Errorf("settings of the file are wrong: %+v", c)
	}
	if got := strings.Join(c.PublicURLs(), " "); got != "https://a.example.com/pkg https://b.example.com" {
		t.Errorf("public URLs = %s", got)
	}
	if c.Origin("https-proxy") != "env HTTPS_PROXY" {
		t.Errorf("origin of the proxy = %s", c.Origin("https-proxy"))
	}
}

func TestMistakesAreRefusedWithTheWayOut(t *testing.T) {
	for _, tc := range []struct {
		name      string
		args, env []string
		yaml      string
		want      string
	}{
		{"an unknown key names its line and neighbour", nil, nil, "data: x\nlissten: 127.0.0.1:1\n", `line 2: "lissten" is no setting of Bonded. [config/unknown] Did you mean listen?`},
		{"an unknown variable names its neighbour", nil, []string{"BONDED_OFLINE=1"}, "", "Did you mean BONDED_OFFLINE?"},
		{"a key far from all others points to the list", nil, nil, "xyzzyxyzzy: 1\n", "`bonded config show` lists the settings."},
		{"a key given twice", nil, nil, "data: x\ndata: y\n", `"data" is set twice`},
		{"a mapping where a value belongs", nil, nil, "data: {a: b}\n", "single value"},
		{"a file that is no mapping", nil, nil, "- a\n", "key: value"},
		{"a word that is none of the accepted", []string{"--profile", "companion"}, nil, "", `"companion" is not one of company, public`},
		{"a size without number", nil, []string{"BONDED_MAX_FILE_SIZE=big"}, "", `max-file-size (env BONDED_MAX_FILE_SIZE): "big" is not a size`},
		{"a size that overflows", []string{"--max-file-size=99999999TiB"}, nil, "", "is not a size"},
		{"a negative duration", []string{"--idle-timeout=-1s"}, nil, "", "is not a duration"},
		{"a range with bits beyond its length", []string{"--trusted-proxies=10.1.2.3/8"}, nil, "", "write 10.0.0.0/8"},
		{"a limit that zero would lift", []string{"--header-timeout=0"}, nil, "", "zero would lift the limit"},
		{"a percentage that falls", []string{"--disk-warn=99"}, nil, "", "rising percentages"},
		{"a certificate without key", []string{"--tls-cert=x"}, nil, "", "Set both tls-cert and tls-key."},
		{"a public URL with a password", nil, nil, "url: https://u:hunter2@example.com\n", "is not a public URL"},
		{"a database of another kind", []string{"--database=mysql://h/x"}, nil, "", "is not a PostgreSQL URL"},
		{"a database host where the guard does not look", []string{"--database=postgres:///x?host=10.0.0.1"}, nil, "", "postgres://user@host/name"},
		{"an object store without endpoint", []string{"--blobs=s3://bucket"}, nil, "", "names no endpoint"},

		{"a secret as a flag", []string{"--database-password=hunter2"}, nil, "", "BONDED_DATABASE_PASSWORD or in a file named by --database-password-file"},
		{"a secret in the file", nil, nil, "s3-secret-key: hunter2\n", "--s3-secret-key-file"},
		{"a password in the URL of a flag", []string{"--database=postgres://u:hunter2@h/x"}, nil, "", "BONDED_DATABASE_PASSWORD"},
		{"a password in a parameter of a flag", []string{"--database=postgres://u@h/x?password=hunter2"}, nil, "", "BONDED_DATABASE_PASSWORD"},
		{"a password in libpq's form", []string{"--database", "host=h password=hunter2"}, nil, "", "BONDED_DATABASE_PASSWORD"},
		{"a password in the URL of the file", nil, nil, "database: postgres://u:hunter2@h/x\n", "BONDED_DATABASE_PASSWORD"},
		{"a password in a broken URL", []string{"--database=postgres://u:hunter2@h:x/%zz"}, nil, "", "BONDED_DATABASE_PASSWORD"},
		{"keys in the URL of the object store", []string{"--blobs=s3://key:hunter2@bucket?endpoint=h"}, nil, "", "BONDED_S3_SECRET_KEY"},
		{"a proxy's password as a flag", []string{"--https-proxy=http://u:hunter2@p:1"}, nil, "", "BONDED_HTTPS_PROXY or HTTPS_PROXY"},
		{"a secret given twice", nil, []string{"BONDED_S3_SECRET_KEY=hunter2", "BONDED_S3_SECRET_KEY_FILE=/nowhere"}, "", "Remove one of them."},
		{"a secret file that is not there", nil, []string{"BONDED_S3_SECRET_KEY_FILE=/nowhere"}, "", "s3-secret-key-file (env BONDED_S3_SECRET_KEY_FILE)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := load(t, tc.args, tc.env, tc.yaml)
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error = %v, want it to say %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error repeats the secret: %v", err)
			}
		})
	}
}

func TestVariablesOfOthersAreLeftAlone(t *testing.T) {
	mustLoad(t, nil, []string{
		"BONDED_SERVICE_HOST=10.0.0.1", "BONDED_PORT=tcp://10.0.0.1:8080", "BONDED_PORT_8080_TCP_ADDR=10.0.0.1",
		"BONDED_SERVICE_PORT_HTTP=80", "BONDED_TEST_ANYTHING=1", "BONDED_TOKEN=x",
	}, "")
}

func TestSecretsComeFromTheirFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const db = "database: postgres://bonded@db.example.com/bonded\n"
	for name, c := range map[string]*config.Config{
		"variable":                      mustLoad(t, nil, []string{"BONDED_DATABASE_PASSWORD=hunter2"}, db),
		"variable naming a file":        mustLoad(t, nil, []string{"BONDED_DATABASE_PASSWORD_FILE=" + path}, db),
		"flag naming a file":            mustLoad(t, []string{"--database-password-file", path}, nil, db),
		"key naming a file":             mustLoad(t, nil, nil, db+"database-password-file: "+path+"\n"),
		"variable over a key":           mustLoad(t, nil, []string{"BONDED_DATABASE_PASSWORD=hunter2"}, db+"database-password-file: /nowhere\n"),
		"flag over a variable":          mustLoad(t, []string{"--database-password-file", path}, []string{"BONDED_DATABASE_PASSWORD=old"}, db),
		"URL in the environment itself": mustLoad(t, nil, []string{"BONDED_DATABASE=postgres://bonded:hunter2@db.example.com/bonded"}, ""),
	} {
		if got := c.DSN(); got != "postgres://bonded:hunter2@db.example.com/bonded" {
			t.Errorf("%s: DSN = %s", name, got)
		}
	}
}

func TestSecretsAreMaskedInEveryOutput(t *testing.T) {
	c := mustLoad(t, nil, []string{
		"BONDED_DATABASE=postgres://bonded:hunter2@db/x?sslpassword=hunter2", "BONDED_S3_SECRET_KEY=hunter2", "BONDED_S3_ACCESS_KEY=hunter2",
		"https_proxy=http://me:hunter2@proxy:3128",
	}, "")
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		fmt.Fprintf(&out, verb+"\n", c)
		fmt.Fprintf(&out, verb+"\n", struct{ hidden config.Config }{*c})
		fmt.Fprintf(&out, verb+"\n", c.S3SecretKey)
	}
	if err := json.NewEncoder(&out).Encode(c); err != nil {
		t.Fatal(err)
	}
	if err := json.NewEncoder(&out).Encode(c.Settings()); err != nil {
		t.Fatal(err)
	}
	if err := json.NewEncoder(&out).Encode(c.Destinations()); err != nil {
		t.Fatal(err)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "config", c, "secret", c.S3SecretKey, "db", c.Database)
	if s := out.String(); strings.Contains(s, "hunter2") || strings.Contains(s, "68756e74657232") {
		t.Errorf("the secret is printed:\n%s", s)
	}
	if !strings.Contains(out.String(), config.Mask) {
		t.Error("nothing shows that a secret is set")
	}
}

func TestAnonymousReadIsOffBeyondLoopback(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		want bool
	}{
		{"company on loopback", nil, true},
		{"company on loopback behind a public URL", []string{"--url=https://packages.example.com"}, false},
		{"company on a public address", []string{"--listen=:8080", "--url=http://localhost:8080"}, false},
		{"company with a local URL", []string{"--url=http://localhost:8080"}, true},
		{"company switched off", []string{"--anonymous-read=off"}, false},
		{"public behind a public URL", []string{"--profile=public", "--url=https://packages.example.com"}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := mustLoad(t, tc.args, nil, "").ReadAnonymously(); got != tc.want {
				t.Errorf("anonymous read = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestEveryDestinationIsListedWithItsReason(t *testing.T) {
	c := mustLoad(t, []string{"--database=postgres://bonded@db.example.com/bonded", "--blobs=s3://files/x?endpoint=s3.example.com", "--acme-hosts=packages.example.com"},
		[]string{"HTTPS_PROXY=http://me:hunter2@proxy:3128"}, "")
	g, err := c.Guard()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, d := range g.List() {
		got[d.Name] = d.URL
		if d.Why == "" {
			t.Errorf("%s has no reason", d.Name)
		}
	}
	for name, want := range map[string]string{
		config.DestinationDatabase: "postgres://db.example.com/bonded", config.DestinationBlobs: "https://s3.example.com",
		config.DestinationHTTPSProxy: "http://proxy:3128",
	} {
		if got[name] != want {
			t.Errorf("%s leads to %q, want %q", name, got[name], want)
		}
	}
	if got[config.DestinationACME] == "" {
		t.Error("the certificate authority is not listed")
	}
}

func TestHelpNamesEverySettingOnce(t *testing.T) {
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.Bind(fs, config.Common, config.Serve)
	help := fs.FlagUsages()
	for _, s := range config.Default().Settings() {
		name := "--" + s.Name
		if fl := fs.Lookup(s.Name); fl == nil {
			t.Errorf("%s has no flag", s.Name)
		} else if fl.Hidden {
			name += "-file"
		}
		if !strings.Contains(help, name+" ") {
			t.Errorf("--help does not show %s", name)
		}
		if s.Doc == "" {
			t.Errorf("%s is not documented", s.Name)
		}
	}
}

func FuzzYAML(f *testing.F) {
	f.Add("data: x\n")
	f.Add("allow-private: [10.0.0.0/8]\nurl: https://x/y\n")
	f.Add("a: &a [*a]\n")
	f.Add("database: postgres://u:p@h/x\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, doc string) {
		path := filepath.Join(dir, "f.yaml")
		if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := config.Load(nil, []string{"BONDED_CONFIG=" + path}); err == nil && c.MaxBodySize <= 0 {
			t.Errorf("%q lifts a limit", doc)
		}
	})
}

func FuzzBytes(f *testing.F) {
	f.Add("2GiB")
	f.Add("1 kB")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := config.ParseBytes(s)
		if err != nil {
			return
		}
		if again, err := config.ParseBytes(n.String()); err != nil || again != n {
			t.Errorf("%q is %d, which reads back as %d, %v", s, n, again, err)
		}
	})
}
