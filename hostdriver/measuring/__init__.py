"""How fast a key is: ``vukey bench``."""
