package composer

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"bonded/internal/digest"
	"bonded/internal/events"
	"bonded/internal/registry"
)

// vendorList is the vendors that a repository holds packages of, in order.
type vendorList struct {
	vendors []string
	// sum stands for the list in the keys of documents.
	sum string
	// loaded is when it was read. It is a safe Last-Modified for what is made of it, because a list that is no longer true
	// is read again, later.
	loaded time.Time
}

// vendorLists keeps the vendors of each repository: packages.json names them, so that clients ask only for what may be here
// and tell nobody what else they use (composer.md §1, §6). Only an event that may change the list has it read again.
type vendorLists struct {
	registry *registry.Registry

	// reading is held while a list is read, so that many readers cause one reading.
	reading sync.Mutex

	mu    sync.Mutex // guards what follows
	lists map[int64]*vendorList
	// changes counts, per repository, the events that may have changed its list; changed is when the repository itself did.
	changes map[int64]int
	changed map[int64]time.Time
}

func newVendorLists(r *registry.Registry) *vendorLists {
	v := &vendorLists{registry: r, lists: map[int64]*vendorList{}, changes: map[int64]int{}, changed: map[int64]time.Time{}}
	r.Feed().Subscribe(v.listen)
	return v
}

func (v *vendorLists) listen(e events.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch e.Kind {
	case events.ProjectCreated:
		if l := v.lists[e.RepositoryID]; l != nil {
			v.lists[e.RepositoryID] = l.with(e.Project, e.At)
			v.changes[e.RepositoryID]++
			return
		}
	case events.ProjectDeleted, events.ProjectChanged:
	case events.RepositoryCreated, events.RepositoryChanged:
		v.changed[e.RepositoryID] = e.At
		return
	default:
		return
	}
	v.changes[e.RepositoryID]++
	delete(v.lists, e.RepositoryID)
}

// with is the list with the vendor of one more package, published at at.
func (l *vendorList) with(norm string, at time.Time) *vendorList {
	vendor, _, _ := strings.Cut(norm, "/")
	i, found := slices.BinarySearch(l.vendors, vendor)
	if found {
		return l
	}
	return newVendorList(slices.Insert(slices.Clone(l.vendors), i, vendor), at)
}

func newVendorList(vendors []string, loaded time.Time) *vendorList {
	return &vendorList{vendors: vendors, sum: digest.Of([]byte(strings.Join(vendors, "\n"))).String(), loaded: loaded}
}

// of returns the list of a hosted repository.
func (v *vendorLists) of(ctx context.Context, repo *registry.Repository, now time.Time) (*vendorList, error) {
	fresh := v.registry.Feed().Fresh()
	if l, _ := v.known(repo.ID); l != nil && fresh {
		return l, nil
	}
	v.reading.Lock()
	defer v.reading.Unlock()
	l, before := v.known(repo.ID)
	if l != nil && fresh { // somebody read it while we waited
		return l, nil
	}
	vendors, err := v.read(ctx, repo)
	if err != nil {
		if l != nil && v.registry.Feed().Lag() <= events.ServeWithoutStore {
			return l, nil
		}
		return nil, err
	}
	read := newVendorList(vendors, now)
	if l != nil && l.sum == read.sum {
		return l, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.changes[repo.ID] == before { // nothing happened while we read
		v.lists[repo.ID] = read
	}
	return read, nil
}

// known is the list kept of a repository, nil for none, and how often it may have changed.
func (v *vendorLists) known(repo int64) (*vendorList, int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.lists[repo], v.changes[repo]
}

// changedAt is when the repository's own facts last changed while this node watched.
func (v *vendorLists) changedAt(repo int64) time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.changed[repo]
}

// read walks the names, stepping over the rest of a vendor at the end of each page. A quarantined package's vendor stays on
// the list: a client that did not ask here for the name would take it from another repository.
func (v *vendorLists) read(ctx context.Context, repo *registry.Repository) ([]string, error) {
	source, err := v.registry.Source(ctx, repo)
	if err != nil {
		return nil, err
	}
	names, err := v.registry.Quarantined(ctx, repo)
	if err != nil {
		return nil, err
	}
	const page = 500
	vendors := appendVendors([]string{}, names)
	for after := ""; ; {
		if names, err = source.Names(ctx, after, page); err != nil {
			return nil, err
		}
		vendors = appendVendors(vendors, names)
		if len(names) < page {
			slices.Sort(vendors) // names of "acme-x" come before those of "acme"
			return slices.Compact(vendors), nil
		}
		after = vendors[len(vendors)-1] + "0" // "0" follows "/": the first name that is not this vendor's
	}
}

func appendVendors(vendors []string, names []registry.NameEntry) []string {
	for _, n := range names {
		vendor, _, _ := strings.Cut(n.Norm, "/")
		if len(vendors) == 0 || vendors[len(vendors)-1] != vendor {
			vendors = append(vendors, vendor)
		}
	}
	return vendors
}
