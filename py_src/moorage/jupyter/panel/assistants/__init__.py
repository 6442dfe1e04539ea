"""What assistants ask of the kernel: ``telling`` says how things are, ``proposals`` asks the user before a change."""
