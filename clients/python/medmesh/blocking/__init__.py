"""The blocking client, generated from `medmesh.aio` by tools/blocking_client.py."""
