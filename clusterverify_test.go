package lithair

import (
	"strings"
	"testing"
)

// TestVerifyComparesWhatIsThere: a member that has nothing yet does not have the others compared at
// different moments, and one that is fenced is named though it is equal at the moment compared.
func TestVerifyComparesWhatIsThere(t *testing.T) {
	member := func(id, seq, applied uint64) memberStatus {
		return memberStatus{memberInfo: memberInfo{ID: id, Seq: seq, Applied: applied, Hash: "h", Chain: "c"}}
	}
	silent := memberStatus{Error: "connection refused"}
	for _, x := range []struct {
		members []memberStatus
		want    moment
	}{
		{nil, moment{}},
		{[]memberStatus{member(1, 0, 0)}, moment{}},
		{[]memberStatus{member(1, 7, 9), member(2, 8, 8)}, moment{7, 8}},
		{[]memberStatus{member(1, 7, 9), member(2, 0, 0), member(3, 6, 8)}, moment{6, 8}},
		{[]memberStatus{member(1, 0, 0), silent, member(3, 6, 8)}, moment{6, 8}},
		{[]memberStatus{member(1, 0, 1), member(3, 6, 8)}, moment{0, 1}},
	} {
		if got := earliest(x.members); got != x.want {
			t.Errorf("%+v: %+v, want %+v", x.members, got, x.want)
		}
	}
	fenced := member(2, 7, 9)
	fenced.Fenced = "its state is another"
	for _, x := range []struct {
		second memberStatus
		want   string
	}{{member(2, 7, 9), ""}, {fenced, "node 2 is fenced: its state is another"}} {
		a := agreement{clusterStatus: clusterStatus{Members: []memberStatus{member(1, 7, 9), x.second}}}
		a.compare()
		if got := strings.Join(a.Problems, "; "); got != x.want || a.Agree != (x.want == "") {
			t.Errorf("agree %v, %q; want %q", a.Agree, got, x.want)
		}
	}
}
