"""A DICOM file -> grey pixels as a viewer would show them, and Hounsfield units where it has them.

    reading        file bytes -> the attributes that are read, bounded
    instance       a file of one or many frames -> each frame as an object of its own
    syntaxes       the transfer syntaxes that are read, and what to do with the others
    codestream     what a compressed frame says of itself, before it is unpacked
    frame          pixel data -> one frame of stored values
    jpeg           the same of a JPEG in colour, in red, green, blue, also at half its rows and columns
    attributes     single attributes: malformed values, functional groups
    tables         lookup tables
    modality       stored values -> e.g. Hounsfield units
    voi            windows and value-of-interest tables -> grey levels
    colour         red, green, blue, YBR, palettes -> grey levels
    geometry       which way up
    subject        what the file says that it shows, and how old the patient is

docs/reading-images.md lists what of the standard is read and what is not.
"""

from __future__ import annotations

from services.imaging.dicom.decoding import decode_dicom

__all__ = ["decode_dicom"]
