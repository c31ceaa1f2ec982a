"""How the images were read: the load report, corrections of it, and what to do where nothing could be read."""
