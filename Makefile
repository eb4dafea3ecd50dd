# Fluxbase. `make` alone prints what there is.

.DEFAULT_GOAL := help
SHELL := /bin/sh
STEP := sh scripts/step
SDK := sdk/typescript
LINTER := .cache/golangci-lint
VAULT := .cache/vault
PEBBLE := .cache/pebble
BOUNDED := $(shell command -v timeout >/dev/null 2>&1 && echo timeout 1800)

.PHONY: help run build sdk test check bench fuzz generate lint vuln sdk-deps clean

help: ## Print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

run: ## Build both programs and run a development server (ARGS="--address 127.0.0.1:0")
	@$(STEP) "PostgreSQL" sh scripts/need-postgres
	@$(STEP) "build" $(MAKE) --no-print-directory build
	@exec bin/fluxbase dev $(ARGS)

build: ## Build bin/fluxbase and bin/fluxbase-cli
	@CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/ ./cmd/...

sdk: sdk-deps ## Build the TypeScript SDK into sdk/typescript/dist
	@npm --prefix $(SDK) run --silent build

test: ## Install what tests need and run everything that CI runs
	@$(STEP) "packages" sh scripts/need-packages gcc=gcc gcc=libc6-dev chromium=chromium pgbouncer=pgbouncer
	@$(STEP) "PostgreSQL" sh scripts/need-postgres system
	@$(STEP) "Redis" sh scripts/need-redis
	@$(STEP) "build" $(MAKE) --no-print-directory build
	@$(STEP) "Vault" $(MAKE) --no-print-directory $(VAULT)
	@$(STEP) "Pebble" $(MAKE) --no-print-directory $(PEBBLE)
	@$(STEP) "generated files are up to date" sh scripts/generated
	@$(STEP) "lint" $(MAKE) --no-print-directory lint
	@$(STEP) "Go tests" sh scripts/test-go
	@$(STEP) "SDK dependencies" $(MAKE) --no-print-directory sdk-deps
	@$(STEP) "SDK" sh scripts/test-sdk
	@echo "==> everything passed"

check: test vuln ## make test, and the vulnerability database

bench: build ## Measure against pgbench and a bare hash loop (ARGS="-workers 8,32")
	@go run ./bench $(ARGS)

fuzz: ## Fuzz each parser for a while (TIME=30s)
	@for target in $$(grep -rl --include='*_test.go' '^func Fuzz' internal | xargs -n1 dirname | sort -u); do \
	  for name in $$(grep -rhoE '^func Fuzz[A-Za-z]+' $$target/*_test.go | sed 's/func //'); do \
	    go test ./$$target -run '^$$' -fuzz "^$$name$$" -fuzztime $(or $(TIME),30s) || exit 1; \
	  done; \
	done

generate: ## Write the files that are generated from the code
	@go test ./internal/config -run TestReference -update >/dev/null
	@go test ./internal/audit -run TestReference -update >/dev/null
	@go test ./internal/server -run 'TestOpenAPIDocument|TestMetricsReference|TestErrorsReference' -update >/dev/null

lint: $(LINTER) ## Format check and lint
	@$(LINTER) fmt --diff ./... && $(LINTER) run ./...

$(LINTER): tools/go.mod tools/go.sum
	@echo "    building the linter (once; some minutes)"
	@mkdir -p .cache
	@go build -C tools -o ../$(LINTER) github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $(LINTER)

$(VAULT): tools/vault/go.mod tools/vault/go.sum tools/vault/main.go
	@echo "    building Vault (once; some minutes)"
	@mkdir -p .cache
	@CGO_ENABLED=0 $(BOUNDED) go build -C tools/vault -trimpath -ldflags "-s -w" -o ../../$(VAULT) .
	@touch $(VAULT)

$(PEBBLE): tools/pebble/go.mod tools/pebble/go.sum tools/pebble/main.go
	@echo "    building Pebble (once)"
	@mkdir -p .cache
	@CGO_ENABLED=0 $(BOUNDED) go build -C tools/pebble -trimpath -ldflags "-s -w" -o ../../$(PEBBLE) .
	@touch $(PEBBLE)

vuln: ## Look for known vulnerabilities (needs the network)
	@go tool -modfile=tools/go.mod govulncheck ./...

sdk-deps: $(SDK)/node_modules/.installed

$(SDK)/node_modules/.installed: $(SDK)/package-lock.json
	@npm --prefix $(SDK) ci --no-audit --no-fund --loglevel=error
	@touch $@

clean: ## Remove what was built; the development data in .fluxbase stays
	@rm -rf bin .cache $(SDK)/dist $(SDK)/node_modules tools/postgres/node_modules
