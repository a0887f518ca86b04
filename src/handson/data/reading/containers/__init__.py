"""Files whose rows are read block by block while a net is trained: HDF5, Zarr, Parquet, Arrow, FITS, folders, tars."""
