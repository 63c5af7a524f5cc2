"""Tests against servers and proxies that the world runs: nginx, HAProxy and Node."""
