"""The services of the mesh, and the chassis that all of them stand on."""
