package consensus

// progressState is how the leader sends to a peer.
type progressState uint8

const (
	// probing: the leader looks for the place where the logs agree, one message at a time.
	probing progressState = iota
	// replicating: messages follow each other without waiting for answers (§10.2.1).
	replicating
	// restoring: the peer needs a snapshot first.
	restoring
)

func (s progressState) String() string { return [...]string{"probe", "replicate", "snapshot"}[s] }

// progress is what the leader knows of a peer.
type progress struct {
	match uint64 // the peer's log agrees and is durable up to here
	next  uint64 // first entry to send; match < next
	state progressState

	incarnation uint64 // as its last answer says

	quiet    int    // ticks since it was heard of
	lastSeq  uint64 // of the newest message with entries sent to it
	seq      uint64 // highest one it has answered
	reset    uint64 // newest message sent before sending began anew at an earlier place: who has heard of none behind it says nothing new
	newest   uint64 // format that it reads, 0: it has not said so yet; promised: to read
	promised uint64
	pledge   uint64 // for how long it said then that it votes for nobody else
	commit   uint64 // highest commit index sent to it
	waiting  bool   // probing: an answer is awaited until the next heartbeat

	declined int // transfers to it that it did not take, up to maxDeclined
	rest     int // ticks until it may be handed the lead again

	inflight inflight
	window   int      // of messages, where fewer than Config.MaxInflight may be under way: what follows a gap may be out of order again
	snapshot Snapshot // restoring: the one that is offered, until it is there or gone

	// A learner has caught up when a round of replication, up to what was the log's end at
	// its start, took less than an election timeout (§4.2.1).
	roundEnd   uint64
	roundTicks int
}

func (p *progress) probe(next uint64) {
	p.state, p.next, p.waiting = probing, max(next, p.match+1), false
	p.inflight.clear()
	p.snapshot = Snapshot{}
}

// again notes that sending is about to begin anew: the newest message has number seq, and of most messages may be under way. Where they
// follow each other fewer may now; else each that overtakes another could have all of a window sent again.
func (p *progress) again(seq uint64, most int) {
	p.reset = seq
	if p.state != replicating {
		return
	}
	if p.window == 0 {
		p.window = most
	}
	p.window = max(1, p.window/4)
}

// wider lets one more message be under way, as one has arrived in its place.
func (p *progress) wider(most int) {
	if p.window++; p.window >= most {
		p.window = 0
	}
}

func (p *progress) replicate(next uint64) {
	p.state, p.next = replicating, max(next, p.match+1)
	p.snapshot = Snapshot{}
}

func (p *progress) restore(s Snapshot) {
	p.state, p.snapshot = restoring, s
	p.inflight.clear()
}

// inflight is what is under way to a peer: the last index and the bytes of each message.
type inflight struct {
	list  []flight
	bytes int
}

type flight struct {
	last  uint64
	bytes int
}

func (f *inflight) add(last uint64, bytes int) {
	f.list = append(f.list, flight{last, bytes})
	f.bytes += bytes
}

// freeTo forgets messages that have been made durable up to index.
func (f *inflight) freeTo(index uint64) {
	n := 0
	for n < len(f.list) && f.list[n].last <= index {
		f.bytes -= f.list[n].bytes
		n++
	}
	f.list = f.list[:copy(f.list, f.list[n:])]
}

func (f *inflight) clear() { f.list, f.bytes = f.list[:0], 0 }
