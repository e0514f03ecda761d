"""The imaging service: one medical image in, calibrated findings with their evidence out."""
