"""The spans and metrics of OpenTelemetry, behind `instrumentation.opentelemetry`."""
