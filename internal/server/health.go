package server

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"bonded/internal/clock"
	"bonded/internal/errs"
)

// Check is a part that must work for the server to be ready.
type Check struct {
	// Name is short: "database", "blobs", "disk", "feed".
	Name string
	// Func returns what is wrong, in a sentence that strangers may read if it is one of errs.
	Func func(context.Context) error
}

const (
	checkTimeout = 2 * time.Second
	// checkPause bounds how often strangers can make the parts be asked.
	checkPause = time.Second
)

// health answers /healthz (the process lives) and /readyz (it can do its work), under any Host, because load balancers
// ask by address.
type health struct {
	checks   []Check
	draining *atomic.Bool
	clock    clock.Clock

	mu    sync.Mutex // held while the parts are asked, so that they are asked once
	asked time.Time
	last  []partState
}

// partState is the answer of one part.
type partState struct {
	Name   string `json:"name"`
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
}

// serve answers the two paths and reports whether it did.
func (h *health) serve(w http.ResponseWriter, r *http.Request) bool {
	switch r.URL.Path {
	case "/healthz":
		plain(w, http.StatusOK, "alive\n")
	case "/readyz":
		h.serveReady(w, r)
	default:
		return false
	}
	return true
}

func plain(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

func (h *health) serveReady(w http.ResponseWriter, r *http.Request) {
	parts := h.ask(r.Context())
	status, text := http.StatusOK, "ready\n"
	var broken strings.Builder
	for _, p := range parts {
		if !p.Ready {
			status = http.StatusServiceUnavailable
			broken.WriteString(p.Name + ": " + p.Reason + "\n")
		}
	}
	if status != http.StatusOK {
		text = "not ready\n" + broken.String()
	}
	if !strings.Contains(r.Header.Get("Accept"), "json") {
		plain(w, status, text)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"ready": status == http.StatusOK, "parts": parts})
}

// ask asks every part at once, or repeats an answer that is at most a second old.
func (h *health) ask(ctx context.Context) []partState {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining.Load() {
		return []partState{{Name: "server", Reason: "It is shutting down."}}
	}
	if now := h.clock.Now(); h.last == nil || now.Sub(h.asked) >= checkPause || now.Before(h.asked) {
		h.last, h.asked = h.askAll(context.WithoutCancel(ctx)), now
	}
	return h.last
}

func (h *health) askAll(ctx context.Context) []partState {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	answers := make([]chan error, len(h.checks))
	for i, c := range h.checks {
		answers[i] = make(chan error, 1) // a part that never answers leaves its goroutine nothing to wait for
		go func() { answers[i] <- c.Func(ctx) }()
	}
	parts := make([]partState, len(h.checks))
	for i, c := range h.checks {
		var err error
		select {
		case err = <-answers[i]:
		case <-ctx.Done():
			err = errs.New(errs.Unavailable, "It did not answer within %s.", checkTimeout)
		}
		parts[i] = partState{Name: c.Name, Ready: err == nil}
		if err != nil {
			parts[i].Reason = reason(err)
		}
	}
	return parts
}

// reason is what a stranger may read of an error.
func reason(err error) string {
	if e := errs.Public(err); e.Kind != errs.Internal {
		return e.Sentence()
	}
	return "It does not work; the log says why."
}
