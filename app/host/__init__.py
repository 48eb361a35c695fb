"""Runs the system on one machine: embedded PostgreSQL and Valkey, secrets files, process supervision, `up`."""
