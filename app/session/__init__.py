"""What one browser session knows: address, filters, cached answers, its scans and exports.

In: the address and clicks. Out: filters and data for the pages.
"""
