package npm

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"bonded/internal/door"
	"bonded/internal/door/doortest"
	"bonded/internal/registry"
)

// cpu is what this process has used so far, in seconds: clients included.
func cpu(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

func benchHouse(b *testing.B) *doortest.Env {
	b.Helper()
	return doortest.New(b, []registry.Format{NewFormat()}, func(h *door.House) []door.Door { return []door.Door{NewDoor(h)} })
}

// noise is text that compresses as source code does.
func noise(n int) string {
	words := strings.Fields("const let return function module exports require await async if else for of in new class this null undefined true false")
	r := rand.New(rand.NewPCG(1, 2))
	var s strings.Builder
	for s.Len() < n {
		fmt.Fprintf(&s, "%s x%d ", words[r.IntN(len(words))], r.IntN(1<<30))
	}
	return s.String()
}

// BenchmarkPublish publishes new packages of 20 kB with 8 clients.
func BenchmarkPublish(b *testing.B) {
	env := benchHouse(b)
	token := env.Token("alice")
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	filler := noise(40_000)
	bodies := make([]string, b.N)
	for i := range bodies {
		bodies[i] = publication(b, fmt.Sprintf(`{"name":"bench-%d","version":"1.0.0"}`, i), map[string]string{"index.js": filler}).body()
	}
	b.SetBytes(int64(len(bodies[0])))
	var next atomic.Int64
	b.SetParallelism(4)
	before := cpu(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := next.Add(1) - 1
			r, err := http.NewRequestWithContext(b.Context(), http.MethodPut, fmt.Sprintf("%s/npm/main/bench-%d", env.URL, i), strings.NewReader(bodies[i]))
			if err != nil {
				b.Error(err)
				return
			}
			r.Header.Set("Authorization", "Bearer "+token)
			res, err := client.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			answer, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if res.StatusCode != http.StatusCreated {
				b.Errorf("%d %s", res.StatusCode, answer)
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(1000*(cpu(b)-before)/float64(b.N), "cpu-ms/op")
}

// BenchmarkHotPackument reads a packument of about 150 kB that is in the cache, without a network.
func BenchmarkHotPackument(b *testing.B) {
	env := benchHouse(b)
	token := env.Token("alice")
	deps := make([]string, 40)
	for i := range deps {
		deps[i] = fmt.Sprintf(`"dependency-%d":"^1.%d.0"`, i, i)
	}
	for i := range 80 {
		body := publication(b, fmt.Sprintf(`{"name":"hot","version":"1.0.%d","dependencies":{%s}}`, i, strings.Join(deps, ",")), nil).body()
		if a := env.Do(http.MethodPut, "/npm/main/hot", body, doortest.Bearer(token)); a.Status != http.StatusCreated {
			b.Fatal(a.Body)
		}
	}
	size := len(env.Do(http.MethodGet, "/npm/main/hot", "").Body)
	mux := door.NewMux(env.House, NewDoor(env.House))
	w := &sink{h: http.Header{}}
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, env.URL+"/npm/main/hot", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "gzip")
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		mux.ServeHTTP(w, r)
	}
	if w.status != http.StatusOK {
		b.Fatal(w.status)
	}
	b.ReportMetric(float64(size), "document-bytes")
}

type sink struct {
	h      http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(status int)      { s.status = status }
