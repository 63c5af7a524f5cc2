"""What operators see of pools and stores: OpenTelemetry and Prometheus, a module each."""
