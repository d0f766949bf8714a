"""What students get: the links in what is released, and the search for whatever must not be in it."""
