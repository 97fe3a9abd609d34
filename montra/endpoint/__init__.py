"""The only place with sockets: datagram batches in and out under gevent, address plan, limits."""
