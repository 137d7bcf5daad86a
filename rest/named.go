package rest

import (
	"strconv"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/wire"
)

// MountCommand serves a named command: POST path with a JSON body. prepare reads the body
// and returns what is to run; the body is valid until it returns. Guard, idempotency key,
// problem details and Lithair-Index are as for models; the action's verb is "command" and
// its model the command's name.
func MountCommand(r *wire.Router, e *engine.Engine, name, path string, opt Options, prepare func(body []byte) (func(tx *engine.Tx) (engine.Answer, error), error)) error {
	if err := opt.defaults(); err != nil {
		return err
	}
	return r.Handle("POST "+path, func(w *wire.Response, r *wire.Request) error {
		err := runNamed(w, r, e, name, &opt, prepare)
		if err == nil {
			return nil
		}
		bad := ToError(err)
		if w.HeaderValue("Lithair-Index") == "" {
			bad.Header = append(bad.Header, [2]string{"Lithair-Index", strconv.FormatUint(e.Root().Seq(), 10)})
		}
		return bad
	})
}

func runNamed(w *wire.Response, r *wire.Request, e *engine.Engine, name string, opt *Options, prepare func(body []byte) (func(tx *engine.Tx) (engine.Answer, error), error)) error {
	p, err := opt.admit(r, Action{Verb: "command", Model: name})
	if err != nil {
		return err
	}
	if err := onlyRead(r); err != nil {
		return err
	}
	body, err := opt.body(r, "")
	if err != nil {
		return err
	}
	cmd, err := command(r, p, name, body)
	if err != nil {
		return err
	}
	if cmd.Run, err = prepare(body); err != nil {
		return err
	}
	res, err := e.Do(r.Context(), cmd)
	if err != nil {
		return err
	}
	set := [][2]string{{"Lithair-Index", strconv.FormatUint(res.Seq, 10)}}
	if res.Replayed {
		set = append(set, [2]string{"Idempotency-Replayed", "true"})
	}
	for _, h := range append(set, res.Header...) {
		if err := w.SetHeader(h[0], h[1]); err != nil {
			return err
		}
	}
	return w.Send(res.Status, "application/json", res.Body)
}
