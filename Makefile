# Thin names over go commands; nothing here is needed to build or test.
.PHONY: check fuzz sim soak cover bench

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

# Three nodes under faults for MINUTES, everything checked. Full disks need root.
MINUTES ?= 30
SEED ?= 1
soak:
	go run ./cmd/bench soak -minutes $(MINUTES) -seed $(SEED)

# The share of statements that the default tests of all packages run, by package, the least first. What they start as
# processes of its own counts when it ends by itself: cmd/bench and its servers, nodes told to stop, programs built with
# -cover. What is killed with SIGKILL tells nothing.
COVER = $(CURDIR)/cover
cover:
	rm -rf $(COVER) cover.out && mkdir $(COVER)
	go test -cover -coverpkg=./... -exec "env GOCOVERDIR=$(COVER)" ./... -args -test.gocoverdir=$(COVER) >$(COVER)/tests.txt || { grep -v '^ok\|coverage: 0.0%' $(COVER)/tests.txt; exit 1; }
	go tool covdata textfmt -i=$(COVER) -o=cover.out
	@awk 'NR > 1 { at = $$1; pkg = at; sub(/\/[^\/]*$$/, "", pkg); size[at] = $$2; of[at] = pkg; if ($$3 > 0) hit[at] = 1 } \
		END { for (at in size) { all[of[at]] += size[at]; if (at in hit) ran[of[at]] += size[at] } \
		for (p in all) printf "%5.1f%%  %s\n", 100 * ran[p] / all[p], p }' cover.out | sort -n

# A little of each layer against the standard library.
bench:
	go run ./cmd/bench
