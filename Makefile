# The five commands of the house: build, demo, test, lint, bench. The rest are their parts.
export GOTOOLCHAIN := auto

# Fuzzing: time per target, and what all targets together may take in "make test".
FUZZTIME ?= 10s
FUZZBUDGET ?= 600

TOOLS := $(CURDIR)/tools/bin
E2E := go test -tags e2e ./e2e -parallel 3 -timeout 30m

.DEFAULT_GOAL := build
.PHONY: build demo test test-unit test-race test-e2e test-postgres test-matrix lint format bench fuzz tools clients clients-matrix system clean

build: ## bin/bonded: one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/bonded ./cmd/bonded

demo: build clients ## a throw-away instance and a guided tour with the real clients
	@eval "$$(scripts/clients env)" && bin/bonded demo

# Everything CI runs, cheapest refusals first; what the machine lacks is installed before. Each step fails the whole.
test: ## lint, unit, race, both engines, client scripts, crash test, fuzzing
	@scripts/steps system clients lint test-unit test-race fuzz-short test-postgres test-e2e

test-unit: $(TOOLS)/versitygw ## every package on both engines
	go test -timeout 15m ./...

test-race: ## under the race detector, on SQLite
	go test -race -short -timeout 20m ./...

test-e2e: ## scripts with the newest and the oldest clients, and the crash test
	$(E2E)

test-postgres: ## the same scripts with the newest clients, rows in PostgreSQL
	BONDED_TEST_ENGINE=postgres $(E2E) -run 'TestScripts//newest'

test-matrix: clients-matrix ## scripts with every client version
	BONDED_TEST_MATRIX=1 go test -tags e2e ./e2e -parallel 3 -timeout 180m

lint: $(TOOLS)/golangci-lint ## layer rules, static checks, formatting, shell scripts
	$(TOOLS)/golangci-lint run ./...
	shellcheck scripts/* .ci/run
	go mod tidy -diff

format: $(TOOLS)/gofumpt ## formats what lint would refuse
	$(TOOLS)/gofumpt -w .

bench: build ## figures beside nginx and a peer, into docs/performance.md
	@eval "$$(scripts/clients env)" && PATH="$(TOOLS):$$PATH" go run ./bench $(BENCHFLAGS)

fuzz: ## every fuzz target for FUZZTIME
	scripts/fuzz $(FUZZTIME)

fuzz-short:
	scripts/fuzz $(FUZZTIME) $(FUZZBUDGET)

tools: $(addprefix $(TOOLS)/,golangci-lint gofumpt govulncheck templ versitygw hey) ## the pinned tools of tools/go.mod

$(TOOLS)/golangci-lint: PACKAGE = github.com/golangci/golangci-lint/v2/cmd/golangci-lint
$(TOOLS)/gofumpt: PACKAGE = mvdan.cc/gofumpt
$(TOOLS)/govulncheck: PACKAGE = golang.org/x/vuln/cmd/govulncheck
$(TOOLS)/templ: PACKAGE = github.com/a-h/templ/cmd/templ
$(TOOLS)/versitygw: PACKAGE = github.com/versity/versitygw/cmd/versitygw
$(TOOLS)/hey: PACKAGE = github.com/rakyll/hey

# Built once per version: minutes for the linter when caches are cold. The go line of tools/go.mod is what they are built with, which must
# not be older than the house's, or the linter cannot read the house.
$(TOOLS)/%: tools/go.mod tools/go.sum
	cd tools && GOBIN=$(TOOLS) go install $(PACKAGE)
	@touch $@

clients: system ## the package clients, newest and oldest, into the user's cache
	scripts/clients install default

clients-matrix: system
	scripts/clients install matrix

system: ## Debian packages that are missing
	scripts/clients system

clean:
	rm -rf bin tools/bin
