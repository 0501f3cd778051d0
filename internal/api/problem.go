package api

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"bonded/internal/errs"
	"bonded/internal/request"
)

// Problem is the body of every error (RFC 9457).
type Problem struct {
	Title  string `json:"title" doc:"The status in words"`
	Status int    `json:"status" doc:"The HTTP status"`
	Detail string `json:"detail" doc:"What was refused and why, in a sentence for a person"`
	Rule   string `json:"rule,omitempty" doc:"The rule that refused, such as access/scope"`
	Next   string `json:"next,omitempty" doc:"What to do about it"`
	// RequestID finds the request in the operator's log.
	RequestID string         `json:"request_id,omitempty" doc:"Names the request in the operator's log"`
	Errors    []ProblemField `json:"errors,omitempty" doc:"What is wrong with single fields"`

	headers http.Header
}

// ProblemField is one fault of a request's fields. The value itself is not repeated: it may be a secret that was put in the wrong place.
type ProblemField struct {
	Message  string `json:"message" doc:"What is wrong"`
	Location string `json:"location,omitempty" doc:"Where, such as body.reason or query.page"`
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.headers }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// problemOf makes the body of one of our errors.
func problemOf(ctx context.Context, err error) *Problem {
	e := errs.Public(err)
	status := e.Kind.Status()
	p := &Problem{
		Title: http.StatusText(status), Status: status, Detail: e.What, Rule: e.Rule, Next: e.Next, RequestID: request.ID(ctx), headers: http.Header{},
	}
	if e.Kind == errs.Unauthenticated {
		p.headers.Set("Www-Authenticate", `Bearer realm="bonded"`)
	}
	if e.RetryAfter > 0 {
		p.headers.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	return p
}

// newProblem makes the body of an error that the library found: a body or parameter that does not fit the description.
func newProblem(status int, message string, all ...error) huma.StatusError {
	p := &Problem{Title: http.StatusText(status), Status: status, Detail: message, Rule: "api/request"}
	for _, err := range all {
		if err == nil {
			continue
		}
		var d huma.ErrorDetailer
		if errors.As(err, &d) {
			detail := d.ErrorDetail()
			p.Errors = append(p.Errors, ProblemField{Message: detail.Message, Location: detail.Location})
			continue
		}
		p.Errors = append(p.Errors, ProblemField{Message: err.Error()})
	}
	return p
}
