// Package compose tries docker-compose.yml on a real Docker: see
// scripts/compose-test.sh. The build tag compose turns it on.
package compose
