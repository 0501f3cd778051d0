package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// target is where requests go: one address, plain or under TLS.
type target struct {
	addr string
	tls  *tls.Config // nil for plain
}

// load is what one measurement sends. The generator speaks HTTP/1.1 over raw connections with prepared bytes, so that it
// takes little of the two cores that it shares with the server.
type load struct {
	to target
	// request returns the bytes of the n-th request; false when there are no more.
	request func(n int64) ([]byte, bool)
	// status is what every answer must have.
	status string
	conns  int
	// rate is how many requests are sent per second, whether or not answers come (open loop); 0 sends the next one when the
	// answer is there (closed loop).
	rate float64
}

// outcome is what a load met.
type outcome struct {
	requests int
	took     time.Duration
	// latencies are sorted; in an open loop they count from the moment at which the request was due.
	latencies []time.Duration
}

func (o outcome) perSecond() float64 { return float64(o.requests) / o.took.Seconds() }

func (o outcome) percentile(p float64) time.Duration {
	if len(o.latencies) == 0 {
		return 0
	}
	return o.latencies[min(int(p*float64(len(o.latencies))), len(o.latencies)-1)]
}

// run sends for a duration, or until there are no more requests.
func (l load) run(ctx context.Context, d time.Duration) (outcome, error) {
	var all outcome
	var mu sync.Mutex // guards all.latencies and failed
	var failed error
	var next atomic.Int64
	var workers sync.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	connections := make([]*connection, 0, l.conns)
	for range l.conns {
		c, err := dial(ctx, l.to)
		if err != nil {
			return all, err
		}
		defer func() { _ = c.Close() }()
		connections = append(connections, c)
	}
	began := time.Now()
	for _, c := range connections {
		workers.Go(func() {
			latencies, err := l.work(ctx, c, &next, began, d)
			mu.Lock()
			defer mu.Unlock()
			all.latencies = append(all.latencies, latencies...)
			if err != nil {
				failed = errors.Join(failed, err)
				stop()
			}
		})
	}
	workers.Wait()
	all.took = time.Since(began)
	all.requests = len(all.latencies)
	slices.Sort(all.latencies)
	return all, failed
}

// work is one connection's share.
func (l load) work(ctx context.Context, c *connection, next *atomic.Int64, began time.Time, d time.Duration) ([]time.Duration, error) {
	latencies := make([]time.Duration, 0, 1<<14)
	for ctx.Err() == nil && time.Since(began) < d {
		n := next.Add(1) - 1
		due := time.Now()
		if l.rate > 0 {
			due = began.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
			if due.Sub(began) >= d {
				break
			}
			time.Sleep(time.Until(due))
		}
		request, more := l.request(n)
		if !more {
			break
		}
		if err := c.exchange(request, l.status); err != nil {
			return latencies, fmt.Errorf("request %d: %w", n, err)
		}
		latencies = append(latencies, time.Since(due))
	}
	return latencies, nil
}

// always repeats one request.
func always(request []byte) func(int64) ([]byte, bool) {
	return func(int64) ([]byte, bool) { return request, true }
}

// get prepares a GET.
func (t target) get(path string, header ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\n", path, t.addr)
	for _, h := range header {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// put prepares a PUT of JSON.
func (t target) put(path, token string, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "PUT %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", path, t.addr, token, len(body))
	b.Write(body)
	return b.Bytes()
}

// connection is one keep-alive connection.
type connection struct {
	net.Conn
	in   *bufio.Reader
	body []byte
}

func dial(ctx context.Context, to target) (*connection, error) {
	var d net.Dialer
	raw, err := d.DialContext(ctx, "tcp", to.addr)
	if err != nil {
		return nil, err
	}
	if to.tls != nil {
		raw = tls.Client(raw, to.tls)
	}
	return &connection{Conn: raw, in: bufio.NewReaderSize(raw, 16<<10), body: make([]byte, 256<<10)}, nil
}

// exchange sends a request and reads the answer whole.
func (c *connection) exchange(request []byte, status string) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if len(line) < 12 || string(line[9:12]) != status {
		rest, _ := c.in.Peek(min(c.in.Buffered(), 2000))
		return fmt.Errorf("the answer is %q, not %s: %s", strings.TrimSpace(string(line)), status, rest)
	}
	length, chunked := int64(0), false
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64); err != nil {
				return err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		}
	}
	if chunked {
		return c.discardChunks()
	}
	return c.discard(length)
}

func (c *connection) discard(n int64) error {
	for n > 0 {
		m, err := c.in.Read(c.body[:min(n, int64(len(c.body)))]) // past the buffer when the buffer is empty
		if err != nil {
			return err
		}
		n -= int64(m)
	}
	return nil
}

func (c *connection) discardChunks() error {
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(strings.TrimSpace(line), 16, 64)
		if err != nil {
			return err
		}
		if err := c.discard(n + 2); err != nil { // with the line's end
			return err
		}
		if n == 0 {
			return nil
		}
	}
}

// body sends one request and returns the answer's body, which must not be chunked.
func body(ctx context.Context, to target, request []byte) ([]byte, error) {
	c, err := dial(ctx, to)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	closing := bytes.Replace(request, []byte("\r\n\r\n"), []byte("\r\nConnection: close\r\n\r\n"), 1)
	if _, err := c.Write(closing); err != nil {
		return nil, err
	}
	all, err := io.ReadAll(c.in)
	if err != nil && len(all) == 0 {
		return nil, err
	}
	head, rest, _ := bytes.Cut(all, []byte("\r\n\r\n"))
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 200")) {
		return nil, fmt.Errorf("%s", head)
	}
	return rest, nil
}
