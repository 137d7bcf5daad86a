module github.com/lithair/lithair-go

go 1.26
