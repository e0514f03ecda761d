"""Calls to other services of the mesh."""
