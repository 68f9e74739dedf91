"""Readers of public data sets: folders of pictures to one file of aligned crops and labels."""
