package lithair

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
)

// memberInfo is what a node says of itself to others of its cluster, and to operators.
type memberInfo struct {
	ID       uint64 `json:"id"`
	URL      string `json:"url"`
	Role     string `json:"role"` // leader, follower, candidate, pre-candidate
	Term     uint64 `json:"term"`
	Leader   uint64 `json:"leader"` // 0: none is known
	Commit   uint64 `json:"commit"` // log index
	Applied  uint64 `json:"applied"`
	Seq      uint64 `json:"seq"`             // of the state
	Hash     string `json:"state_hash"`      // of the state at that sequence
	Chain    string `json:"chain,omitempty"` // of the log, where it was asked for
	Version  string `json:"version"`
	Clock    int64  `json:"clock"` // of the node, Unix ns
	LogBytes int64  `json:"log_bytes"`

	// The format is the active one of the cluster, as this node knows it; its release reads those from the oldest to the newest.
	Format       uint64 `json:"format"`
	OldestFormat uint64 `json:"oldest_format"`
	NewestFormat uint64 `json:"newest_format"`

	// Snapshot is the one that the node is being fed with; nil when it is not.
	Snapshot *incomingInfo `json:"snapshot,omitempty"`
	// Fenced says why the node answers nothing; empty when it does.
	Fenced string `json:"fenced,omitempty"`
	// Damaged says what is known to be damaged on the node's disk; empty when nothing is. Repaired is how many
	// records of its log it had from others at its start.
	Damaged  string `json:"damaged,omitempty"`
	Repaired uint64 `json:"repaired,omitempty"`
	// Members are all members of the cluster, as the leader says. Others, and a leader while that changes, say nothing.
	Members []uint64 `json:"members,omitempty"`
	// Removed says that the leader does not count this node among them.
	Removed bool `json:"removed,omitempty"`
}

// incomingInfo is how far a snapshot has come.
type incomingInfo struct {
	Bytes uint64 `json:"bytes"`
	Size  uint64 `json:"size"`
}

// about is what this node says of itself.
func (a *App) about(c *cluster) memberInfo {
	s, root := c.node.Status(), a.engine.Root()
	hash := root.Hash()
	version, _ := buildVersion()
	var incoming *incomingInfo
	if p := c.node.Incoming(); p.Index > 0 {
		incoming = &incomingInfo{p.Bytes, p.Size}
	}
	fenced := ""
	if err := c.node.Fenced(); err != nil {
		fenced = err.Error()
	}
	var members []uint64
	if s.State == consensus.Leader && s.MembershipCommitted && !s.Membership.Joint() {
		for _, m := range s.Membership.Members {
			members = append(members, uint64(m.ID))
		}
	}
	return memberInfo{
		Members: members, Removed: c.removed.Load(), Snapshot: incoming, Fenced: fenced, Damaged: a.damage(c), Repaired: a.repairs.records.Load(),
		ID: uint64(s.ID), URL: a.publicURL(), Role: s.State.String(), Term: s.Term, Leader: uint64(s.Lead), Commit: s.Commit, Applied: a.engine.Stats().Applied,
		Seq: root.Seq(), Hash: fmt.Sprintf("%x", hash), Version: version, LogBytes: a.events.Size(), Clock: a.cfg.now().UnixNano(),
		Format: s.Membership.ActiveFormat(), OldestFormat: s.Formats.Oldest, NewestFormat: s.Formats.Newest,
	}
}

// damage is what is known to be wrong with this node's disk.
func (a *App) damage(c *cluster) string {
	err := c.node.Err()
	if _, old := errors.AsType[*consensus.FormatError](err); err != nil && !old { // that it says by its formats
		return err.Error()
	}
	if a.scrub.damaged.Load() {
		return "the log; it is repaired when the node is started again"
	}
	return ""
}

// publicURL is where clients reach this node.
func (a *App) publicURL() string {
	if a.cfg.PublicURL != "" {
		return a.cfg.PublicURL
	}
	return a.transport.scheme() + "://" + a.Addr()
}

// nodePath is what nodes ask each other for, on the stream for requests alone.
const nodePath = "/_cluster/node"

// maxNodeInfo bounds what another node says of itself.
const maxNodeInfo = 64 << 10

// ask has a node speak of itself.
func (c *cluster) ask(ctx context.Context, id consensus.NodeID, at moment) (m memberInfo, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	res, err := c.client.Get(ctx, nodeURL(id, nodePath+at.query()))
	if errors.Is(err, context.DeadlineExceeded) {
		return m, fmt.Errorf("no answer within %v", askTimeout)
	}
	if err != nil {
		return m, cause(err)
	}
	b, err := res.ReadAll(maxNodeInfo)
	if err = errors.Join(err, res.Close()); err != nil {
		return m, err
	}
	if res.StatusCode() != 200 {
		return m, fmt.Errorf("lithair: node %d answers %d: %.300s", id, res.StatusCode(), b)
	}
	return m, jsonx.Unmarshal(b, &m)
}

// cause is what went wrong with a request between nodes, without the request: its URL is no address.
func cause(err error) error {
	var failed *wire.ClientError
	if errors.As(err, &failed) && failed.Err != nil {
		return failed.Err
	}
	return err
}

// askTimeout bounds how long a node waits for what another says of itself.
const askTimeout = time.Second

// memberView is a member as this node knows it.
type memberView struct {
	ID      uint64 `json:"id"`
	Role    string `json:"role"` // voter, learner; incoming, outgoing, demoted while the voters change
	Address string `json:"address"`
}

// clusterInfo adds to what /info tells.
func (a *App) clusterInfo(c *cluster, info map[string]any) {
	s := c.node.Status()
	info["cluster"], info["node"] = a.cfg.Cluster, uint64(s.ID)
	info["cluster_id"] = fmt.Sprintf("%016x", clusterNumber(a.cfg.Cluster)) // that of node.json is this directory's alone
	info["role"], info["term"], info["leader_id"] = s.State.String(), s.Term, uint64(s.Lead)
	info["format"] = s.Membership.ActiveFormat()
	info["log_commit"], info["log_applied"] = s.Commit, a.engine.Stats().Applied
	var list []memberView
	for _, m := range s.Membership.Members {
		list = append(list, memberView{uint64(m.ID), m.Role.String(), m.Address})
	}
	info["members"] = list
	if age, known := a.stateAge(); known {
		info["state_age_seconds"] = age.Seconds()
	}
}

// checkCluster says whether this node has a leader to ask, and is not far behind it.
func (a *App) checkCluster(c *cluster) error {
	if err := errors.Join(c.refuses(), c.node.Err()); err != nil {
		return err
	}
	v, _ := c.node.View()
	if v.Leader == 0 {
		return errors.New("no leader is known")
	}
	if v.Leader == c.cfg.id && !v.Leads {
		return errors.New("this node begins to lead")
	}
	age, known := a.stateAge()
	if limit := max(maxAge, 2*a.cfg.ElectionTimeout); !known || age > limit {
		return errors.New("the state is behind that of node " + strconv.FormatUint(uint64(v.Leader), 10) + " by more than " + limit.String())
	}
	return nil
}

// errRemoved is what a node says that has been removed.
var errRemoved = errors.New("this node has been removed from its cluster; stop it, or start it with an empty directory to have it join as a new one")

// refuses returns why this node answers nothing; nil: it does.
func (c *cluster) refuses() error {
	if err := c.node.Fenced(); err != nil {
		return err
	}
	if c.removed.Load() {
		return errRemoved
	}
	return nil
}

// noteMembers takes in whom the leader has for members. Who is removed hears nothing more of Raft, so it may find that out in this way alone.
func (c *cluster) noteMembers(members []uint64, log *slog.Logger) {
	removed := !slices.Contains(members, uint64(c.cfg.id))
	if was := c.removed.Swap(removed); removed && !was {
		log.Error(errRemoved.Error(), "cluster", members)
	}
}

// maxAge is how old the state of a node that is ready may be.
const maxAge = 5 * time.Second
