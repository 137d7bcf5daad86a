package lithair

import "testing"

// TestLeaseReads: linearizable reads on the leader ask nobody while a lease lasts, and are counted.
func TestLeaseReads(t *testing.T) {
	m := startCluster(t, 3, notes, func(c *Config) { c.LeaseReads, c.PatientFailover = true, true })
	m.push(3)
	for served := uint64(0); served == 0; {
		lead := m.leader()
		for range 20 {
			if got := call(t, m.apps[lead], "GET", "/api/notes?level=linearizable", ""); got.StatusCode != 200 {
				t.Fatalf("%d %s", got.StatusCode, got.body)
			}
		}
		served = m.apps[lead].cluster.Load().node.Leases()
		if t.Context().Err() != nil {
			t.Fatal("no read was served by a lease")
		}
	}
	m.equal()
}
