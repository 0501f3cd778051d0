package server

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/pprof"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"bonded/internal/metric"
)

// Gauge is a value that is asked for at each scrape. A function that answers NaN leaves its line out.
type Gauge struct {
	Name string // from internal/metric
	// Labels are in the form that the exposition has, such as queue="mail"; may be empty.
	Labels string
	Value  func() float64
}

// counters count requests.
type counters struct {
	set         *metrics.Set
	inFlight    atomic.Int64
	panics      *metrics.Counter
	misdirected *metrics.Counter
	routes      sync.Map // string → *routeCounters
	server      *Server
}

// routeCounters count the requests of one route. The histogram is our own, because the library's has no buckets that
// Prometheus can take quantiles of.
type routeCounters struct {
	codes   [600]atomic.Uint64 // by status
	buckets [len(durationBounds) + 1]atomic.Uint64
	nanos   atomic.Int64
}

var durationBounds = [...]time.Duration{
	500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 10 * time.Second, time.Minute,
}

func newCounters(s *Server) *counters {
	c := &counters{set: metrics.NewSet(), server: s}
	c.panics = c.set.NewCounter(metric.HTTPPanics)
	c.misdirected = c.set.NewCounter(metric.HTTPMisdirected)
	return c
}

func (c *counters) observe(route string, status int, took time.Duration) {
	if route == "" {
		route = "none"
	}
	v, ok := c.routes.Load(route)
	if !ok {
		v, _ = c.routes.LoadOrStore(route, new(routeCounters))
	}
	rc := v.(*routeCounters) //nolint:forcetypeassert // nothing else is stored
	if status < 0 || status >= len(rc.codes) {
		status = http.StatusInternalServerError
	}
	rc.codes[status].Add(1)
	rc.nanos.Add(int64(took))
	i := 0
	for i < len(durationBounds) && took > durationBounds[i] {
		i++
	}
	rc.buckets[i].Add(1)
}

// write prints everything in the Prometheus text format.
func (c *counters) write(w io.Writer) {
	c.set.WritePrometheus(w)
	fmt.Fprintf(w, "%s %d\n", metric.HTTPInFlight, c.inFlight.Load())
	fmt.Fprintf(w, "%s{version=%q,go=%q} 1\n", metric.BuildInfo, c.server.opts.Version, runtime.Version())
	var routes []string
	c.routes.Range(func(k, _ any) bool { routes = append(routes, k.(string)); return true }) //nolint:forcetypeassert // as above
	slices.Sort(routes)
	for _, route := range routes {
		v, _ := c.routes.Load(route)
		v.(*routeCounters).write(w, strconv.Quote(route)) //nolint:forcetypeassert // as above
	}
	if certs := c.server.certs; certs != nil {
		if left, ok := certs.left(); ok {
			fmt.Fprintf(w, "%s %g\n", metric.CertificateExpiry, left.Seconds())
		}
	}
	for _, g := range c.server.opts.Gauges {
		name := g.Name
		if g.Labels != "" {
			name += "{" + g.Labels + "}"
		}
		if v := g.Value(); !math.IsNaN(v) {
			fmt.Fprintf(w, "%s %s\n", name, strconv.FormatFloat(v, 'g', -1, 64))
		}
	}
}

func (rc *routeCounters) write(w io.Writer, route string) {
	for code := range rc.codes {
		if n := rc.codes[code].Load(); n > 0 {
			fmt.Fprintf(w, "%s{route=%s,code=\"%d\"} %d\n", metric.HTTPRequests, route, code, n)
		}
	}
	var sum uint64
	for i := range rc.buckets {
		sum += rc.buckets[i].Load()
		bound := "+Inf"
		if i < len(durationBounds) {
			bound = strconv.FormatFloat(durationBounds[i].Seconds(), 'g', -1, 64)
		}
		fmt.Fprintf(w, "%s_bucket{route=%s,le=%q} %d\n", metric.HTTPDuration, route, bound, sum)
	}
	fmt.Fprintf(w, "%s_sum{route=%s} %g\n", metric.HTTPDuration, route, time.Duration(rc.nanos.Load()).Seconds())
	fmt.Fprintf(w, "%s_count{route=%s} %d\n", metric.HTTPDuration, route, sum)
}

// operations is the handler of the metrics listener.
func (s *Server) operations() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		s.counters.write(w)
		for _, p := range s.health.ask(r.Context()) {
			ready := 0
			if p.Ready {
				ready = 1
			}
			fmt.Fprintf(w, "%s{part=%q} %d\n", metric.Ready, p.Name, ready)
		}
		metrics.WritePrometheus(w, true) // what other rooms registered, and the process
	})
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
