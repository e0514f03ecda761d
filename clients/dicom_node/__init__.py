"""The DICOM node: takes images as an archive does, has the mesh read them, and sends the results back as
DICOM objects.
"""
