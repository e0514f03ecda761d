"""MONAI bundles, in a folder or a zip.

    bundle       the files of one, and its configuration without the code that may stand in it
    transforms   the transforms of `configs/inference.json` -> the steps of a card
    network      its weights: ONNX or TorchScript, both graphs without Python of the bundle's
    source       the bundle as a source of an import

MONAI itself is not needed. Expressions (`$…`) are never run, and what they decide is refused by name.
"""
