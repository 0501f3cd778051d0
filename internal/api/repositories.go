package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bonded/internal/access"
	"bonded/internal/door"
	"bonded/internal/registry"
	"bonded/internal/request"
)

// Repository is a repository as the API tells it.
type Repository struct {
	Ecosystem   string    `json:"ecosystem" doc:"cargo, pypi, npm, maven or composer"`
	Name        string    `json:"name"`
	Kind        string    `json:"kind" enum:"hosted,proxy,group"`
	Visibility  string    `json:"visibility" enum:"anonymous,internal,private"`
	Description string    `json:"description,omitempty"`
	URL         string    `json:"url" format:"uri" doc:"Where its clients find it"`
	Members     []string  `json:"members,omitempty" doc:"The names of a group's members, in order, those that you may read"`
	CreatedAt   time.Time `json:"created_at"`
}

// Repositories is a list of repositories.
type Repositories struct {
	Repositories []Repository `json:"repositories"`
}

// Growth is how much came in a span of time.
type Growth struct {
	Days  int   `json:"days" doc:"The span, in days"`
	Files int64 `json:"files"`
	Bytes int64 `json:"bytes"`
}

// Usage is how much a repository holds.
type Usage struct {
	Projects int64  `json:"projects"`
	Releases int64  `json:"releases"`
	Files    int64  `json:"files"`
	Bytes    int64  `json:"bytes" doc:"The sum of the files' sizes; equal files of several repositories are stored once"`
	Quota    int64  `json:"quota,omitempty" doc:"The most bytes that it takes; absent for no limit"`
	Growth   Growth `json:"growth"`
}

// RepositoryPath names a repository in a path. It is exported for the library, which reads the fields of exported parts only.
type RepositoryPath struct {
	Ecosystem  string `path:"ecosystem" doc:"cargo, pypi, npm, maven or composer" example:"npm" maxLength:"20"`
	Repository string `path:"repository" doc:"The repository's name" example:"main" maxLength:"63"`
}

// growthDays is the span of Usage.Growth.
const growthDays = 30

func (a *API) addRepositories() {
	add(a, huma.Operation{
		OperationID: "list-repositories", Method: http.MethodGet, Path: "/api/v1/repositories", Tags: []string{"Repositories"}, Security: mayBeAnonymous,
		Summary: "List the repositories", Description: "Those that you may read, by ecosystem and name.",
	}, a.listRepositories)
	add(a, huma.Operation{
		OperationID: "get-repository", Method: http.MethodGet, Path: "/api/v1/repositories/{ecosystem}/{repository}", Tags: []string{"Repositories"},
		Security: mayBeAnonymous, Summary: "Read a repository", Description: "One that you may not read is answered as one that does not exist.",
	}, a.getRepository)
	add(a, huma.Operation{
		OperationID: "get-repository-usage", Method: http.MethodGet, Path: "/api/v1/repositories/{ecosystem}/{repository}/usage", Tags: []string{"Repositories"},
		Security: mayBeAnonymous, Summary: "Read what a repository holds",
		Description: "Projects, releases, files, bytes, and what came in the last 30 days. A group holds what its members hold, those that you may read.",
	}, a.getUsage)
}

func (a *API) listRepositories(ctx context.Context, p access.Principal, _ *struct{}) (Repositories, error) {
	repos, err := a.house.Readable(ctx, p)
	out := Repositories{Repositories: []Repository{}}
	if err != nil {
		return out, err
	}
	for _, repo := range repos {
		r, err := a.describe(ctx, p, repo)
		if err != nil {
			return out, err
		}
		out.Repositories = append(out.Repositories, r)
	}
	return out, nil
}

func (a *API) getRepository(ctx context.Context, p access.Principal, in *RepositoryPath) (Repository, error) {
	q, err := a.house.Visit(ctx, p, in.Ecosystem, in.Repository)
	if err != nil {
		return Repository{}, err
	}
	return a.describe(ctx, p, q.Repo)
}

func (a *API) describe(ctx context.Context, p access.Principal, repo *registry.Repository) (Repository, error) {
	out := Repository{
		Ecosystem: repo.Ecosystem, Name: repo.Name, Kind: string(repo.Kind), Visibility: string(repo.Visibility),
		Description: repo.Settings.Description, URL: request.BaseURL(ctx) + "/" + repo.Path() + "/", CreatedAt: repo.CreatedAt,
	}
	if repo.Kind != registry.Group {
		return out, nil
	}
	for _, id := range repo.Members {
		m, err := a.house.Registry.RepositoryByID(ctx, id)
		if err != nil {
			return out, err
		}
		if a.house.MayRead(p, m) {
			out.Members = append(out.Members, m.Name)
		}
	}
	return out, nil
}

func (a *API) getUsage(ctx context.Context, p access.Principal, in *RepositoryPath) (Usage, error) {
	q, err := a.house.Visit(ctx, p, in.Ecosystem, in.Repository)
	if err != nil {
		return Usage{}, err
	}
	return a.usage(ctx, p, q)
}

func (a *API) usage(ctx context.Context, p access.Principal, q *door.Request) (Usage, error) {
	out := Usage{Quota: q.Repo.Settings.Quota, Growth: Growth{Days: growthDays}}
	members, err := a.house.Registry.Members(ctx, q.Repo)
	if err != nil {
		return out, err
	}
	since := a.house.Clock.Now().Add(-growthDays * 24 * time.Hour)
	for _, m := range members {
		if !a.house.MayRead(p, m) {
			continue
		}
		u, err := a.house.Registry.Usage(ctx, m)
		if err != nil {
			return out, err
		}
		g, err := a.house.Registry.Growth(ctx, m, since)
		if err != nil {
			return out, err
		}
		out.Projects, out.Releases = out.Projects+u.Projects, out.Releases+u.Releases
		out.Files, out.Bytes = out.Files+u.Files, out.Bytes+u.Bytes
		out.Growth.Files, out.Growth.Bytes = out.Growth.Files+g.Files, out.Growth.Bytes+g.Bytes
	}
	return out, nil
}
