"""The orchestrator: fans one diagnostic case out to the services and fuses what comes back."""
