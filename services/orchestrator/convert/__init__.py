"""Protobuf <-> the dataclasses of the orchestrator, by subject."""
