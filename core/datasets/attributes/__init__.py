"""What is known of images besides their boxes – weather, camera, folder, brightness – and the slices of it."""
