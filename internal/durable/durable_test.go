package durable

import (
	"os"
	"path/filepath"
	"testing"
)

// That the names are synced is shown by e2e.TestDurability, which watches the system calls.
func TestMkdirAllMakesWhatIsMissing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b", "c")
	for range 2 { // the second time all is there
		if err := MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestMkdirAllFailsBelowAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := MkdirAll(filepath.Join(file, "dir"), 0o700); err == nil {
		t.Error("a folder was made below a file")
	}
}
