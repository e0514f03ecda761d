"""What every service stands on: server, settings, errors, interceptors, health, telemetry and the inference seam."""
