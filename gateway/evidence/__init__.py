"""Evidence from evaluations: files of rows and means, read as a stream and checked row by row."""
