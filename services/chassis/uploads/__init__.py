"""Files that callers upload in parts and name in later requests.

settings      how much may be held, by one caller and by all, and for how long
store         the files, each bound to the identity that brought it
servicer      `medmesh.common.v1.UploadService` on a store
forwarding    an upload that another service of the mesh needs: handed on, and deleted there afterwards
"""
