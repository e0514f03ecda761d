"""The client for asyncio. `medmesh.blocking` is generated from it: `python tools/blocking_client.py`."""
