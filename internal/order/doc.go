// Package order holds no code but a test: the packages of this module may import
// each other in one direction only, the way the data goes. Read order_test.go,
// which is the list of who may import whom.
package order
