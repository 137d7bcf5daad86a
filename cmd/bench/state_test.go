package main

import "testing"

// Every part gives figures that can be, on a state too small to say anything.
func TestStateMeasures(t *testing.T) {
	o := stateOptions{options: options{rounds: 1, dir: t.TempDir()}, records: 3000}
	rep := newReport()
	err := measureState(o, rep, []string{"memory", "snapshot", "replay"})
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Tables) != 4 {
		t.Fatalf("%d tables", len(rep.Tables))
	}
	for _, table := range rep.Tables {
		if table.Columns == nil || len(table.Rows) < 2 {
			t.Errorf("%+v", table)
		}
	}
	if f := rep.Tables[3].Rows[0].Figures["rate"]; f.Median <= 0 || f.Rounds != 1 {
		t.Errorf("%+v", f)
	}
	if f := rep.Tables[0].Rows[0].Figures["raw_mb"]; f.Median < 0.2 || f.Median > 0.4 {
		t.Errorf("%+v of 3000 records of 100 bytes", f)
	}
	if measureState(o, rep, []string{"fly"}) == nil {
		t.Error("an unknown part is accepted")
	}
}
