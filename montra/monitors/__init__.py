"""The fleet of minimally visible monitors: introduce, keep alive, verify, retire, reuse."""
