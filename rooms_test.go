package lithair

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/live"
	"github.com/lithair/lithair-go/rooms"
	"github.com/lithair/lithair-go/wire"
	"github.com/lithair/lithair-go/ws"
)

// dialAs is a live connection of a user, who is known by a header field.
func dialAs(t *testing.T, a *App, user string) *liveSocket {
	t.Helper()
	c, err := ws.Dial(t.Context(), "ws://"+a.Addr()+"/live", ws.DialConfig{Subprotocols: []string{live.Subprotocol}, Header: [][2]string{{"X-User", user}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	s := &liveSocket{t, c}
	s.want(`"op":"ready"`)
	return s
}

// until reads frames up to one that holds all of these texts.
func (s *liveSocket) until(texts ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	var seen []string
	for {
		_, data, err := s.c.Read(ctx)
		if err != nil {
			s.t.Fatalf("waiting for %v: %v, after %s", texts, err, strings.Join(seen, "\n"))
		}
		all := true
		for _, text := range texts {
			all = all && strings.Contains(string(data), text)
		}
		if all {
			return string(data)
		}
		seen = append(seen, string(data))
	}
}

func chat(a *App) *Rooms {
	a.Authenticate(func(r *wire.Request) (Principal, error) { return Principal{ID: r.Header("X-User")}, nil })
	a.Authorize(func(p Principal, act Action) error {
		if act.Verb == "join" && act.Key == "chat/guarded" {
			return errors.New("no")
		}
		return nil
	})
	return Room(a, "chat/{id}", RoomOptions{
		Presence: true, History: 10,
		Join: func(_ context.Context, r RoomRequest) error {
			if r.Params["id"] == "secret" && r.Principal.ID != "ada" {
				return &wire.Error{Status: 403, Detail: "ada alone"}
			}
			return nil
		},
		Send: func(_ context.Context, m RoomMessage) error {
			if strings.Contains(string(m.Data), "rude") {
				return errors.New("no")
			}
			return nil
		},
	})
}

func TestRooms(t *testing.T) {
	a := newApp(t, Config{})
	r := chat(a)
	start(t, a)
	ada, bob := dialAs(t, a, "ada"), dialAs(t, a, "bob")
	ada.say(`{"op":"join","ref":"j","room":"chat/1","meta":{"typing":false}}`)
	ada.until(`"op":"joined","room":"chat/1","ref":"j"`, `"history":[]`, `"user":"ada"`)
	ada.say(`{"op":"send","ref":1,"room":"chat/1","data":{"text":"hi"}}`)
	ada.until(`"op":"message","room":"chat/1"`, `"n":1,"from":"ada"`, `"data":{"text":"hi"}`)
	ada.until(`"op":"ok","ref":1`, `"n":1`)
	bob.say(`{"op":"join","ref":2,"room":"chat/1"}`)
	bob.until(`"op":"joined"`, `"data":{"text":"hi"}`)
	ada.until(`"op":"presence","room":"chat/1"`, `"enter":[`, `"user":"bob"`)
	ada.say(`{"op":"meta","ref":3,"room":"chat/1","meta":{"typing":true}}`)
	bob.until(`"op":"presence"`, `"update":[`, `{"typing":true}`)
	bob.say(`{"op":"send","ref":4,"room":"chat/1","to":"ada","data":"psst"}`)
	ada.until(`"op":"direct"`, `"from":"bob"`, `"data":"psst"`)
	if err := r.Publish("chat/1", map[string]int{"news": 1}); err != nil {
		t.Fatal(err)
	}
	bob.until(`"op":"message"`, `"data":{"news":1}`)
	bob.say(`{"op":"presence","ref":5,"room":"chat/1","take":1}`)
	bob.until(`"op":"users","room":"chat/1","ref":5`, `"user":"ada"`, `"count":2,"more":true`)
	if got := call(t, a, "GET", "/live/rooms/chat/1?after=ada", "", "X-User", "bob"); got.StatusCode != 200 || !strings.HasPrefix(got.body, `{"users":[{"user":"bob"`) {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	for _, x := range []struct{ say, code string }{
		{`{"op":"join","ref":"x","room":"chat/secret"}`, `"code":"forbidden","detail":"ada alone"`},
		{`{"op":"join","ref":"x","room":"chat/guarded"}`, `"code":"forbidden"`},
		{`{"op":"join","ref":"x","room":"chat/1/2"}`, `"code":"unknown_room"`},
		{`{"op":"join","ref":"x","room":"chat/1"}`, `"code":"already_joined"`},
		{`{"op":"send","ref":"x","room":"chat/1","data":"rude"}`, `"code":"forbidden"`},
		{`{"op":"send","ref":"x","room":"chat/1"}`, `"code":"bad_message"`},
		{`{"op":"send","ref":"x","room":"chat/2","data":1}`, `"code":"not_joined"`},
		{`{"op":"leave","ref":"x","room":"chat/2"}`, `"code":"not_joined"`},
		{`{"op":"presence","ref":"x","room":"chat/1","take":1001}`, `"code":"bad_message"`},
	} {
		bob.say(x.say)
		bob.until(`"op":"error"`, `"id":"x"`, x.code)
	}
	for path, status := range map[string]int{"/live/rooms/chat/secret": 403, "/live/rooms/other": 404, "/live/rooms/chat/1?take=x": 400} {
		if got := call(t, a, "GET", path, "", "X-User", "bob"); got.StatusCode != status {
			t.Errorf("GET %s: %d %s, want %d", path, got.StatusCode, got.body, status)
		}
	}
	bob.say(`{"op":"leave","ref":9,"room":"chat/1"}`)
	bob.until(`"op":"ok","ref":9`)
	ada.until(`"op":"presence"`, `"leave":["bob"]`)
	ada.c.CloseNow()
	await(t, "the room is empty", func() bool { _, _, n := r.Present("chat/1", "", 10); return n == 0 })
	if body := call(t, a, "GET", "/observe/metrics", "").body; !strings.Contains(body, "lithair_rooms ") {
		t.Error("no figures of rooms")
	}
}

// TestRoomsAcrossNodes: members on three nodes see one order and each other; a node that stops is gone for the others.
func TestRoomsAcrossNodes(t *testing.T) {
	t.Parallel()
	m := startCluster(t, 3, func(a *App) {
		a.Authenticate(func(r *wire.Request) (Principal, error) { return Principal{ID: r.Header("X-User")}, nil })
		Room(a, "hall/{id}", RoomOptions{Presence: true, History: 100})
	})
	var socks []*liveSocket
	for i, a := range m.apps {
		await(t, "nodes find each other", func() bool { return a.rooms.hub.Figures().Peers == 2 })
		s := dialAs(t, a, fmt.Sprint("u", i))
		s.say(`{"op":"join","room":"hall/1"}`)
		s.until(`"op":"joined"`)
		socks = append(socks, s)
	}
	const each = 20
	for i := range each {
		for j, s := range socks {
			s.say(fmt.Sprintf(`{"op":"send","room":"hall/1","data":"%d-%d"}`, j, i))
		}
	}
	// A node that is silent for a second, on a busy machine, costs a new order, but no message: the history reaches.
	type place struct {
		epoch string
		n     int
	}
	at := map[place]string{}
	for _, s := range socks {
		seen, last := map[string]bool{}, place{}
		for len(seen) < each*len(socks) {
			var f struct {
				N     int            `json:"n"`
				Epoch string         `json:"epoch"`
				Data  jsonx.RawValue `json:"data"`
			}
			if err := jsonx.Unmarshal([]byte(s.until(`"op":"message"`)), &f); err != nil {
				t.Fatal(err)
			}
			here := place{f.Epoch, f.N}
			if seen[string(f.Data)] || here.epoch == last.epoch && here.n <= last.n {
				t.Fatalf("message %s at %v, behind %v; seen before: %v", f.Data, here, last, seen[string(f.Data)])
			}
			if other, ok := at[here]; ok && other != string(f.Data) {
				t.Fatalf("two messages at %v: %s and %s", here, f.Data, other)
			}
			at[here], last = string(f.Data), here
			seen[string(f.Data)] = true
		}
	}
	m.stop(1)
	for _, i := range []int{0, 2} {
		hub := m.apps[i].rooms.hub
		await(t, "the user of a node that stopped is gone", func() bool { _, _, n := hub.List("hall/1", "", 10); return n == 2 })
	}
	socks[0].say(`{"op":"send","ref":"last","room":"hall/1","data":"last"}`)
	socks[2].until(`"op":"message"`, `"data":"last"`)
	m.start(1)
	s := dialAs(t, m.apps[1], "u1")
	s.say(`{"op":"join","room":"hall/1"}`)
	await(t, "all three are there again, for all", func() bool {
		for _, a := range m.apps {
			if _, _, n := a.rooms.hub.List("hall/1", "", 10); n != 3 {
				return false
			}
		}
		return true
	})
}

func TestRoomPatterns(t *testing.T) {
	a := newApp(t, Config{})
	for _, bad := range []string{"", "a//b", "a/{}", "/a", strings.Repeat("x", rooms.MaxRoomBytes+1)} {
		Room(a, bad, RoomOptions{})
	}
	if n := len(a.errs); n != 5 {
		t.Errorf("%d of 5 patterns were refused", n)
	}
}

// TestRoomsAfterAnotherToken: who comes with a token that may not join a room any more is taken out of it, and hears nothing of it from then on;
// other rooms stay.
func TestRoomsAfterAnotherToken(t *testing.T) {
	a := newApp(t, Config{})
	who := func(token string) (Principal, error) {
		id, role, _ := strings.Cut(token, ":")
		return Principal{ID: id, Roles: []string{role}}, nil
	}
	a.Authenticate(func(r *wire.Request) (Principal, error) { return who(r.Header("X-User")) })
	a.AuthenticateToken(who)
	r := Room(a, "team/{role}", RoomOptions{Presence: true, Join: func(_ context.Context, r RoomRequest) error {
		if r.Params["role"] != "all" && r.Params["role"] != r.Principal.Roles[0] {
			return &wire.Error{Status: 403, Detail: "of another team"}
		}
		return nil
	}})
	start(t, a)
	ada, bob := dialAs(t, a, "ada:red"), dialAs(t, a, "bob:red")
	for _, s := range []*liveSocket{ada, bob} {
		for _, room := range []string{"team/red", "team/all"} {
			s.say(`{"op":"join","ref":"` + room + `","room":"` + room + `"}`)
			s.until(`"op":"joined"`, `"ref":"`+room+`"`)
		}
	}
	ada.say(`{"op":"auth","ref":"same","token":"ada:red"}`)
	ada.until(`"op":"ok","ref":"same"`)
	if err := r.Publish("team/red", "for reds"); err != nil {
		t.Fatal(err)
	}
	ada.until(`"data":"for reds"`)
	ada.say(`{"op":"auth","ref":"moved","token":"ada:blue"}`)
	ada.until(`"op":"error","room":"team/red"`, `"code":"forbidden"`, "of another team")
	ada.until(`"op":"ok","ref":"moved"`)
	bob.until(`"op":"presence","room":"team/red"`, `"leave":["ada"]`)
	for _, room := range []string{"team/red", "team/all"} {
		if err := r.Publish(room, "to "+room); err != nil {
			t.Fatal(err)
		}
	}
	bob.until(`"data":"to team/red"`)
	for {
		got := ada.until(`"data":"to team/`)
		if strings.Contains(got, "team/red") {
			t.Fatalf("out of the room, she is told: %s", got)
		}
		if strings.Contains(got, "team/all") {
			break
		}
	}
}
