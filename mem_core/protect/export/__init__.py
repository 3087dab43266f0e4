"""A protected corpus as a folder of pictures: under their original names, with their captions beside them."""
