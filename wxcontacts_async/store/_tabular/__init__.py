"""Contact sets as tables: Arrow, Parquet, CSV and workbooks."""
