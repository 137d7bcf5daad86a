package lithair

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
)

// clusterConfig is what the settings of a cluster say, read.
type clusterConfig struct {
	id      consensus.NodeID
	listen  string
	first   consensus.Membership // of the bootstrap; empty where the node joins
	join    []string             // addresses of members to ask
	learner bool                 // it stays one
}

// minElectionTimeout: a heartbeat is a tenth of it, and goroutines must come to run in
// between.
const minElectionTimeout = 50 * time.Millisecond

// maxSecretBytes bounds the file of the cluster secret; minSecretBytes is what can not be
// guessed.
const (
	minSecretBytes = 16
	maxSecretBytes = 4 << 10
)

// clusterConfig reads the settings of a cluster; nil without one.
func (c *Config) clusterConfig() (*clusterConfig, error) {
	if c.Cluster == "" {
		for _, f := range []struct {
			name string
			set  bool
		}{{"node-id", c.NodeID != 0}, {"peer-addr", c.PeerAddr != ""}, {"peers", c.Peers != ""}, {"join", c.Join != ""}, {"learner", c.Learner}, {"lease-reads", c.LeaseReads}, {"bootstrap-expect", c.BootstrapExpect != 0}, {"cluster-secret-file", c.ClusterSecretFile != ""}, {"peer-tls-cert", c.PeerTLSCert != ""}, {"peer-tls-key", c.PeerTLSKey != ""}, {"peer-tls-ca", c.PeerTLSCA != ""}, {"cluster-insecure", c.ClusterInsecure}, {"patient-failover", c.PatientFailover}} {
			if f.set {
				return nil, fmt.Errorf("%s: needs cluster, the name of the cluster", f.name)
			}
		}
		return nil, nil
	}
	cc := &clusterConfig{id: consensus.NodeID(c.NodeID), listen: c.PeerAddr}
	if c.NodeID <= 0 {
		return nil, fmt.Errorf("node-id: is %d; a node of a cluster has a number from 1", c.NodeID)
	}
	if c.ElectionTimeout < minElectionTimeout {
		return nil, fmt.Errorf("election-timeout: is %v; at least %v are needed", c.ElectionTimeout, minElectionTimeout)
	}
	if c.LeaseReads && !c.PatientFailover {
		return nil, errors.New("lease-reads: needs patient-failover: a lease relies on voters that wait out the election timeout, also when the leader's process is known to be dead")
	}
	if set := []string{c.PeerTLSCert, c.PeerTLSKey, c.PeerTLSCA}; slices.Contains(set, "") && strings.Join(set, "") != "" {
		return nil, errors.New("peer-tls-cert, peer-tls-key, peer-tls-ca: one needs the others")
	}
	if err := cc.readPeers(c.Peers); err != nil {
		return nil, fmt.Errorf("peers: %w", err)
	}
	me, listed := cc.first.Find(cc.id)
	switch {
	case c.Peers != "" && !listed:
		return nil, fmt.Errorf("peers: node %d, which this one is, is not among them", cc.id)
	case cc.listen == "" && !listed:
		return nil, errors.New("peer-addr: is required where peers is not given")
	case cc.listen == "":
		cc.listen = me.Address
	}
	if cc.join = strings.FieldsFunc(c.Join, func(r rune) bool { return r == ',' || r == ' ' }); len(cc.join) > 0 && c.Peers != "" {
		return nil, errors.New("join, peers: a node begins a cluster or joins one, not both")
	}
	for _, at := range cc.join {
		if name, srv := strings.CutPrefix(at, srvPrefix); srv && name != "" {
			continue
		}
		if _, _, err := net.SplitHostPort(at); err != nil {
			return nil, fmt.Errorf("join: %q is not host:port", at)
		}
	}
	if cc.learner = c.Learner; c.Learner && len(cc.join) == 0 {
		return nil, errors.New("learner: is for a node that joins; set join")
	}
	if c.BootstrapExpect < 0 || c.BootstrapExpect > 0 && (len(cc.join) == 0 || c.Learner) {
		return nil, errors.New("bootstrap-expect: is the number of nodes that begin the cluster, each with join and none with learner")
	}
	if c.Peers == "" && len(cc.join) == 0 {
		cc.first = consensus.Membership{Members: []consensus.Member{{ID: cc.id, Role: consensus.Voter, Address: cc.listen}}}
	}
	if _, _, err := net.SplitHostPort(cc.listen); err != nil {
		return nil, fmt.Errorf("peer-addr: %q is not host:port", cc.listen)
	}
	if host, _, _ := net.SplitHostPort(cc.advertised()); host == "" || net.ParseIP(host).IsUnspecified() {
		return nil, fmt.Errorf("peer-addr: %q is also where other nodes are told to find this one, and names no host", cc.listen)
	}
	return cc, nil
}

// advertised is the address at which other nodes find this one: what peers says, or where it
// listens.
func (cc *clusterConfig) advertised() string {
	if me, listed := cc.first.Find(cc.id); listed {
		return me.Address
	}
	return cc.listen
}

// readPeers reads a list such as 1=10.0.0.1:7001,2=10.0.0.2:7001.
func (cc *clusterConfig) readPeers(text string) error {
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		left, address, ok := strings.Cut(item, "=")
		id, err := strconv.ParseUint(left, 10, 63)
		if !ok || err != nil || id == 0 {
			return fmt.Errorf("%q is not ID=HOST:PORT, such as 1=10.0.0.1:7001", item)
		}
		host, port, err := net.SplitHostPort(address)
		if err != nil || host == "" || port == "" || len(address) > consensus.MaxAddressBytes {
			return fmt.Errorf("%q is not HOST:PORT, such as 10.0.0.1:7001", address)
		}
		if _, twice := cc.first.Find(consensus.NodeID(id)); twice {
			return fmt.Errorf("node %d is there twice", id)
		}
		if k := slices.IndexFunc(cc.first.Members, func(m consensus.Member) bool { return m.Address == address }); k >= 0 {
			return fmt.Errorf("nodes %d and %d have the same address %s", cc.first.Members[k].ID, id, address)
		}
		cc.first.Members = append(cc.first.Members, consensus.Member{ID: consensus.NodeID(id), Role: consensus.Voter, Address: address})
		slices.SortFunc(cc.first.Members, func(a, b consensus.Member) int { return int(int64(a.ID) - int64(b.ID)) })
	}
	return nil
}

// clusterNumber is the number that the name of a cluster stands for.
func clusterNumber(name string) uint64 {
	sum := sha256.Sum256([]byte("lithair cluster " + name))
	return max(1, binary.LittleEndian.Uint64(sum[:]))
}

// openPeers listens for other nodes.
func (a *App) openPeers(cc *clusterConfig) (*node.TCP, error) {
	cfg := node.TCPConfig{ID: cc.id, Cluster: clusterNumber(a.cfg.Cluster), Insecure: a.cfg.ClusterInsecure, Logger: a.log, RetryAfter: min(100*time.Millisecond, a.cfg.ElectionTimeout/10)}
	var err error
	if cfg.Secret, err = a.cfg.secret(); err == nil {
		cfg.TLS, cfg.Trust, err = a.peerTLS()
	}
	if err != nil {
		return nil, &startError{err: err, kind: startConfig}
	}
	if cfg.Listener, err = net.Listen("tcp", cc.listen); err != nil {
		return nil, &startError{err: err, kind: startListen, addr: cc.listen, flag: "-peer-addr"}
	}
	t, err := node.NewTCP(cfg)
	if err != nil {
		err = fmt.Errorf("peer-addr: %w; see -cluster-secret-file, -peer-tls-cert and -cluster-insecure", err)
		return nil, &startError{err: errors.Join(err, cfg.Listener.Close()), kind: startConfig}
	}
	return t, nil
}

// readSecret reads the secret of the cluster; white space around it does not count.
func readSecret(name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("cluster-secret-file: %w", err)
	}
	if b = bytes.TrimSpace(b); len(b) < minSecretBytes || len(b) > maxSecretBytes {
		return nil, fmt.Errorf("cluster-secret-file: %s holds %d bytes; a secret has %d to %d", name, len(b), minSecretBytes, maxSecretBytes)
	}
	return b, nil
}
