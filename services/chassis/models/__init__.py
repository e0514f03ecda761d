"""The models of a service: their cards, their catalog, and the seam to Triton."""
