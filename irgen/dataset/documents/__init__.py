"""What is in a data set, for people and for machines."""
