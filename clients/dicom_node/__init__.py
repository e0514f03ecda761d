"""The DICOM node: takes images as an archive does, has the mesh read them, sends DICOM objects back."""
