"""Re-reads an archive through the mesh: a folder, a DICOMDIR or a list becomes entries of a queue, each
entry gets one result, and the results become one table.
"""
