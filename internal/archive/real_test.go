package archive

import (
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// walkFile reads an archive from disk strictly and returns what its files hold.
func walkFile(t *testing.T, file string, p Profile) map[string]string {
	t.Helper()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		t.Fatal(err)
	}
	format := Zip
	if strings.HasSuffix(file, ".tgz") || strings.HasSuffix(file, ".tar.gz") || strings.HasSuffix(file, ".crate") {
		format = TarGz
	}
	got := map[string]string{}
	l, err := Walk(in, info.Size(), format, p, DefaultLimits(), func(e Entry, r io.Reader) error {
		b, err := io.ReadAll(r)
		got[e.Name] = string(b)
		return err
	})
	if err := refusal(l, err, true); err != nil {
		t.Errorf("%s: %v", file, err)
	}
	return got
}

func TestDebianJarsAreAccepted(t *testing.T) {
	jars := 0
	for _, root := range []string{"/usr/share/maven-repo", "/usr/share/java"} {
		err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(file, ".jar") {
				return err
			}
			jars++
			walkFile(t, file, Jar())
			return nil
		})
		if err != nil && !testing.Short() {
			t.Errorf("%v; run apt-get install maven", err)
		}
	}
	if jars == 0 && !testing.Short() {
		t.Error("no jars found; run apt-get install maven")
	}
}

// recipes build an archive of the tree p/ with the tools that people use. Each runs in a folder that holds the tree, as
// shell commands that write $OUT.
var recipes = []struct {
	name, tool, out, script string
	profile                 Profile
}{
	{"zip", "zip", "a.zip", `zip -qr $OUT p`, ComposerZip()},
	{"zip streamed", "zip", "a.zip", `zip -qr - p | cat > $OUT`, ComposerZip()},
	{"zip streamed and stored", "zip", "a.zip", `zip -q0r - p | cat > $OUT`, ComposerZip()},
	{"zip with a comment", "zip", "a.zip", `echo words | zip -qrz $OUT p`, ComposerZip()},
	{"zip with links", "zip", "a.zip", `ln -s a.txt p/link && zip -qry $OUT p`, ComposerZip()},
	{"jar", "jar", "a.jar", `jar cf $OUT p`, Jar()},
	{"jar stored", "jar", "a.jar", `jar cf0 $OUT p`, Jar()},
	{"jar updated", "jar", "a.jar", `jar cf $OUT p/a.txt && jar uf $OUT p`, Jar()},
	{"git archive as zip", "git", "a.zip", gitTree + `git archive --format=zip -o $OUT HEAD p`, ComposerZip()},
	{"git archive as tar", "git", "a.tar.gz", gitTree + `git archive --format=tar.gz -o $OUT HEAD p`, Sdist()},
	{"tar", "tar", "a.tar.gz", `tar czf $OUT p`, Sdist()},
	{"tar in the GNU format", "tar", "a.tar.gz", `tar czf $OUT --format=gnu p`, Sdist()},
	{"tar in the pax format", "tar", "a.tar.gz", `tar czf $OUT --format=pax p`, Sdist()},
	{"tar in the POSIX format of 1988", "tar", "a.tar.gz", `rm -r p/long* && tar czf $OUT --format=ustar p`, Sdist()},
	{"tar in the format of Unix V7", "tar", "a.tar.gz", `rm -r p/long* && tar czf $OUT --format=v7 p`, Sdist()},
	{"tar with links", "tar", "a.tar.gz", `ln -s a.txt p/link; ln p/sub/noise p/hard; tar czf $OUT p`, Sdist()},
	{"python zipfile", "python3", "a.whl", `python3 -m zipfile -c $OUT p`, Wheel()},
	{"python zipfile streamed with zip64", "python3", "a.whl", `python3 -c '
import sys, zipfile
z = zipfile.ZipFile(sys.stdout.buffer, "w", zipfile.ZIP_DEFLATED)
z.write("p/a.txt")
with z.open("p/open", "w", force_zip64=True) as f: f.write(b"x" * 9000)
z.close()' | cat > $OUT`, Wheel()},
	{"python zipfile with zip64", "python3", "a.whl", `python3 -c '
import sys, zipfile
z = zipfile.ZipFile(sys.argv[1], "w")
z.write("p/a.txt")
with z.open("p/open", "w", force_zip64=True) as f: f.write(b"x" * 9000)
z.close()' $OUT`, Wheel()},
	{"python tarfile in the pax format", "python3", "a.tar.gz", `python3 -c '
import sys, tarfile
with tarfile.open(sys.argv[1], "w:gz", format=tarfile.PAX_FORMAT) as t: t.add("p")' $OUT`, Sdist()},
	{"python tarfile in the GNU format", "python3", "a.tar.gz", `python3 -c '
import sys, tarfile
with tarfile.open(sys.argv[1], "w:gz", format=tarfile.GNU_FORMAT) as t: t.add("p")' $OUT`, Sdist()},
	{"npm pack", "npm", "p-1.0.0.tgz", `echo '{"name":"p","version":"1.0.0"}' > p/package.json
mkdir -p package && mv p/* package/ && cd package && HOME=. npm_config_cache=../cache npm pack --offline --silent && mv p-1.0.0.tgz $OUT`, NPM()},
	{"cargo package", "cargo", "p-1.0.0.crate", `printf '[package]\nname = "p"\nversion = "1.0.0"\nedition = "2021"\n' > p/Cargo.toml
mkdir p/src && echo > p/src/lib.rs && cd p && cargo package --offline --no-verify --quiet --allow-dirty && mv target/package/p-1.0.0.crate $OUT`, Crate("p", "1.0.0")},
	{"php PharData as composer archive uses it", "php", "a.zip", `php -r '
$z = new PharData($argv[1]); $z->addEmptyDir("p/sub"); $z->addFile("p/a.txt", "p/a.txt"); $z->addFile("p/sub/noise", "p/sub/noise");
$z->compressFiles(Phar::GZ);' $OUT`, ComposerZip()},
}

const gitTree = `git init -q . && git add p && git -c user.email=a@example.org -c user.name=a commit -qm tree && `

func TestArchivesOfRealToolsAreAccepted(t *testing.T) {
	missing := map[string]bool{}
	for _, r := range recipes {
		if _, err := exec.LookPath(r.tool); err != nil {
			missing[r.tool] = true
			continue
		}
		t.Run(r.name, func(t *testing.T) { checkRecipe(t, r.script, r.out, r.profile) })
	}
	if len(missing) > 0 {
		t.Logf("tools that are not installed: %v", missing)
	}
	if missing["tar"] {
		t.Error("tar is missing, so nothing was checked")
	}
}

func checkRecipe(t *testing.T, script, out string, p Profile) {
	dir := t.TempDir()
	files := map[string]string{
		"p/a.txt": "alpha\n", "p/empty": "", "p/sub/noise": strings.Repeat("noise ", 20000), "p/sub/deeper/b.txt": "beta",
		"p/long" + strings.Repeat("x", 120) + "/" + strings.Repeat("y", 120): "long",
	}
	for name, data := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), out)
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "OUT="+file)
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, msg)
	}
	got := walkFile(t, file, p)
	for name, data := range got {
		if strings.HasSuffix(name, "/a.txt") && data == "alpha\n" {
			return
		}
	}
	t.Errorf("a.txt was not read; got %d files", len(got))
}
