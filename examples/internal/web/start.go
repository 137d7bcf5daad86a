package web

import lithair "github.com/lithair/lithair-go"

// AfterStart calls fn on a goroutine of its own once the app answers requests. Call it
// before app.Run, which does not come back.
func AfterStart(app *lithair.App, fn func()) {
	go func() {
		<-app.Started()
		fn()
	}()
}
