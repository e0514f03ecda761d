"""An image file -> the same without what identifies a patient.

    deidentifier    one file in, the same without what identifies out
    dicom           a DICOM file: header, attributes, pixels
    attributes      a data set by the basic profile, and what the profile does not name
    profile         table E.1-1 of PS3.15 and the options that keep more
    vocabulary      which words and codes cannot identify anybody
    pseudonyms      what the key makes of identifiers
    pixels          the pixels of a DICOM file: looked at, covered
    pictures        PNG and JPEG
    views           stored values as text in them can be seen
    burned_in       where text is: tiles, magnifications, boxes
    boxes           rectangles that are covered
    changes         what was done, counted
    convert         protobuf <-> all that

docs/deidentifying-files.md says how well it does so.
"""
