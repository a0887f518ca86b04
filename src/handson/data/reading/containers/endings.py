"""By what their names end in: files that are known before the libraries that read them are loaded."""

PARQUET, ARROW = (".parquet",), (".arrow", ".feather")
