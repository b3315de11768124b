"""AP and errors of the slices of the images as charts, a click on which opens the images of a slice."""
