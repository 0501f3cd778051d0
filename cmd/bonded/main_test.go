package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func runCommand(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = run(context.Background(), args, &out, &errOut)
	return code, out.String(), errOut.String()
}

func TestMistakesInTheCommandLineAreOneSentence(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		args       []string
	}{
		{"an unknown verb names the nearest", `there is no verb "confg", did you mean config?`, []string{"confg"}},
		{"an unknown flag", "unknown flag: --lisetn.", []string{"config", "show", "--lisetn=1"}},
		{"a word too many", "bonded --help", []string{"config", "show", "now"}},
		{"a wrong setting", `"x" is not a size`, []string{"config", "show", "--max-file-size=x"}},
		{"a secret on the command line", "BONDED_S3_SECRET_KEY", []string{"config", "show", "--s3-secret-key=hunter2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, stdout, stderr := runCommand(t, tc.args...)
			if code != exitUsage || stdout != "" {
				t.Errorf("exit code %d with output %q, want %d and none", code, stdout, exitUsage)
			}
			if !strings.Contains(stderr, tc.want) || strings.Count(stderr, "\n") != 1 || strings.Contains(stderr, "hunter2") {
				t.Errorf("stderr = %q, want one line that says %q", stderr, tc.want)
			}
		})
	}
}

func TestConfigShowMasksSecretsAndNamesOrigins(t *testing.T) {
	t.Setenv("BONDED_DATABASE", "postgres://bonded:hunter2@db.example.com/bonded")
	t.Setenv("BONDED_S3_SECRET_KEY", "hunter2")
	for _, args := range [][]string{{}, {"--json"}, {"--outbound"}, {"--outbound", "--json"}} {
		code, stdout, stderr := runCommand(t, append([]string{"config", "show"}, args...)...)
		if code != exitOK {
			t.Fatalf("%v: exit code %d: %s", args, code, stderr)
		}
		if strings.Contains(stdout, "hunter2") {
			t.Errorf("%v prints the secret:\n%s", args, stdout)
		}
		if !strings.Contains(stdout, "env BONDED_DATABASE") || !strings.Contains(stdout, "db.example.com") {
			t.Errorf("%v does not tell the database and its origin:\n%s", args, stdout)
		}
	}
}

func TestOutboundIsEmptyByDefault(t *testing.T) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		t.Setenv(name, "")
	}
	_, stdout, _ := runCommand(t, "config", "show", "--outbound")
	if !strings.Contains(stdout, "connect to nothing") {
		t.Errorf("stdout = %q", stdout)
	}
	if _, stdout, _ = runCommand(t, "config", "show", "--outbound", "--json"); strings.TrimSpace(stdout) != "[]" {
		t.Errorf("JSON = %q", stdout)
	}
}
