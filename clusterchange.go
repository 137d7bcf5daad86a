package lithair

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/wire"
)

// memberChange is a wish about the members of a cluster.
type memberChange struct {
	Do          string `json:"do"` // join, promote, remove or transfer
	ID          uint64 `json:"id"`
	Address     string `json:"address,omitempty"`     // join: where other nodes find it
	Incarnation uint64 `json:"incarnation,omitempty"` // join: of its disk
	Learner     bool   `json:"learner,omitempty"`     // join: it stays a learner
	Pass        *pass  `json:"pass,omitempty"`        // join: with a token
	Handed      bool   `json:"handed,omitempty"`      // from a node that does not lead: it goes no further

	// Of join: the formats that its release reads; 0: format 1 alone. They are in the query, for releases that know no
	// formats refuse members that they do not know.
	Oldest uint64 `json:"-"`
	Newest uint64 `json:"-"`
}

// query is what the body does not hold.
func (m *memberChange) query() string {
	if m.Newest == 0 {
		return ""
	}
	return fmt.Sprintf("?oldest_format=%d&newest_format=%d", m.Oldest, m.Newest)
}

// parseQuery reads what query wrote.
func (m *memberChange) parseQuery(q wire.Query) (err error) {
	if !q.Has("oldest_format") && !q.Has("newest_format") {
		return nil
	}
	if m.Oldest, err = strconv.ParseUint(q.Get("oldest_format"), 10, 64); err == nil {
		m.Newest, err = strconv.ParseUint(q.Get("newest_format"), 10, 64)
	}
	if err != nil {
		return &wire.Error{Status: 400, Detail: "oldest_format and newest_format are two numbers"}
	}
	return nil
}

// changePath is where nodes send such wishes to each other, on the stream for requests alone.
const changePath = "/_cluster/change"

// refuse says why a change is not made.
func refuse(format string, args ...any) error {
	return &wire.Error{Status: 409, Title: "Refused", Detail: fmt.Sprintf(format, args...)}
}

// change carries a wish out on the leader, or hands it on to that, and returns the cluster
// behind it.
func (a *App) change(ctx context.Context, c *cluster, m memberChange) (clusterStatus, error) {
	v, _ := c.node.View()
	switch {
	case v.Leads:
	case v.Leader == 0 || v.Leader == c.cfg.id || m.Handed:
		return clusterStatus{}, notMade("no node leads")
	default:
		m.Handed = true
		return c.send(ctx, nodeURL(v.Leader, changePath), m)
	}
	err := a.checkPass(m.ID, m.Pass)
	if m.Do != "join" || c.member(m) {
		err = nil // it was let in with it before
	}
	if err == nil {
		err = c.propose(m)
	}
	if err != nil {
		return clusterStatus{}, err
	}
	err = c.settled(ctx, m)
	return a.clusterStatus(ctx, c, moment{}), err
}

// formats are what the release of a node that asks to join reads.
func (m *memberChange) formats() consensus.Formats {
	oldest := max(1, m.Oldest)
	return consensus.Formats{Oldest: oldest, Newest: max(oldest, m.Newest)}
}

// member says whether a node that asks to join is a member with that disk.
func (c *cluster) member(m memberChange) bool {
	have, ok := c.node.Status().Membership.Find(consensus.NodeID(m.ID))
	return ok && have.Incarnation == m.Incarnation
}

// propose makes the change, unless it would leave the cluster without a quorum.
func (c *cluster) propose(m memberChange) error {
	s, id := c.node.Status(), consensus.NodeID(m.ID)
	have, member := s.Membership.Find(id)
	if !member && m.Do != "join" {
		return &wire.Error{Status: 404, Detail: fmt.Sprintf("node %d is not a member", m.ID)}
	}
	var err error
	switch m.Do {
	case "join":
		if c.member(m) && have.Address == m.Address {
			return nil // it asks again
		}
		if member && have.Incarnation != m.Incarnation && (id == c.cfg.id || answers(s, id)) {
			return refuse("node %d is a member already, and answers; a new node needs a number of its own", m.ID)
		}
		if reads := m.formats(); !reads.Reads(s.Membership.Format) {
			return refuse("%v", &consensus.FormatError{Node: id, Reads: reads, Format: s.Membership.ActiveFormat()})
		}
		err = c.node.Change(consensus.Change{Member: consensus.Member{ID: id, Role: consensus.Learner, Promote: !m.Learner, Incarnation: m.Incarnation, Address: m.Address}})
	case "promote":
		if have.Role != consensus.Learner {
			return refuse("node %d is a %v, not a learner", m.ID, have.Role)
		}
		if err := quorate(s, append(voters(s), id), fmt.Sprintf("with node %d", m.ID)); err != nil {
			return err
		}
		have.Promote = true
		err = c.node.Change(consensus.Change{Member: have})
	case "remove":
		if have.Role != consensus.Learner {
			left := slices.DeleteFunc(voters(s), func(v consensus.NodeID) bool { return v == id })
			if err := quorate(s, left, fmt.Sprintf("without node %d", m.ID)); err != nil {
				return err
			}
		}
		err = c.node.Change(consensus.Change{Remove: true, Member: consensus.Member{ID: id}})
	case "transfer":
		if have.Role != consensus.Voter || id != c.cfg.id && !answers(s, id) {
			return refuse("node %d is a %v that %s; a voter that answers can lead", m.ID, have.Role, map[bool]string{true: "answers", false: "does not answer"}[answers(s, id)])
		}
		if id != c.cfg.id {
			err = c.node.Transfer(id)
		}
	default:
		return &wire.Error{Status: 400, Detail: fmt.Sprintf("%q is not join, promote, remove or transfer", m.Do)}
	}
	if err != nil {
		return refuse("%v", err)
	}
	return nil
}

// voters are those who vote now.
func voters(s consensus.Status) (list []consensus.NodeID) {
	for _, m := range s.Membership.Members {
		if m.Role != consensus.Learner {
			list = append(list, m.ID)
		}
	}
	return list
}

// answers says whether the leader, whose status s is, hears of a node.
func answers(s consensus.Status, id consensus.NodeID) bool {
	return id == s.ID || slices.ContainsFunc(s.Peers, func(p consensus.PeerStatus) bool { return p.ID == id && p.Active })
}

// quorate refuses voters of which too few answer.
func quorate(s consensus.Status, list []consensus.NodeID, how string) error {
	var up, down []string
	for _, id := range list {
		if answers(s, id) {
			up = append(up, fmt.Sprint(id))
		} else {
			down = append(down, fmt.Sprint(id))
		}
	}
	if len(list) == 0 {
		return refuse("%s the cluster has no voter: it would be no more. To end it, stop its nodes", how)
	}
	need := len(list)/2 + 1
	if len(up) >= need {
		return nil
	}
	silent := "none is silent"
	if len(down) > 0 {
		silent = "silent: " + strings.Join(down, ", ")
	}
	return refuse("%s the cluster has %d voters and needs %d of them for every write; %d answer (%s), %s", how, len(list), need, len(up), strings.Join(up, ", "), silent)
}

// changeWait bounds how long a change is waited for.
const changeWait = 10 * time.Second

// settled waits until a change is made. A node that joins is a member by then, and no voter
// yet.
func (c *cluster) settled(ctx context.Context, m memberChange) error {
	ctx, cancel := context.WithTimeout(ctx, changeWait)
	defer cancel()
	t := time.NewTicker(10 * time.Millisecond)
	defer t.Stop()
	for {
		s, id := c.node.Status(), consensus.NodeID(m.ID)
		have, member := s.Membership.Find(id)
		made := member
		switch m.Do {
		case "remove":
			made = !member
		case "promote":
			made = have.Role == consensus.Voter
		case "transfer":
			made = s.Lead == id
		}
		if made && s.MembershipCommitted && (!s.Membership.Joint() || m.Do == "transfer") {
			return nil
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return &wire.Error{Status: 504, Detail: "the change was begun and is not done yet; see the status", Err: context.Cause(ctx)}
		}
	}
}

// send hands a wish to another node.
func (c *cluster) send(ctx context.Context, url string, m memberChange) (s clusterStatus, err error) {
	body, err := jsonx.Marshal(m)
	if err != nil {
		return s, err
	}
	res, err := c.client.Post(ctx, url+m.query(), "application/json", bytes.NewReader(body))
	if err != nil {
		return s, cause(err)
	}
	b, err := res.ReadAll(maxNodeInfo)
	if err = errors.Join(err, res.Close()); err != nil {
		return s, err
	}
	if res.StatusCode() != 200 {
		var p struct {
			Detail string `json:"detail"`
		}
		if jsonx.Unmarshal(b, &p) != nil || p.Detail == "" {
			p.Detail = fmt.Sprintf("%.200s", b)
		}
		return s, &wire.Error{Status: res.StatusCode(), Detail: p.Detail}
	}
	return s, jsonx.Unmarshal(b, &s)
}

// serveChange answers a wish of another node, or of the operator.
func (a *App) serveChange(w *wire.Response, r *wire.Request) error {
	c := a.cluster.Load()
	if c == nil {
		return errNoCluster
	}
	body, err := r.BorrowBody(maxNodeInfo)
	if err != nil {
		return err
	}
	var m memberChange
	if err := jsonx.Unmarshal(body, &m, jsonx.RejectUnknownMembers()); err != nil {
		return rest.ToError(err)
	}
	if err := m.parseQuery(r.Query()); err != nil {
		return err
	}
	s, err := a.change(r.Context(), c, m)
	if err != nil {
		return rest.ToError(err)
	}
	return sendJSON(w, s)
}

// serveStatus answers GET /cluster on the operator's socket.
func (a *App) serveStatus(w *wire.Response, r *wire.Request) error {
	c := a.cluster.Load()
	if c == nil {
		return errNoCluster
	}
	return sendJSON(w, a.clusterStatus(r.Context(), c, moment{}))
}

var errNoCluster = &wire.Error{Status: 404, Detail: "this node is not a member of a cluster"}

func sendJSON(w *wire.Response, v any) error {
	b, err := jsonx.Marshal(v)
	if err != nil {
		return err
	}
	return w.Send(200, "application/json", append(b, '\n'))
}

// clusterStatus is a cluster as the members tell it.
type clusterStatus struct {
	Cluster string         `json:"cluster"`
	Node    uint64         `json:"node"`   // who was asked
	Leader  uint64         `json:"leader"` // as far as that knows; 0: nobody
	Term    uint64         `json:"term"`
	Voters  int            `json:"voters"`
	Quorum  int            `json:"quorum"`
	Format  uint64         `json:"format"` // the active one
	Members []memberStatus `json:"members"`
}

// memberStatus is a member: what the membership says, and what it says of itself.
type memberStatus struct {
	memberInfo
	Member  string `json:"member"` // voter, learner; incoming, outgoing, demoted while the voters change
	Address string `json:"address"`
	Error   string `json:"error,omitempty"` // why it does not answer
}

// clusterStatus asks every member how it was at a moment.
func (a *App) clusterStatus(ctx context.Context, c *cluster, at moment) clusterStatus {
	s := c.node.Status()
	out := clusterStatus{Cluster: a.cfg.Cluster, Node: uint64(s.ID), Leader: uint64(s.Lead), Term: s.Term, Voters: len(voters(s)), Format: s.Membership.ActiveFormat()}
	out.Quorum = out.Voters/2 + 1
	out.Members = make([]memberStatus, len(s.Membership.Members))
	asked := make(chan struct{})
	for i, m := range s.Membership.Members {
		go func() {
			defer func() { asked <- struct{}{} }()
			info, err := memberInfo{}, error(nil)
			if m.ID == s.ID {
				info, err = a.aboutAt(ctx, c, at)
			} else {
				info, err = c.ask(ctx, m.ID, at)
			}
			info.ID, info.Members = uint64(m.ID), nil
			out.Members[i] = memberStatus{memberInfo: info, Member: m.Role.String(), Address: m.Address}
			if err != nil {
				out.Members[i].Error = err.Error()
			}
		}()
	}
	for range s.Membership.Members {
		<-asked
	}
	return out
}

// join asks, until this node is a member, one after the other of those it was told of to take
// it in: as a learner, which becomes a voter when it has caught up unless it is to stay one.
func (a *App) join(ctx context.Context, c *cluster, log *slog.Logger) {
	said := map[string]string{} // the same is not said again and again
	warn := func(asked string, err error) {
		if text := err.Error(); text != said[asked] && ctx.Err() == nil {
			said[asked] = text
			log.Warn("this node was not taken in; it asks again", "asked", asked, "error", err)
		}
	}
	wish := memberChange{Do: "join", Address: c.cfg.listen, Learner: c.cfg.learner}
	if a.cfg.token != nil {
		wish.Pass = &a.cfg.token.pass
	}
	for ctx.Err() == nil {
		id := c.node.Identity()
		me, member := c.node.Status().Membership.Find(id.ID)
		if member && me.Incarnation == id.Incarnation {
			return
		}
		reads := c.node.Status().Formats
		wish.ID, wish.Incarnation, wish.Oldest, wish.Newest = uint64(id.ID), id.Incarnation, reads.Oldest, reads.Newest
		targets, err := c.targets(ctx)
		if err != nil {
			warn("the resolver", err)
		}
		for _, at := range targets {
			s, err := c.send(ctx, joinURL(at), wish)
			if err == nil {
				c.learn(s)
				log.Info("the cluster takes this node in", "asked", at, "leader", s.Leader, "members", len(s.Members))
				break
			}
			warn(at, err)
		}
		t := time.NewTimer(joinRetry)
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// joinRetry is the pause before a node asks again to be taken in.
const joinRetry = time.Second

// learn tells the transport where the members are, until the log says so. What a node that is not taken in yet has of the
// log, or of a snapshot, may be older than that, and name places where nobody is any more.
func (c *cluster) learn(s clusterStatus) {
	var m consensus.Membership
	for _, x := range s.Members {
		m.Members = append(m.Members, consensus.Member{ID: consensus.NodeID(x.ID), Address: x.Address})
	}
	c.tcp.Members(m)
}
