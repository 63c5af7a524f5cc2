"""Where the store stands beside its peers: `python -m benchmarks store`."""
