"""The models of a service: their cards, their catalogue, and the seam to Triton."""
