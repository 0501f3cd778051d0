package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// readLab holds the servers that are read from.
type readLab struct {
	*lab
	nginx, nginxTLS, bonded, bondedTLS, verdaccio *server
}

// openReadLab starts the servers and gives them the same packages.
func openReadLab(ctx context.Context, l *lab, withPeer bool) (*readLab, error) {
	r := &readLab{lab: l}
	if err := l.writeCertificate(); err != nil {
		return nil, err
	}
	var err error
	if r.bonded, err = l.bondedWithFixtures(ctx, "bonded", "local"); err != nil {
		return nil, err
	}
	if err := capture(ctx, r.bonded, filepath.Join(l.dir, "www")); err != nil {
		return nil, err
	}
	r.bondedTLS, err = l.bondedWithFixtures(ctx, "bonded-tls", "team", "--tls-cert", filepath.Join(l.dir, "cert.pem"), "--tls-key", filepath.Join(l.dir, "key.pem"))
	if err != nil {
		return nil, err
	}
	if r.nginx, r.nginxTLS, err = l.startNginx(ctx); err != nil {
		return nil, err
	}
	if !withPeer {
		return r, nil
	}
	if r.verdaccio, err = l.startVerdaccio(ctx); err != nil {
		return nil, err
	}
	return r, publishFixtures(ctx, r.verdaccio, l.versions)
}

// bondedWithFixtures starts a Bonded whose packages lie in an npm repository: "local", which anybody reads through the
// group "main", or a private one.
func (l *lab) bondedWithFixtures(ctx context.Context, name, repository string, flags ...string) (*server, error) {
	data := filepath.Join(l.dir, name+"-data")
	token, err := l.account(ctx, data)
	if err != nil {
		return nil, err
	}
	if repository != "local" {
		if _, err := l.admin(ctx, data, "repo", "add", "npm/"+repository, "--visibility", "private"); err != nil {
			return nil, err
		}
	}
	s, _, err := l.startBonded(ctx, name, data, flags...)
	if err != nil {
		return nil, err
	}
	s.token, s.prefix = token, "/npm/"+repository+"/"
	if l.versions == nil {
		if l.versions, err = versionsNeeded(ctx, s); err != nil {
			return nil, err
		}
	}
	if err := publishFixtures(ctx, s, l.versions); err != nil {
		return nil, err
	}
	if repository == "local" {
		s.prefix = "/npm/main/"
	}
	return s, nil
}

// reading is what one server did at one point in one round.
type reading struct {
	perSecond float64
	cpu       time.Duration // per request
	p50, p99  time.Duration // at rate
	rate      float64
}

// readings are those of all rounds, by point and server.
type readings map[string]map[string][]reading

// readAll takes the servers in turn within each round, so that what else the machine does falls on all of them.
func (r *readLab) readAll(ctx context.Context, rounds int, each time.Duration) (readings, error) {
	all := readings{}
	for round := range rounds {
		for _, p := range points() {
			servers := []*server{r.nginx, r.bonded}
			if r.verdaccio != nil {
				servers = append(servers, r.verdaccio)
			}
			if err := r.readPoint(ctx, all, p, p.name, servers, each); err != nil {
				return nil, err
			}
			if p.secure {
				if err := r.readPoint(ctx, all, p, p.name+", TLS", []*server{r.nginxTLS, r.bondedTLS}, each); err != nil {
					return nil, err
				}
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d done\n", round+1, rounds)
	}
	return all, nil
}

// readPoint measures CPU time and the most requests per second in a closed loop, and then latencies in an open loop at half
// of Bonded's most: the same for all but the peer, which gets half of its own.
func (r *readLab) readPoint(ctx context.Context, all readings, p point, name string, servers []*server, each time.Duration) error {
	if all[name] == nil {
		all[name] = map[string][]reading{}
	}
	taken := make([]reading, len(servers))
	var half float64
	for i, s := range servers {
		l := load{to: s.to, request: always(p.request(s)), status: "200", conns: p.conns}
		if _, err := l.run(ctx, each/10); err != nil { // warm
			return fmt.Errorf("%s at %s: %w", name, s.name, err)
		}
		before := s.cpu()
		out, err := l.run(ctx, each)
		if err != nil {
			return fmt.Errorf("%s at %s: %w", name, s.name, err)
		}
		taken[i] = reading{perSecond: out.perSecond(), cpu: (s.cpu() - before) / time.Duration(max(out.requests, 1))}
		if s == r.bonded || s == r.bondedTLS {
			half = out.perSecond() / 2
		}
	}
	for i, s := range servers {
		taken[i].rate = half
		if s == r.verdaccio {
			taken[i].rate = taken[i].perSecond / 2
		}
		l := load{to: s.to, request: always(p.request(s)), status: "200", conns: p.conns, rate: taken[i].rate}
		out, err := l.run(ctx, each)
		if err != nil {
			return fmt.Errorf("%s at %s: %w", name, s.name, err)
		}
		taken[i].p50, taken[i].p99 = out.percentile(0.5), out.percentile(0.99)
		all[name][s.name] = append(all[name][s.name], taken[i])
	}
	return nil
}
