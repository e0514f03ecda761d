"""The orchestrator told to de-identify notes (`MEDMESH_DEIDENTIFY_NOTES`)."""
