"""Simulators: devices that speak as real ones do, over real sockets, with faults on demand."""
