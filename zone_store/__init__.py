"""Keyspace, the run store, attribution: what every other package stands on; imports none of ours."""
