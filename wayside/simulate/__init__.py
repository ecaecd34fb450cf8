"""Simulators: devices that speak what real ones speak, over real sockets, with faults on demand."""
