"""What runs on the host: one file made of these modules, for Python 3.6 and later, standard library only."""
