package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// median returns the middle of the values that a function takes from all rounds.
func median[T any, V cmp.Ordered](all []T, value func(T) V) V {
	var zero V
	if len(all) == 0 {
		return zero
	}
	values := make([]V, 0, len(all))
	for _, v := range all {
		values = append(values, value(v))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func readCPU(r reading) time.Duration { return r.cpu }

// millis prints a duration in milliseconds with three digits that mean something.
func millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms >= 100:
		return fmt.Sprintf("%.0f", ms)
	case ms >= 10:
		return fmt.Sprintf("%.1f", ms)
	case ms >= 1:
		return fmt.Sprintf("%.2f", ms)
	default:
		return fmt.Sprintf("%.4f", ms)
	}
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(max(b, 1)) }

// verdict says whether a figure keeps to its target.
func verdict(got, limit float64) string {
	switch {
	case limit == 0:
		return ""
	case got <= limit:
		return fmt.Sprintf("≤ %g: met", limit)
	default:
		return fmt.Sprintf("≤ %g: **missed**", limit)
	}
}

func reportMachine(w io.Writer, rounds int, each time.Duration) {
	model := "unknown"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	load, _ := os.ReadFile("/proc/loadavg")
	nginx, _ := exec.Command("/usr/sbin/nginx", "-v").CombinedOutput()
	runner, _ := exec.Command(node(), "--version").Output()
	fmt.Fprintf(w, "%s, %d CPUs of %s, Linux %s, %s, %s, Verdaccio %s on Node %s. Load average when it began: %s. %d rounds of %v per server and point, medians.\n\n",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), runtime.NumCPU(), model, strings.TrimSpace(string(kernel)), runtime.Version(),
		strings.TrimSpace(strings.TrimPrefix(string(nginx), "nginx version: ")), verdaccioVersion, strings.TrimSpace(string(runner)),
		strings.Join(strings.Fields(string(load))[:3], " "), rounds, each)
}

func reportReads(w io.Writer, all readings) {
	fmt.Fprint(w, "| read | connections | nginx req/s, CPU ms | Bonded req/s, CPU ms | CPU × nginx | target | Verdaccio req/s, CPU ms (× nginx) |\n|---|---|---|---|---|---|---|\n")
	for _, p := range points() {
		of := all[p.name]
		base := median(of["nginx"], readCPU)
		times := ratio(median(of["bonded"], readCPU), base)
		peer := "–"
		if v := of["verdaccio"]; len(v) > 0 {
			peer = fmt.Sprintf("%s (%.0f)", throughput(v), ratio(median(v, readCPU), base))
		}
		fmt.Fprintf(w, "| %s | %d | %s | %s | **%.1f** | %s | %s |\n", p.name, p.conns, throughput(of["nginx"]), throughput(of["bonded"]), times, verdict(times, p.limit), peer)
	}
	fmt.Fprint(w, "\nThe same with TLS 1.3, a token and a private repository; nginx with TLS only:\n\n| read | nginx req/s, CPU ms | Bonded req/s, CPU ms | CPU × nginx | CPU × plain Bonded |\n|---|---|---|---|---|\n")
	for _, p := range points() {
		if of := all[p.name+", TLS"]; p.secure {
			cpu := median(of["bonded-tls"], readCPU)
			fmt.Fprintf(w, "| %s | %s | %s | %.1f | %.1f |\n", p.name, throughput(of["nginx"]), throughput(of["bonded-tls"]),
				ratio(cpu, median(of["nginx"], readCPU)), ratio(cpu, median(all[p.name]["bonded"], readCPU)))
		}
	}
	reportLatencies(w, all)
}

func reportLatencies(w io.Writer, all readings) {
	fmt.Fprint(w, "\nLatencies in ms, open loop, nginx and Bonded at the same rate (half of Bonded's most), Verdaccio at half of its own:\n\n"+
		"| read | rate/s | nginx p50, p99 | Bonded p50, p99 | p99 × nginx | target | Verdaccio p50, p99 at rate/s |\n|---|---|---|---|---|---|---|\n")
	for _, p := range points() {
		of := all[p.name]
		times := ratio(median(of["bonded"], p99), median(of["nginx"], p99))
		peer := "–"
		if v := of["verdaccio"]; len(v) > 0 {
			peer = fmt.Sprintf("%s at %.0f", latencies(v), median(v, rate))
		}
		fmt.Fprintf(w, "| %s | %.0f | %s | %s | **%.1f** | %s | %s |\n", p.name, median(of["bonded"], rate), latencies(of["nginx"]), latencies(of["bonded"]), times, verdict(times, 5), peer)
	}
}

func p99(r reading) time.Duration { return r.p99 }
func rate(r reading) float64      { return r.rate }

func throughput(all []reading) string {
	return fmt.Sprintf("%.0f, %s", median(all, func(r reading) float64 { return r.perSecond }), millis(median(all, readCPU)))
}

func latencies(all []reading) string {
	return fmt.Sprintf("%s, %s", millis(median(all, func(r reading) time.Duration { return r.p50 })), millis(median(all, p99)))
}

func reportPublishes(w io.Writer, all map[string][]publishing) {
	fmt.Fprintf(w, "| publish of a new 20 kB npm package, %d clients | publishes/s [min–max] | CPU ms each | p50, p99 ms | target |\n|---|---|---|---|---|\n", publishClients)
	for _, name := range []string{"bonded", "verdaccio"} {
		rounds := all[name]
		if len(rounds) == 0 {
			continue
		}
		persec := func(p publishing) float64 { return p.perSecond }
		most := slices.MaxFunc(rounds, func(a, b publishing) int { return cmp.Compare(a.perSecond, b.perSecond) }).perSecond
		least := slices.MinFunc(rounds, func(a, b publishing) int { return cmp.Compare(a.perSecond, b.perSecond) }).perSecond
		cpu := median(rounds, func(p publishing) time.Duration { return p.cpu })
		target := ""
		if name == "bonded" {
			target = "≥ 300/s: " + met(median(rounds, persec) >= 300) + "; ≤ 4 ms: " + met(cpu <= 4*time.Millisecond)
		}
		fmt.Fprintf(w, "| %s | %.0f [%.0f–%.0f] | %s | %s, %s | %s |\n", strings.ToUpper(name[:1])+name[1:], median(rounds, persec), least, most, millis(cpu),
			millis(median(rounds, func(p publishing) time.Duration { return p.p50 })), millis(median(rounds, func(p publishing) time.Duration { return p.p99 })), target)
	}
}

func met(ok bool) string {
	if ok {
		return "met"
	}
	return "**missed**"
}
