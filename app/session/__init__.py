"""What one browser session knows: its address, filters, cached answers, scans and exports.

In: the URL and clicks. Out: filters and data for the pages.
"""
