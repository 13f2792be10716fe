"""The doctor: looks over an install, and says what is wrong and how it is mended."""
