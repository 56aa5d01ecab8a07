"""The report of a data set: one HTML page with plots and a browser of samples."""
