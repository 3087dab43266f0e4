"""What a run will take, from a short calibration of the real steps on the real images, and how past ones compared."""
