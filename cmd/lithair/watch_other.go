//go:build !linux

package main

import "errors"

func systemWatcher(string) (watcher, error) { return nil, errors.New("this system does not tell") }
