"""What runs the whole mesh on one machine: processes, ports, and the embedded Triton."""
