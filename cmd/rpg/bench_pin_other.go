//go:build !linux

package main

// pinTo does nothing: only Linux lets a process choose its cores.
func pinTo(int) error { return nil }
