package archive

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// source20k is a package of 40 files that packs to about 20 kB, as most published ones do.
func source20k() []tfile {
	var files []tfile
	for i := range 40 {
		var b strings.Builder
		for j := range 60 {
			fmt.Fprintf(&b, "export function f%d_%d(x) { return x * %d + %d; }\n", i, j, (i*7919+j*104729)%100003, j*j)
		}
		files = append(files, tfile{name: fmt.Sprintf("package/lib/module%d.js", i), data: b.String()})
	}
	return files
}

func BenchmarkTarGz(b *testing.B) {
	benchmark(b, gzipped(ended(buildTar(source20k()...))), TarGz)
}

func BenchmarkZip(b *testing.B) {
	var files []zfile
	for _, f := range source20k() {
		files = append(files, zfile{name: f.name, data: f.data, deflate: true})
	}
	benchmark(b, buildZip(zipTail{}, files...), Zip)
}

func benchmark(b *testing.B, packed []byte, f Format) {
	b.ReportMetric(float64(len(packed)), "packed-bytes")
	b.ReportAllocs()
	for b.Loop() {
		l, err := Walk(bytes.NewReader(packed), int64(len(packed)), f, NPM(), DefaultLimits(), nil)
		if err := refusal(l, err, true); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(l.Unpacked)
	}
}
