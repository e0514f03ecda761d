"""What medmesh is measured against, each a small program on the same weights, images and preparation; they
run in an environment of their own (`python3 tools/bootstrap.py peers`).
"""
