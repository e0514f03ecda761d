"""Answers of the mesh as text for people: one module for each kind, none of which asks anything or fails on
what is absent.
"""
