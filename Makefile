# Everything a developer of rpg types. `make help` lists it.
# Needed before: Go, a C compiler, and pip or npm.

GO ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help build cuda gpu-kit demo test test-gpu corpus lint bench
.DEFAULT_GOAL := help

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

build: ## make bin/rpg
	$(GO) build -o bin/rpg ./cmd/rpg

cuda: ## make the engine for NVIDIA GPUs, which builds after it carry inside
	cuda/build

demo: build ## train on the embedded zoo, write new models, score them
	bin/rpg fetch onnxruntime
	bin/rpg demo

test: build ## run all tests; brings what they need into ~/.cache/rpg
	bin/rpg fetch onnxruntime
	RPG_TEST_PYTHON="$$(.ci/python)" $(GO) test ./...

gpu-kit: ## make bin/gpu-kit, which tests and measures the engine on a machine with a GPU and without Go
	.ci/gpu-kit $(PEERS) $(MODEL)

test-gpu: gpu-kit ## run what needs a GPU: the engine's tests, and compute-sanitizer
	bin/gpu-kit/run --out bin/gpu-results doctor tests memcheck racecheck synccheck

corpus: ## hold onnxio against other readers over every ONNX file to be had
	.ci/corpus

lint: ## gofmt, go vet, staticcheck
	@files="$$(gofmt -l .)"; test -z "$$files" || { echo "not formatted by gofmt:"; echo "$$files"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

bench: build ## measure what takes the time
	bin/rpg bench
