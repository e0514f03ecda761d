"""The treatment ranker: learned from synthetic records which treatments patients with such records were
given.
"""
