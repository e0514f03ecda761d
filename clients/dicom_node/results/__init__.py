"""DICOM objects made of what the mesh answered."""
