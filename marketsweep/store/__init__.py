"""The data folder: what is stored, and how it is written so that nothing is lost.

`store.Store` opens a folder, `snapshot.Snapshot` is one state of it, `writer.Writer` changes it.
Bars are in `segments`, everything else in `catalog`. `companies` works out which tickers, splits
and dividends belong to which company.
"""
