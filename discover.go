package lithair

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Resolver finds nodes by name; *net.Resolver is one.
type Resolver interface {
	LookupHost(ctx context.Context, host string) (addrs []string, err error)
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, addrs []*net.SRV, err error)
}

// srvPrefix begins a member of join that is a name with SRV records (RFC 2782).
const srvPrefix = "srv:"

// maxTargets bounds how many addresses a node tries in one round of joining.
const maxTargets = 256

// targets are the addresses that join stands for now. A name with several addresses is all of them,
// as a headless service of Kubernetes has them; with TLS it is taken as it is, for
// certificates are of names. Names that are not found are skipped; err says which.
func (c *cluster) targets(ctx context.Context) (list []string, err error) {
	add := func(addrs ...string) {
		for _, at := range addrs {
			if at != c.cfg.advertised() && len(list) < maxTargets {
				list = append(list, at)
			}
		}
	}
	for _, at := range c.cfg.join {
		name, srv := strings.CutPrefix(at, srvPrefix)
		if srv {
			_, records, e := c.resolver.LookupSRV(ctx, "", "", name)
			if e != nil {
				err = errors.Join(err, fmt.Errorf("join: SRV records of %s: %w", name, e))
			}
			for _, r := range records { // by priority, and chance by weight
				add(net.JoinHostPort(strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port))))
			}
			continue
		}
		host, port, e := net.SplitHostPort(at)
		if e != nil || c.tls || net.ParseIP(host) != nil {
			add(at)
			continue
		}
		addrs, e := c.resolver.LookupHost(ctx, host)
		if e != nil {
			err = errors.Join(err, fmt.Errorf("join: addresses of %s: %w", host, e))
		}
		for _, ip := range addrs {
			add(net.JoinHostPort(ip, port))
		}
	}
	return list, err
}
