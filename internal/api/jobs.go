package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bonded/internal/access"
	"bonded/internal/jobs"
)

// Job is a piece of background work.
type Job struct {
	ID          int64     `json:"id"`
	Kind        string    `json:"kind"`
	State       string    `json:"state" enum:"ready,running,done,failed,canceled"`
	Attempt     int       `json:"attempt"`
	MaxAttempts int       `json:"max_attempts"`
	RunAt       time.Time `json:"run_at" doc:"When it runs next, or ran last"`
	CreatedAt   time.Time `json:"created_at"`
	LastError   string    `json:"last_error,omitempty"`
	Progress    string    `json:"progress,omitempty"`
	Arguments   any       `json:"arguments,omitempty"`
}

// Jobs is a list of jobs.
type Jobs struct {
	Jobs []Job `json:"jobs"`
}

// Settled tells that a job took the change.
type Settled struct {
	ID    int64  `json:"id"`
	State string `json:"state" enum:"ready,canceled"`
}

type jobsQuery struct {
	State string `query:"state" enum:"ready,running,done,failed,canceled" doc:"Only jobs in this state"`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

type jobPath struct {
	ID int64 `path:"id" doc:"The job's number" minimum:"1"`
}

func (a *API) addJobs() {
	add(a, huma.Operation{
		OperationID: "list-jobs", Method: http.MethodGet, Path: "/api/v1/jobs", Tags: []string{"Jobs"}, Security: mustAuthenticate,
		Summary: "List background work", Description: "For administrators. Newest first; finished jobs stay visible for a week.",
	}, a.listJobs)
	add(a, huma.Operation{
		OperationID: "cancel-job", Method: http.MethodPost, Path: "/api/v1/jobs/{id}/cancel", Tags: []string{"Jobs"}, Security: mustAuthenticate,
		Summary: "Cancel a job", Description: "For administrators. One that runs is told at its next sign of life.",
	}, func(ctx context.Context, p access.Principal, in *jobPath) (Settled, error) {
		return a.settle(ctx, p, in.ID, jobs.Canceled)
	})
	add(a, huma.Operation{
		OperationID: "retry-job", Method: http.MethodPost, Path: "/api/v1/jobs/{id}/retry", Tags: []string{"Jobs"}, Security: mustAuthenticate,
		Summary: "Try a job again", Description: "For administrators. For jobs that failed for good or were canceled.",
	}, func(ctx context.Context, p access.Principal, in *jobPath) (Settled, error) {
		return a.settle(ctx, p, in.ID, jobs.Ready)
	})
}

// mayAdminister asks access about the instance as a whole.
func (a *API) mayAdminister(p access.Principal) error {
	return a.house.Gate.May(p, access.Admin, access.Resource{Repository: "instance/jobs"})
}

func (a *API) listJobs(ctx context.Context, p access.Principal, in *jobsQuery) (Jobs, error) {
	out := Jobs{Jobs: []Job{}}
	if err := a.mayAdminister(p); err != nil {
		return out, err
	}
	all, err := jobs.List(ctx, a.house.Registry.DB(), jobs.State(in.State), in.Limit)
	if err != nil {
		return out, err
	}
	for _, j := range all {
		var args any
		if err := json.Unmarshal(j.Args, &args); err != nil {
			return out, err
		}
		out.Jobs = append(out.Jobs, Job{
			ID: j.ID, Kind: string(j.Kind), State: string(j.State), Attempt: j.Attempt, MaxAttempts: j.MaxAttempts, RunAt: j.RunAt,
			CreatedAt: j.Created, LastError: j.LastError, Progress: j.Progress, Arguments: args,
		})
	}
	return out, nil
}

func (a *API) settle(ctx context.Context, p access.Principal, id int64, to jobs.State) (Settled, error) {
	if err := a.mayAdminister(p); err != nil {
		return Settled{}, err
	}
	change := jobs.Cancel
	if to == jobs.Ready {
		change = jobs.Retry
	}
	return Settled{ID: id, State: string(to)}, change(ctx, a.house.Registry.DB(), a.house.Clock.Now(), id)
}
