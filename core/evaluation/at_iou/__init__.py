"""What detections are at higher IoUs than the one of the detection table."""
