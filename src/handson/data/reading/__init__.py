"""From files to columns: tables, arrays, folders of images."""
