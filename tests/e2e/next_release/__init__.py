"""A version to come, as far as the database sees it: what every migration may do, one of each."""
