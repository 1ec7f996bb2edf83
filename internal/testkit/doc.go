// Package testkit holds what tests run rota against: a real Consul agent
// ([StartConsul]) that can be stopped, killed, frozen and started again, a whole
// cluster of them ([StartCluster]) that can lose its leader, a way to one that
// can be cut ([StartLink]), and a scripted stand-in for one ([StartFaultConsul])
// for the answers that a real agent won't give on demand.
//
// Everything here belongs to the test that started it and is gone when that
// test ends. What can't be set up ends the test, so no function returns an
// error.
package testkit
