"""Where wxcontacts_async stands beside its peers: `python -m benchmarks`."""
