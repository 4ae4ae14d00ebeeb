"""Who gets into the lab: requests signed with a key that the lab gave out, and nothing of a web page."""
