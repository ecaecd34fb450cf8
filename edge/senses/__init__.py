"""What the eyes are made of: each sense looks at pictures for one purpose, so that detectors need none."""
