# Thin names over go commands; nothing here is needed to build or test.
.PHONY: check fuzz sim bench

# Everything a change must pass: tests, gofmt, vet, lattice, race, short fuzzing.
check:
	./.ci/run

# Each fuzz target for FUZZTIME, e.g. make fuzz FUZZTIME=2m.
FUZZTIME ?= 30s
fuzz:
	FUZZTIME=$(FUZZTIME) ./.ci/run fuzz

# Faults on purpose. Today: the simulated disk under the log and the write path, random
# runs of the Raft core, servers killed with SIGKILL while clients write (ROUNDS sets the number of kills), and
# clusters of processes whose leaders die and whose network breaks.
ROUNDS ?= 200
sim:
	RUNS=20000 go test -count=1 -timeout 60m -run TestRandomRuns -v ./consensus
	LITHAIR_LONG=1 go test -count=1 -timeout 60m ./internal/disk ./eventlog ./engine
	go test -count=1 -timeout 60m -run TestSurvivesKill -v ./internal/crashtest -rounds $(ROUNDS)
	LITHAIR_LONG=1 go test -count=1 -timeout 60m -v ./internal/clustertest

# The canonical workload: GET by id and durable POST against net/http in one run.
bench:
	go run ./cmd/bench
