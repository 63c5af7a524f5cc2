"""The metrics of Prometheus, behind `instrumentation.prometheus`."""
